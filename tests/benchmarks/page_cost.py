"""What the dashboard costs its viewers: until it is ready, and at each refresh; `python -m tests.benchmarks.page_cost`.

The store holds a window of 1,000 predictions and a year of evaluations, one an hour.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import ipywidgets as W
import msgspec
import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.cost import _flights
from tests.benchmarks.tables import Table
from tests.conftest import Clock
from workbench import demo
from workbench.cli.pages import voila_process
from workbench.metrics_store import MetricsStore
from workbench.panels.dashboard import Dashboard
from workbench.records import utc_now
from workbench.settings import Settings, load_settings
from workbench.workspace import Workbench

YEAR = 365 * 24
REFRESHES = 20
VISITS = 4


def year(settings: Settings) -> None:
    """A check of the window, as if there had been one at every hour of a year."""
    wb = Workbench(settings)
    frame = demo.traffic().dropna(subset=[settings.model.target]).iloc[10_000:]
    actuals = zip(wb.metrics.prediction_ids(), frame[settings.model.target], strict=False)
    wb.monitor.feedback([(stamp.id, float(actual)) for stamp, actual in actuals])
    live = wb.versions.live()
    check = wb.monitor.check(wb.versions.load(live.version_id))
    clock = Clock(utc_now() - timedelta(hours=YEAR))
    past = MetricsStore.of(settings, clock)
    for _ in range(YEAR):
        past.append(msgspec.structs.replace(check, id="", recorded_at=""))
        clock.forward(hours=1)
    past.close()
    wb.metrics.append(msgspec.structs.replace(check, id="", recorded_at=""))
    wb.metrics.close()


def drawn(widget: W.Widget) -> Iterator[W.HTML]:
    """Whatever of a page is drawn by the kernel."""
    if isinstance(widget, W.HTML):
        yield widget
    for child in getattr(widget, "children", ()):
        yield from drawn(child)


def refreshes(settings: Settings) -> tuple[list[float], list[float], list[int]]:
    """Milliseconds of a tick without news; of each tick after a check, until all is drawn, and the bytes that it sets.

    A tick is what the page asks of its kernel at once; as long as something is left, it asks again.
    """
    page, wb = Dashboard(settings), Workbench(settings)
    sent: list[int] = []
    for widget in drawn(page):
        widget.observe(lambda change: sent.append(len(change["new"].encode())), "value")
    quiet, news, wire = [], [], []
    last = wb.metrics.evaluations(1)[0]
    for i in range(REFRESHES):
        quiet.append(_milliseconds(partial(_tick, page)))
        # Another error than before, or the pictures stay as they are and nothing is sent.
        metrics = {name: (value or 0) * (1 + i / REFRESHES) for name, value in last.performance.metrics.items()}
        performance = msgspec.structs.replace(last.performance, metrics=metrics, sentence=f"check {i}")
        drift = msgspec.structs.replace(last.drift, sentence=f"check {i}")
        service = msgspec.structs.replace(last.service, sentence=f"check {i}")
        changed = {"performance": performance, "drift": drift, "service": service}
        wb.metrics.append(msgspec.structs.replace(last, id="", recorded_at="", **changed))
        left = True
        while left:
            sent.clear()
            news.append(_milliseconds(partial(_tick, page)))
            wire.append(sum(sent))
            left = page.pulse.more
    wb.metrics.close()
    return quiet, news, wire


def _tick(page: Dashboard) -> None:
    page.pulse.tick += 1


def visits(settings: Settings, folder: Path, *, preheated: bool) -> tuple[list[float], int]:
    """Seconds until the page is live, and the megabytes of a viewer's kernel."""
    argv, environment = voila_process(settings, folder)
    told = folder / "voila.json"
    config = json.loads(told.read_text())
    config["VoilaConfiguration"]["preheat_kernel"] = preheated
    told.write_text(json.dumps(config))
    url = f"http://127.0.0.1:{settings.pages.dashboard_port}/"
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with subprocess.Popen(argv, env={**os.environ, **environment}, stderr=subprocess.DEVNULL) as voila:
        try:
            _until_it_answers(url)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page()
                seconds = [_ready(page, url) for _ in range(VISITS)]
                kernels = psutil.Process(voila.pid).children()
                most = max(k.memory_info().rss for k in kernels)
                browser.close()
        finally:
            voila.terminate()
            voila.wait(30)
    # The first fills the browser's cache.
    return seconds[1:], round(most / 1e6)


def _ready(page: Page, url: str) -> float:
    page.goto("about:blank")
    # Time for the pool of preheated kernels to fill again.
    page.wait_for_timeout(10_000)
    start = time.perf_counter()
    page.goto(url)
    page.get_by_text("live, looked at").wait_for(timeout=60_000)
    return time.perf_counter() - start


def _until_it_answers(url: str) -> None:
    while True:
        try:
            with urllib.request.urlopen(f"{url}voila/static/voila.js", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)


def _milliseconds(job) -> float:
    start = time.process_time()
    job()
    return 1e3 * (time.process_time() - start)


def main() -> None:
    os.environ["WORKBENCH_PAGES__DASHBOARD_PORT"] = "8867"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "ws"
        root.mkdir()
        _flights(root)[0].metrics.close()
        settings = load_settings(root)
        year(settings)
        quiet, news, wire = refreshes(settings)
        warm, memory = visits(settings, Path(name) / "warm", preheated=True)
        cold, _ = visits(settings, Path(name) / "cold", preheated=False)
    drawing = [took for took, size in zip(news, wire, strict=True) if size > 1_000]
    rows = [
        ("page ready, kernel preheated", f"{np.median(warm):.1f} s", "3 s"),
        ("page ready, kernel cold", f"{np.median(cold):.1f} s", "8 s"),
        ("a refresh without news", f"{np.median(quiet):.0f} ms", "150 ms"),
        ("a refresh that draws, 95 of 100", f"{np.quantile(drawing, 0.95):.0f} ms", "150 ms"),
        ("on the wire at once", f"{max(wire) / 1e3:.0f} kB", "60 kB"),
        ("a viewer's kernel", f"{memory} MB", "150 MB"),
    ]
    note = "A window of 1,000 predictions and a year of evaluations, one an hour."
    print(Table("Cost of a viewer", note, ("what", "took", "asked: under"), rows))


if __name__ == "__main__":
    sys.exit(main())
