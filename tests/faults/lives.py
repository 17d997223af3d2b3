"""A workspace's whole life, and all that is told of it meanwhile: answers, outputs, logs, processes."""

import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.conftest import until
from tests.faults.worker import ROW, trained
from tests.processes import ROOT, free_port, serving, url
from workbench.jobs import Jobs
from workbench.metrics_store import MetricsStore
from workbench.settings import Settings, load_settings
from workbench.tokens import maintenance_token

# What a person wrote before anything was made of it.
OWN = ("trips.csv", "workbench.toml", "apps.token", "serve.log")


def workspace(folder: Path) -> Settings:
    """Settings and data without a version, and a token that predictions ask for."""
    settings = trained(folder, port=free_port(), access_log="true", heartbeat_s=1, predict_token_file='"apps.token"')
    for made in ("versions", "metrics"):
        shutil.rmtree(settings.root / made)
    with open(os.open(settings.root / "apps.token", os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(f"apps-{random.getrandbits(120):x}\n")
    return load_settings(settings.root)


def live(settings: Settings) -> dict[str, str]:
    """Train, serve, predict, label, check, retrain, switch, go back, try a policy: all that was told meanwhile."""
    told: dict[str, str] = {"training": _command(settings, "train", "--version_id=first")}
    with serving(settings) as serve, _watching(serve.pid, told), ThreadPoolExecutor(1) as pool:
        backtest = pool.submit(_command, settings, "backtest", f"--data={settings.root / 'trips.csv'}", "--jobs=1")
        _ask(settings, told)
        told["backtest"] = backtest.result()
        for words in (["status"], ["report", f"--out={settings.root / 'report.html'}"]):
            told[words[0]] = _command(settings, *words)
    told["the log"] = (settings.root / "serve.log").read_text()
    return told


def _command(settings: Settings, *words: str) -> str:
    argv = [sys.executable, str(ROOT / "main.py"), "--root", str(settings.root), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


def _ask(settings: Settings, told: dict[str, str]) -> None:
    operator, app = maintenance_token(settings.root), (settings.root / "apps.token").read_text().strip()
    with httpx2.Client(base_url=url(settings), timeout=60) as client:

        def ask(token: str, path: str, body: Any = None, method: str = "POST") -> Any:
            more = {"json": body} if body is not None else {}
            answer = client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)
            told[f"{method} {path} {len(told)}"] = f"{answer.status_code} {answer.headers} {answer.text}"
            return answer

        rows = [{**ROW, "km": float(i)} for i in range(1, 41)]
        ids = ask(app, "/predict", {"instances": rows}).json()["prediction_ids"]
        actuals = [{"prediction_id": name, "actual": 2.0 * i} for i, name in enumerate(ids, 1)]
        assert ask(app, "/feedback", {"actuals": actuals}).json()["counts"]["accepted"] == len(rows)
        for path in ("/predict", "/maintenance/summary", "/maintenance/versions"):
            ask(operator[:-1], path, {})
        job = ask(
            operator, "/maintenance/retrain", {"reason": "two", "version_id": "second", "promote": "always"}
        ).json()["id"]
        until(lambda: Jobs(settings, MetricsStore.of(settings)).read(job).state == "done")
        ask(operator, "/maintenance/rollback", {"reason": "as it was"})
        assert ask(operator, "/maintenance/versions", method="GET").json()["live"]["version_id"] == "first"
        for path in ("/health", "/metrics", "/openapi.json", "/docs", "/maintenance/summary", "/maintenance/events"):
            ask(operator, path, method="GET")


@contextmanager
def _watching(pid: int, told: dict[str, str]) -> Iterator[None]:
    """Notes command lines and environments of a process and of all below it, again and again until the block ends."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
                with suppress(psutil.Error):
                    told[f"process {process.pid}"] = f"{process.cmdline()} {process.environ()}"

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()
