"""kill -9 in mid-traffic: what was acknowledged is on disk, and the service comes back by itself."""

import os
import random
import signal
import threading

import httpx2
import pytest

from tests.conftest import make_workspace, trips, until
from tests.processes import CLIENT, child_of, free_port, ready, serving, url
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
                answer = client.post("/predict", json={"instances": ROWS})
            except httpx2.TransportError:
                return acknowledged
            assert answer.status_code == 200, answer.text
            acknowledged += answer.json()["prediction_ids"]
    raise AssertionError("the worker was not killed")


@pytest.mark.slow
def test_a_killed_maintainer_is_replaced_and_there_is_only_one(settings):
    with serving(settings) as process:
        until(lambda: "no maintainer" not in str(CLIENT.get(f"{url(settings)}/health").json()["reasons"]))
        first = child_of(process, "maintain")
        first.kill()
        until(lambda: (new := child_of(process, "maintain")) and new.pid != first.pid)
        until(lambda: CLIENT.get(f"{url(settings)}/health").json()["status"] == "ok")
