// Only the page knows its own address.
const HERE = ["127.0.0.1", "localhost", "[::1]"];

function base() {
  const config = document.getElementById("jupyter-config-data");
  return (config && JSON.parse(config.textContent).baseUrl) || "/";
}

function link(href, text, told, outside) {
  const item = document.createElement("li");
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.textContent = text;
  anchor.style.textDecoration = "underline";
  if (outside) {
    anchor.target = "_blank";
    anchor.rel = "noopener";
  }
  item.append(anchor, `: ${told}`);
  return item;
}

export default {
  render({ model, el }) {
    const root = base();
    const direct = root === "/" && HERE.includes(window.location.hostname);
    const port = (name, tls) => `${tls ? "https" : "http"}://${window.location.hostname}:${model.get(name)}`;
    const dashboard = direct ? `${port("dashboard_port")}/` : `${root}voila/render/notebooks/dashboard.ipynb`;
    // With a certificate of its own the service is not behind JupyterLab.
    const tls = model.get("service_tls");
    const docs = direct || tls ? `${port("service_port", tls)}/docs` : `${root}service/docs`;
    const list = document.createElement("ul");
    list.setAttribute("aria-label", `Places of ${model.get("name")}`);
    list.style.cssText = "line-height: 1.8; font-size: 14px; margin: 0;";
    list.append(
      link(dashboard, "Dashboard", "how the model does, live", true),
      link(docs, "Service", "what it answers, endpoint by endpoint", true),
    );
    for (const [file, told] of Object.entries(model.get("notebooks"))) {
      list.append(link(`${root}lab/tree/notebooks/${file}`, file.replace(".ipynb", ""), told, false));
    }
    el.append(list);
  },
};
