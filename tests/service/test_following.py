"""How a worker comes to a version: before it listens, and after a switch."""

from tests.conftest import until
from tests.service.conftest import Client, start
from workbench.metrics_store import MetricsStore


def test_a_worker_has_its_version_before_it_listens(trained):
    with Client(start(trained)) as client:
        assert client.get("/ready").json() == {"model_version": "first"}


def test_without_a_version_it_listens_and_says_so(settings):
    with Client(start(settings)) as client:
        assert client.get("/ready").status_code == 503


def test_a_damaged_version_keeps_nobody_waiting(trained):
    (trained.versions_dir / "models" / "first" / "metadata.json").write_bytes(b"")
    with Client(start(trained)) as client:
        answer = client.get("/ready")
    assert (answer.status_code, "metadata.json" in answer.json()["detail"]) == (503, True)


def test_a_switch_is_told_by_the_next_heartbeat_which_does_not_wait_for_its_time(two):
    store = MetricsStore.of(two.settings)
    with Client(start(two.settings, heartbeat_s=3600)) as client:
        slow = client.app.state.serving
        until(lambda: any(b.every_s == 3600 for b in store.heartbeats()))
        client.app.state.versions.activate("second", by="test", reason="test")
        until(lambda: slow.current.id == "second", timeout_s=30)
        until(lambda: [b.version for b in store.heartbeats() if b.every_s == 3600][-1] == "second", timeout_s=30)
