// initialize() is the clock, render() the light. The two get different proxies of the model: they share by uid.
const SENT = new Map();

function nameMain() {
  // Voila's page has no landmark; JupyterLab, which has its own, no such element.
  const cells = document.getElementById("rendered_cells");
  if (cells) cells.setAttribute("role", "main");
}

function offerTheme(el) {
  // JupyterLab has a theme of its own; Voila takes it from the address, and where that names none, from the system.
  if (!document.getElementById("rendered_cells")) return () => {};
  const link = document.createElement("a");
  const offer = () => {
    const address = new URL(window.location.href);
    const dark = document.body.dataset.jpThemeLight === "false";
    address.searchParams.set("theme", dark ? "light" : "dark");
    link.href = address.href;
    link.textContent = dark ? "Light" : "Dark";
  };
  const seen = new MutationObserver(offer);
  seen.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  link.className = "wb-theme";
  el.append(link);
  offer();
  return () => seen.disconnect();
}

function nameProgress(root) {
  // ipywidgets gives progress bars no role and no name.
  for (const bar of root.querySelectorAll(".widget-hprogress .progress")) {
    const inner = bar.querySelector(".progress-bar");
    bar.setAttribute("role", "progressbar");
    const label = bar.closest(".widget-hprogress").querySelector(".widget-label");
    bar.setAttribute("aria-label", (label && label.textContent) || "Progress");
    if (inner) bar.setAttribute("aria-valuenow", String(parseInt(inner.style.width, 10) || 0));
  }
}

function nameSliders(root) {
  // Nor its sliders: the label beside one is not its own.
  for (const handle of root.querySelectorAll(".widget-slider .noUi-handle, .jupyter-widget-slider .noUi-handle")) {
    const label = handle.closest(".widget-slider, .jupyter-widget-slider").querySelector("label, .widget-label");
    if (label) handle.setAttribute("aria-label", label.textContent);
  }
}

export default {
  initialize({ model }) {
    const uid = model.get("uid");
    let timer = null;
    const tick = () => {
      if (document.hidden || !model.get("running")) return;
      if (!SENT.get(uid)) SENT.set(uid, Date.now());
      model.set("tick", model.get("tick") + 1);
      model.save_changes();
    };
    const arm = () => {
      clearInterval(timer);
      timer = setInterval(tick, model.get("interval"));
    };
    model.on("change:interval", arm);
    model.on("change:pong", () => {
      SENT.set(uid, 0);
      if (model.get("more")) setTimeout(tick, 20);
    });
    document.addEventListener("visibilitychange", tick);
    arm();
    tick();
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  },

  render({ model, el }) {
    const uid = model.get("uid");
    const light = document.createElement("span");
    const banner = document.createElement("div");
    const reload = document.createElement("button");
    light.className = "wb-light";
    banner.className = "wb-lost";
    banner.setAttribute("role", "alert");
    banner.hidden = true;
    reload.textContent = "Reload";
    reload.onclick = () => window.location.reload();
    el.append(light, banner);
    const themeOffered = offerTheme(el);
    let answered = "";
    const show = () => {
      const since = SENT.get(uid) || 0;
      const lost = since > 0 && Date.now() - since > model.get("patience");
      const text = lost ? "✗ lost" : answered ? `● live, looked at ${answered}Z` : "○ connecting";
      if (light.textContent !== text) light.textContent = text;
      light.dataset.left = String(model.get("more"));
      if (lost && banner.hidden) banner.replaceChildren("The connection to the session was lost. ", reload);
      banner.hidden = !lost;
      nameProgress(document);
      nameSliders(document);
    };
    const heard = () => {
      answered = new Date().toISOString().slice(11, 19);
      show();
    };
    const measure = () => {
      const room = Math.round((el.closest(".wb") || document.body).clientWidth);
      if (room > 0 && Math.abs(room - model.get("width")) > 16) {
        model.set("width", room);
        model.save_changes();
      }
    };
    model.on("change:pong", heard);
    const timer = setInterval(() => {
      show();
      measure();
    }, 500);
    measure();
    show();
    nameMain();
    return () => {
      clearInterval(timer);
      themeOffered();
      model.off("change:pong", heard);
    };
  },
};
