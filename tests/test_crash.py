"""kill -9 in mid-traffic: what was acknowledged is on disk, and the service comes back by itself."""

import os
import random
import signal
import threading

import httpx2
import psutil
import pytest

from tests.conftest import make_workspace, trips, until
from tests.processes import CLIENT, free_port, ready, serving, url
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.version_store import VersionStore

ROWS = to_rows(trips(5)[["km", "stops", "to"]])


@pytest.fixture
def settings(tmp_path):
    make_workspace(tmp_path / "ws", extra=f"\n[service]\nport = {free_port()}\nheartbeat_s = 0.5\n")
    settings = load_settings(tmp_path / "ws")
    metrics = MetricsStore.of(settings)
    ModelRetrainer(settings, VersionStore(settings.versions_dir), metrics).retrain("first")
    metrics.close()
    return settings


def child_of(process, word: str) -> psutil.Process | None:
    for child in psutil.Process(process.pid).children():
        try:
            if word in child.cmdline():
                return child
        except (psutil.ZombieProcess, psutil.NoSuchProcess):
            continue  # killed, and not yet replaced
    return None


@pytest.mark.slow
def test_every_acknowledged_prediction_survives_sigkill_of_the_worker(settings):
    rng, acknowledged = random.Random(0), []
    with serving(settings) as process:
        for _ in range(3):
            worker = child_of(process, "service")
            killer = threading.Timer(rng.uniform(0.3, 1.0), os.kill, (worker.pid, signal.SIGKILL))
            killer.start()
            acknowledged += ask_until_cut_off(settings)
            killer.join()
            until(lambda worker=worker: (new := child_of(process, "service")) and new.pid != worker.pid)
            until(lambda: ready(settings))
    kept = [p.id for p in MetricsStore.of(settings).history()]
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))


def ask_until_cut_off(settings) -> list[str]:
    """Ids of the predictions acknowledged over one connection, until the worker at its other end is gone."""
    acknowledged = []
    with httpx2.Client(base_url=url(settings), timeout=10) as client:
        for _ in range(10_000):
            try:
                acknowledged += client.post("/predict", json={"instances": ROWS}).json()["prediction_ids"]
            except httpx2.TransportError:
                return acknowledged
    raise AssertionError("the worker was not killed")


@pytest.mark.slow
def test_a_killed_maintainer_is_replaced_and_there_is_only_one(settings):
    with serving(settings) as process:
        until(lambda: "no maintainer" not in str(CLIENT.get(f"{url(settings)}/health").json()["reasons"]))
        first = child_of(process, "maintain")
        first.kill()
        until(lambda: (new := child_of(process, "maintain")) and new.pid != first.pid)
        until(lambda: CLIENT.get(f"{url(settings)}/health").json()["status"] == "ok")


@pytest.mark.slow
def test_two_workers_keep_one_exact_window_and_both_follow_a_switch(settings):
    text = (settings.root / "workbench.toml").read_text()
    (settings.root / "workbench.toml").write_text(text.replace("[service]", "[service]\nworkers = 2"))
    settings = load_settings(settings.root)
    with serving(settings):
        until(lambda: [w.version for w in _workers(settings)] == ["first", "first"])
        answered = []
        for _ in range(60):
            # A new connection each time, so that both workers are asked.
            once = {"Connection": "close"}
            body = CLIENT.post(f"{url(settings)}/predict", json={"instances": ROWS}, headers=once).json()
            answered += body["prediction_ids"]
        window = MetricsStore.of(settings).window()
        assert sorted(p.id for p in window) == sorted(answered)
        assert len({p.id.rsplit("-", 1)[0] for p in window}) == 2
        versions = VersionStore(settings.versions_dir)
        ModelRetrainer(settings, versions, MetricsStore.of(settings)).retrain("second", promote="always")
        until(lambda: {w.version for w in _workers(settings)} == {"second"}, timeout_s=5)


def _workers(settings):
    from workbench.monitor import ModelMonitor

    return ModelMonitor(MetricsStore.of(settings), settings).summary().workers
