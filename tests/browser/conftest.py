"""A real dashboard in a real browser: Voila over a workspace with two versions and some traffic."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd
import psutil
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.visits import SOON, keep_at_home
from tests.conftest import Clock
from workbench.cli.pages import voila_process
from workbench.ensemble import answer
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now, utc_text
from workbench.monitor import ModelMonitor
from workbench.records import Event, Heartbeat, Request
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings, load_settings
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore

# Chromium as root, and without asking anyone on the network.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
STARTS_WITHIN_S = 60
# Other tests run beside these: what is drawn at once on a quiet machine takes longer.
expect.set_options(timeout=SOON)
PICTURES = Path(__file__).parents[2] / "pictures" / "tests"


@dataclass
class Site:
    """A served dashboard and the workspace behind it."""

    url: str
    settings: Settings
    token: str
    pid: int

    def kernel(self, name: str) -> psutil.Process | None:
        """The process of a kernel by its id; None when it is gone."""
        for process in psutil.Process(self.pid).children():
            with suppress(psutil.Error):
                if name in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                    return process
        return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def send_traffic(settings: Settings, metrics: MetricsStore, versions: VersionStore, clock: Clock) -> None:
    live = versions.load(versions.live().version_id)
    data = pd.read_csv(settings.root / "trips.csv").tail(60)
    sent = to_rows(data[[*live.schema.names, "at"]])
    monitor = ModelMonitor(metrics, settings)
    said = answer(live.estimator, live.schema, sent).predictions
    # By a clock of its own each actual takes a second: none is still on its way because this machine is busy.
    clock.now = utc_now()
    done = monitor.record_rows(sent, said, schema=live.schema, version=live.id, response_s=0.01)
    clock.now += timedelta(seconds=1)
    monitor.feedback([(p.id, actual) for p, actual in zip(done, data["minutes"], strict=True)])
    served = Request(path="/predict", status=200, rows=3, version=live.id, response_s=0.012, latency_s=0.01)
    metrics.append(*[served] * 30)
    metrics.append(
        Heartbeat(worker=1, started_at=utc_text(utc_now()), every_s=5, version=live.id, cpu_share=0.1, memory_mb=150)
    )
    monitor.check(live)


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium found")
    return found


@pytest.fixture(scope="session")
def workspace(_regression, tmp_path_factory):
    """Two versions, the second one live, and some traffic for each."""
    root = tmp_path_factory.mktemp("browser") / "ws"
    shutil.copytree(_regression.root, root)
    toml = (root / "workbench.toml").read_text()
    pages = f"[pages]\nrefresh_s = 0.5\ndashboard_port = {free_port()}\n"
    quick = '[backtest]\ndata = "trips.csv"\nensemble = 0.05\n'
    (root / "workbench.toml").write_text(f"{toml}\n{pages}{quick}")
    settings = load_settings(root)
    clock = Clock()
    metrics, versions = MetricsStore.of(settings, clock), VersionStore(settings.versions_dir)
    send_traffic(settings, metrics, versions, clock)
    ModelRetrainer(settings, versions, metrics).retrain("second", promote="always", reason="to have two")
    send_traffic(settings, metrics, versions, clock)
    metrics.append(Event(kind="decision", reason="wait: nothing in alarm", version="second"))
    metrics.close()
    return settings


@pytest.fixture(scope="session")
def site(workspace, tmp_path_factory, chromium):
    """One server for all tests, and no service: each leaves the second version live, as it was found."""
    with served(workspace, tmp_path_factory.mktemp("voila")) as told:
        yield told


@contextmanager
def served(settings: Settings, folder: Path, **kernels: int) -> Iterator[Site]:
    """The dashboard of a workspace under Voila, as `up` starts it, but for what is said of `kernels`."""
    argv, environment = voila_process(settings, folder / "run")
    told = folder / "run" / "voila.json"
    config = json.loads(told.read_text())
    config["MappingKernelManager"] |= kernels
    told.write_text(json.dumps(config))
    url = f"http://127.0.0.1:{settings.pages.dashboard_port}/"
    with (
        open(folder / "voila.log", "wb") as log,
        subprocess.Popen(argv, env={**os.environ, **environment}, stdout=log, stderr=log) as voila,
    ):
        try:
            until_it_answers(url + "voila/static/voila.js", voila)
            yield Site(url, settings, maintenance_token(settings.root), voila.pid)
        finally:
            voila.terminate()
            voila.wait(30)


def until_it_answers(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, TimeoutError):
            # Asking without a pause would take the processor that it starts on.
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
    raise AssertionError(f"Voila did not answer at {url}; see voila.log")


@pytest.fixture
def browser(chromium):
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def new_page(browser, request):
    """Opens pages that cannot ask other machines; fails if they tried to. What they show in the end is kept to be
    looked at, in a folder that git ignores."""
    opened, tried = [], []

    def open_page(width=1280, height=2400, **context):
        page = browser.new_page(viewport={"width": width, "height": height}, **context)
        page.set_default_timeout(SOON)
        opened.append(page)
        tried.append(keep_at_home(page))
        return page

    yield open_page
    PICTURES.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(p for p in opened if not p.is_closed()):
        page.screenshot(path=PICTURES / f"{request.node.name.replace('/', ' ')}-{number}.png")
    assert [url for page in tried for url in page] == []


@pytest.fixture
def page(new_page):
    return new_page()
