"""JupyterLab as `up` starts it: it opens on the first notebook, whose links lead on, also under a base URL."""

import os
import shutil
import subprocess
import urllib.request

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import free_port, send_traffic, until_it_answers
from tests.browser.visits import SOON, TOO_WIDE, luminance, panel, unlock
from tests.conftest import Clock
from tests.processes import serving
from workbench.cli.pages import lab_process
from workbench.metrics_store import MetricsStore
from workbench.records import Event
from workbench.settings import load_settings
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore

pytestmark = pytest.mark.browser
TOKEN = "a-token-of-this-test"
BASE = "/apps/flights/"


@pytest.fixture(scope="module", params=["/", BASE], ids=["alone", "under a base URL"])
def lab(request, _regression, tmp_path_factory, chromium):
    """A running JupyterLab with its settings; without a service."""
    folder = tmp_path_factory.mktemp("lab")
    ports = f"[service]\nport = {free_port()}\n[pages]\nlab_port = {free_port()}\ndashboard_port = {free_port()}\n"
    root = shutil.copytree(_regression.root, folder / "ws")
    toml = root / "workbench.toml"
    toml.write_text(f"{toml.read_text()}\n{ports}")
    settings = load_settings(root)
    argv, environment = lab_process(settings, TOKEN, folder)
    url = f"http://127.0.0.1:{settings.pages.lab_port}{request.param}"
    # What a person has set or kept for JupyterLab is left out.
    own = {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
    with (
        open(folder / "lab.log", "wb") as log,
        subprocess.Popen(
            [*argv, f"--ServerApp.base_url={request.param}"],
            env={**os.environ, **environment, **own},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            until_it_answers(url + "api", process)
            yield url, request.param, settings
        finally:
            process.terminate()
            process.wait(30)


def run_all(page):
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=SOON)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def test_the_first_notebook_opens_runs_and_leads_on(new_page, lab):
    url, base, settings = lab
    page = new_page(1400, 1000)
    page.goto(f"{url}?token={TOKEN}")
    expect(page.get_by_role("heading", name="Start here")).to_be_visible(timeout=SOON)
    run_all(page)
    places = page.get_by_role("list", name="Places of trips")
    expect(places).to_be_visible(timeout=SOON)
    link = {name: places.get_by_role("link", name=name).get_attribute("href") for name in ("Dashboard", "Service")}
    if base == "/":
        assert link["Dashboard"] == f"http://127.0.0.1:{settings.pages.dashboard_port}/"
        assert link["Service"] == f"http://127.0.0.1:{settings.service.port}/docs"
    else:
        assert link == {
            "Dashboard": f"{base}voila/render/notebooks/dashboard.ipynb",
            "Service": f"{base}service/docs",
        }
        page.goto(url.removesuffix(base) + link["Dashboard"])
        expect(page.get_by_text("○ No check yet")).to_be_visible(timeout=SOON)
        return
    places.get_by_role("link", name="1_explore").click()
    expect(page.get_by_role("heading", name="The flights, and why a good model goes bad")).to_be_visible(timeout=SOON)


def test_the_service_is_reached_through_jupyterlab(lab):
    url, _, settings = lab
    with serving(settings), urllib.request.urlopen(f"{url}service/docs?token={TOKEN}", timeout=60) as answer:
        assert "POST /predict" in answer.read().decode()


@pytest.fixture
def visited(new_page, lab):
    """The dashboard in a notebook, over some traffic."""
    url, _, settings = lab
    metrics, versions = MetricsStore.of(settings), VersionStore(settings.versions_dir)
    send_traffic(settings, metrics, versions, Clock())
    metrics.close()
    page = new_page(1400, 2400)
    page.goto(f"{url}lab/tree/notebooks/dashboard.ipynb?token={TOKEN}&reset")
    run_all(page)
    expect(page.locator(".wb").get_by_text("live, looked at")).to_be_visible(timeout=SOON)
    return page


@pytest.mark.parametrize("lab", ["/"], ids=["alone"], indirect=True)
def test_an_operator_retrains_switches_and_rolls_back_in_jupyterlab(visited, lab):
    page, settings = visited, lab[2]
    unlock(page.locator(".wb"), maintenance_token(settings.root))
    retrain, versions = panel(page, "Retrain"), panel(page, "Versions")
    retrain.get_by_label("New id").fill("second")
    retrain.get_by_label("New id").press("Tab")
    retrain.get_by_role("button", name="Retrain").click()
    retrain.get_by_role("button", name="Confirm").click()
    expect(retrain.get_by_text("✓ retrain done: second is published")).to_be_visible(timeout=SOON)
    live = VersionStore(settings.versions_dir).live_id()
    other = {"first": "second", "second": "first"}[live]
    versions.get_by_label("Version").select_option(other)
    versions.get_by_role("button", name="Switch to it").click()
    versions.get_by_role("button", name="Confirm").click()
    expect(versions.get_by_text(f"✓ done: {other} is live")).to_be_visible(timeout=SOON)
    versions.get_by_role("button", name="Roll back").click()
    versions.get_by_role("button", name="Confirm").click()
    expect(versions.get_by_text(f"✓ done: {live} is live")).to_be_visible(timeout=SOON)


@pytest.mark.parametrize("lab", ["/"], ids=["alone"], indirect=True)
def test_a_notebook_slides_hears_news_beside_another_viewer_and_fits_dark_and_phone(visited, new_page, lab):
    page, (url, _, settings) = visited, lab
    expect(page.get_by_text("an effect counts from 0.1 sd of the mean")).to_be_visible(timeout=SOON)
    page.get_by_role("slider", name="Smallest effect").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("an effect counts from 0.11 sd of the mean")).to_be_visible()

    viewer = new_page(390, 1200)
    viewer.goto(f"{url}voila/render/notebooks/dashboard.ipynb?token={TOKEN}")
    expect(viewer.get_by_text("live, looked at")).to_be_visible(timeout=SOON)
    metrics = MetricsStore.of(settings)
    metrics.append(Event(kind="kept_out", reason="news for everyone", version="first"))
    metrics.close()
    for one in (page, viewer):
        expect(one.get_by_text("news for everyone").first).to_be_visible(timeout=SOON)

    page.get_by_role("menuitem", name="Settings", exact=True).click()
    for item in ("Theme", "JupyterLab Dark"):
        page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()
    expect(page.locator('body[data-jp-theme-light="false"]')).to_have_count(1)
    inside = page.locator(".wb")
    assert luminance(inside, "color") > 0.5 > luminance(page.locator(".wb-panel").first, "background-color")

    page.keyboard.press("Control+b")
    page.set_viewport_size({"width": 390, "height": 844})
    # The page tells its width, and pictures are drawn anew for it.
    page.wait_for_function(f"({TOO_WIDE})().length == 0")
    page.get_by_role("button", name="As set").click()
    expect(page.get_by_text("an effect counts from 0.1 sd of the mean")).to_be_visible()
