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
from datetime import timedelta
from pathlib import Path

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
from workbench.moments import utc_now
from workbench.settings import Settings, load_settings
from workbench.workspace import Workbench

YEAR = 365 * 24
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


def refreshes(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Of ticks that draw and of those that do not: milliseconds of processor and by the clock, and bytes set."""
    argv = [sys.executable, "-m", "tests.benchmarks.page_refreshes", str(settings.root)]
    found = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return tuple(np.array([spent for kind, *spent in found if kind == wanted]) for wanted in ("draws", "quiet"))


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


def main() -> None:
    os.environ["WORKBENCH_PAGES__DASHBOARD_PORT"] = "8867"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "ws"
        root.mkdir()
        _flights(root)[0].metrics.close()
        settings = load_settings(root)
        year(settings)
        draws, quiet = refreshes(settings)
        warm, memory = visits(settings, Path(name) / "warm", preheated=True)
        cold, _ = visits(settings, Path(name) / "cold", preheated=False)
    rows = [
        ("page ready, kernel preheated", f"{np.median(warm):.1f} s", "3 s"),
        ("page ready, kernel cold", f"{np.median(cold):.1f} s", "8 s"),
        ("a refresh without news", f"{np.median(quiet[:, 0]):.0f} ms", "150 ms"),
        *(
            (
                f"a refresh that draws, {share} of 100, {unit}",
                f"{np.quantile(draws[:, column], share / 100):.0f} ms",
                asked,
            )
            for column, unit, asked in ((0, "processor", "150 ms"), (1, "by the clock", "-"))
            for share in (50, 95, 99)
        ),
        ("on the wire at once", f"{draws[:, 2].max() / 1e3:.0f} kB", "60 kB"),
        ("a viewer's kernel", f"{memory} MB", "150 MB"),
    ]
    note = "A window of 1,000 predictions and a year of evaluations, one an hour."
    print(Table("Cost of a viewer", note, ("what", "took", "asked: under"), rows))


if __name__ == "__main__":
    sys.exit(main())
