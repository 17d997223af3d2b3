"""What the dashboard's server gives to those who ask for more than the page."""

import urllib.error
import urllib.parse
import urllib.request

import pytest

from tests.browser.visits import kernel_of, visit

pytestmark = pytest.mark.browser
UP = ["..", "%2e%2e", "..%2f..", "%2e%2e%2f%2e%2e"]
SOUGHT = [
    *(".workbench-token", ".git/config", ".git/picture.png", "workbench.toml", "trips.csv", "versions/live.json"),
    *("dashboard.ipynb", "voila.json", "picture.png", "metrics/events/", "versions/"),
]
DOORS = ["", "files/", "voila/files/", "voila/static/", "static/", "voila/templates/workbench/static/"]
LISTS = [
    *("voila/api/contents", "api/contents", "api/kernels", "api/sessions", "api/terminals", "voila/tree", "tree"),
    *("lab", "voila/render/dashboard.ipynb", "notebooks/dashboard.ipynb", "metrics"),
]
SENT = """([kernel, code]) => new Promise(done => {
    const socket = new WebSocket(location.origin.replace('http', 'ws') + `/api/kernels/${kernel}/channels`);
    const header = {msg_id: 'a', session: 'b', username: '', version: '5.3', date: '', msg_type: 'execute_request'};
    const content = {code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false};
    socket.onopen = () => {
        socket.send(JSON.stringify({header, parent_header: {}, metadata: {}, content, channel: 'shell', buffers: []}));
        setTimeout(done, 3000);
    };
    socket.onerror = socket.onclose = () => done();
})"""


def asked(url):
    """The answer's body; empty where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        return error.read()


@pytest.fixture
def secrets(site):
    """What must not come out: texts in files of the workspace, and of what the page is made of."""
    root = site.settings.root
    (root / ".git").mkdir(exist_ok=True)
    (root / ".git" / "config").write_text("no page shows this line")
    for picture in (root / "picture.png", root / ".git" / "picture.png"):
        picture.write_bytes(b"\x89PNG no page shows this picture")
    return [
        *(b"no page shows this", site.token.encode(), b"Workbench.open()", b"cull_idle_timeout"),
        *(b'target = "minutes"', b"km,stops,to"),
    ]


def test_no_file_comes_out_by_whatever_path_it_is_asked_for(site, secrets):
    climbs = ["", *(f"{up}/" * times for up in UP for times in (1, 2))]
    root = urllib.parse.quote(str(site.settings.root))
    paths = [door + climb + name for door in DOORS for climb in climbs for name in SOUGHT]
    paths += [f"{door}{root}/{name}" for door in DOORS for name in SOUGHT]
    given = {path: asked(site.url + path) for path in [*paths, *LISTS]}
    assert {path: found for path, body in given.items() for found in secrets if found in body} == {}


def test_the_page_itself_holds_no_source_and_no_secret(site, secrets, page):
    visit(page, site.url)
    assert [found for found in secrets if found.decode() in page.content()] == []


def test_no_code_runs_that_a_page_sends(site, page, tmp_path):
    visit(page, site.url)
    proof = tmp_path / "ran"
    page.evaluate(SENT, [kernel_of(page), f"open({str(proof)!r}, 'w').close()"])
    assert not proof.exists()
