"""Told to end, the service answers what is under way, writes it down and takes nothing more; by real processes."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.conftest import make_workspace, until
from tests.gated_models import FOLDER
from tests.processes import CLIENT, child_of, free_port, serving, url
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.version_store import VersionStore

ROW = {"km": 10.0, "stops": 1, "to": "west"}


def gated_workspace(tmp_path, monkeypatch, *service: str):
    """A workspace whose version waits before rows to the west, and the folder of its gate."""
    gate = tmp_path / "gate"
    gate.mkdir()
    monkeypatch.setenv(FOLDER, str(gate))
    lines = ["", "[monitor]", 'fsync = "1s"', "", "[service]", f"port = {free_port()}", *service, ""]
    settings = make_workspace(tmp_path / "ws", extra="\n".join(lines))
    gated = settings.model_copy(
        update={"model": settings.model.model_copy(update={"ensemble": "tests.gated_models:gated"})}
    )
    metrics = MetricsStore.of(gated)
    ModelRetrainer(gated, VersionStore(gated.versions_dir), metrics).retrain("first")
    metrics.close()
    return settings, gate


@pytest.mark.slow
def test_a_request_that_does_not_end_does_not_keep_the_service(tmp_path, monkeypatch):
    settings, gate = gated_workspace(tmp_path, monkeypatch, "drain_s = 0.5")
    with serving(settings) as process, ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(CLIENT.post, f"{url(settings)}/predict", json={"instances": [ROW]})
        until(lambda: list(gate.glob("inside-*")))
        # The gate stays shut for a minute.
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert isinstance(stuck.exception(), httpx2.TransportError) or stuck.result().status_code >= 500


@pytest.mark.slow
def test_a_slow_request_in_flight_survives_the_end_of_the_service(tmp_path, monkeypatch):
    settings, gate = gated_workspace(tmp_path, monkeypatch, 'log = "json"', "access_log = true")
    with serving(settings) as process, ThreadPoolExecutor(1) as pool:
        worker = child_of(process, "service", "1")
        headers = {"X-Request-ID": "the-slow-one"}
        slow = pool.submit(CLIENT.post, f"{url(settings)}/predict", json={"instances": [ROW]}, headers=headers)
        until(lambda: list(gate.glob("inside-*")))
        process.send_signal(signal.SIGTERM)
        until(lambda: refused(settings))
        assert (worker.is_running(), slow.done()) == (True, False)
        (gate / "open").touch()
        answer = slow.result()
        process.wait(30)
    assert answer.status_code == 200
    assert [p.id for p in MetricsStore.of(settings).window()] == answer.json()["prediction_ids"]
    # Of the log every line is one JSON object; that of the request bears its id.
    lines = [json.loads(line) for line in (settings.root / "serve.log").read_text().splitlines() if line[0] == "{"]
    (line,) = [line for line in lines if line.get("path") == "/predict"]
    assert (line["request_id"], line["status"]) == ("the-slow-one", 200)


def refused(settings) -> bool:
    try:
        socket.create_connection((settings.service.host, settings.service.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
