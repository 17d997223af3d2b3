"""Bad versions under real traffic: the service, its maintainer and clients as processes and threads of their own."""

import threading

import pytest

from tests.conftest import make_workspace, trips, until
from tests.processes import CLIENT, free_port, run, serving, url
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.policy import LOST, ROLLED_BACK
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.version_store import VersionStore

ROWS = to_rows(trips(200, seed=3)[["km", "stops", "to"]].assign(to="west"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probation") / "ws"
    more = f"automatic = false\n[monitor]\ncheck_every_s = 5\n\n[service]\nport = {free_port()}\nheartbeat_s = 0.5\n"
    settings = make_workspace(folder, extra=more)
    metrics, versions = MetricsStore.of(settings), VersionStore(settings.versions_dir)
    ModelRetrainer(settings, versions, metrics).retrain("good")
    for how in ("throws", "slow", "nonsense"):
        bad = settings.model_copy(
            update={"model": settings.model.model_copy(update={"ensemble": f"tests.bad_models:{how}"})}
        )
        ModelRetrainer(bad, versions, metrics).retrain(how, promote="never")
    metrics.close()
    return load_settings(folder)


class Traffic(threading.Thread):
    """A row at a time, without a pause, until told to stop; at most 20,000."""

    def __init__(self, settings):
        super().__init__(daemon=True)
        self.address, self.stop, self.answers = f"{url(settings)}/predict", threading.Event(), []

    def run(self):
        for i in range(20_000):
            if self.stop.is_set():
                return
            answer = CLIENT.post(self.address, json={"instances": [ROWS[i % len(ROWS)]]})
            self.answers.append((answer.status_code, answer.headers.get("x-model-version")))


@pytest.mark.slow
def test_bad_versions_are_rolled_back_by_themselves_and_fail_no_request_but_their_own(settings):
    metrics, versions = MetricsStore.of(settings), VersionStore(settings.versions_dir)
    with serving(settings):
        traffic = Traffic(settings)
        traffic.start()
        until(lambda: len(traffic.answers) > 60)
        for how in ("throws", "slow", "nonsense"):
            run(settings.root, "activate", how, "--reason=drill")
            until(lambda: versions.live_id() == "good", timeout_s=60)
            until(lambda: traffic.answers[-1] == (200, "good"), timeout_s=10)
            before = len(traffic.answers)
            until(lambda before=before: len(traffic.answers) > before + 60, timeout_s=60)
        traffic.stop.set()
        traffic.join(30)
    lost = {e.version: e.reason for e in metrics.events() if e.kind == LOST}
    assert set(lost) == {"throws", "slow", "nonsense"}
    assert "requests failed" in lost["throws"]
    assert "p95 of the response time" in lost["slow"]
    assert "what the version before says" in lost["nonsense"]
    assert sum(e.kind == ROLLED_BACK for e in metrics.events()) == 3
    failed = [r for r in metrics.requests() if r.status >= 500]
    assert {r.version for r in failed} <= {"throws"}
    statuses = {status for status, _ in traffic.answers}
    assert statuses <= {200, 500}
    assert all(version for _, version in traffic.answers)
    assert traffic.answers[-1] == (200, "good")
