"""The whole loop on real flights: March to July over HTTP, actuals following, and the workspace left to itself."""

from collections import Counter

import msgspec
import numpy as np
import pytest

from tests.conftest import until
from tests.processes import CLIENT, demo_workspace, run, serving, url
from workbench.cli.replay import Replay, traffic
from workbench.demo import traffic as flights
from workbench.ensemble import answer
from workbench.features import align, to_rows
from workbench.joining import join
from workbench.metrics_store import MetricsStore
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Everything happens once, with the service running until the last test has asked it."""
    settings = demo_workspace(tmp_path_factory.mktemp("scenario") / "ws", check_every_s="1", cooldown_s="20")
    run(settings.root, "--version_id=winter")
    with serving(settings):
        versions, metrics = VersionStore(settings.versions_dir), MetricsStore.of(settings)
        counts = send(settings, "2013-06-01")
        # On a slow machine the summer must not be over before the first retrain is.
        until(lambda: len(versions.pointer.log()) > 1, timeout_s=180)
        counts += send(settings, "2013-08-01")
        # What the tests compare must hold still: while this lock is held, nobody else trains and promotes.
        with versions.retrain_lock().acquire(timeout=180):
            last = metrics.actuals()[-1].recorded_at
            until(lambda: metrics.evaluations()[-1].recorded_at > last)
            yield settings, counts, metrics, versions


def send(settings, end: str) -> Counter:
    """Send what has not been sent, up to a time."""
    sender = Replay(settings, traffic(settings, until=end), rows_per_s=300)
    for _ in sender:
        pass
    return Counter(sender.counts)


@pytest.mark.slow
class TestTheLoop:
    def test_every_row_was_answered_recorded_and_labelled_in_time_order(self, story):
        settings, counts, metrics, _ = story
        march_to_july = flights().query("time < '2013-08-01'")
        history = metrics.history()
        assert counts["rows"] == len(march_to_july) == len(history)
        assert counts["actuals"] == len(metrics.actuals()) == march_to_july["air_time"].notna().sum()
        assert [p.event_time for p in history] == sorted(p.event_time for p in history)
        assert [p.id for p in metrics.window()] == [p.id for p in history[-settings.monitor.window :]]

    def test_every_answer_named_the_version_that_was_live(self, story):
        _, _, metrics, versions = story
        served = {p.version for p in metrics.history()}
        promoted = [p.version_id for p in versions.pointer.log()]
        assert set(promoted[:2]) <= served <= set(promoted)

    def test_lost_performance_was_an_alarm_and_led_to_one_to_three_promotions(self, story):
        _, _, metrics, versions = story
        events = metrics.events()
        alarms = [e for e in events if e.kind == "alarm"]
        assert alarms[0].data["name"] == "performance"
        # Its inputs nearly stand still.
        assert "drift" not in {e.data["name"] for e in alarms}
        promoted = [e for e in events if e.kind == "promoted"][1:]
        assert 1 <= len(promoted) <= 3
        assert alarms[0].recorded_at < promoted[0].recorded_at
        for event in promoted:
            metadata = versions.metadata(event.version)
            assert (metadata.trigger, metadata.gate.verdict) == ("performance", "better")
            assert metadata.gate.low > 0

    def test_attempts_kept_the_cooldown(self, story):
        settings, _, metrics, _ = story
        times = [np.datetime64(e.recorded_at[:-1]) for e in metrics.events() if e.kind == "retrain_started"]
        assert all(np.diff(times) >= np.timedelta64(int(settings.retrain.cooldown_s), "s"))

    def test_the_error_is_lower_after_the_switch_than_before(self, story):
        _, _, metrics, versions = story
        evaluations = metrics.evaluations()
        first = versions.pointer.log()[1]
        before = [
            e for e in evaluations if e.recorded_at < first.activated_at and e.performance.state != "insufficient"
        ]
        after = [e for e in evaluations if e.version == first.version_id and e.performance.state != "insufficient"]
        assert after[0].performance.metrics["mae"] < before[-1].performance.metrics["mae"]

    def test_the_workspace_did_better_than_its_first_version_would_have(self, story):
        _, _, metrics, versions = story
        switched = versions.pointer.log()[1].activated_at
        pairs = [(p, a) for p, a in join(metrics.history(), metrics.actuals()) if p.recorded_at > switched]
        winter = versions.load("winter")
        would_have = answer(winter.estimator, winter.schema, [p.inputs for p, _ in pairs]).predictions
        actual = np.array([a.actual for _, a in pairs])
        did = np.abs(np.array([p.output for p, _ in pairs]) - actual).mean()
        assert did < 0.9 * np.abs(np.array(would_have) - actual).mean()

    def test_the_bare_library_gives_the_same_answers(self, story):
        _, _, metrics, versions = story
        rows = flights().query("time < '2013-08-01'")
        history = metrics.history()
        frame = align(rows, versions.metadata("winter").features)
        assert [p.inputs for p in history[:200]] == to_rows(frame.head(200))
        for version_id in {p.version for p in history}:
            loaded = versions.load(version_id)
            mine = [p for p in history if p.version == version_id][:300]
            said = answer(loaded.estimator, loaded.schema, [p.inputs for p in mine]).predictions
            assert said == pytest.approx([p.output for p in mine], rel=1e-9)

    def test_a_rollback_by_endpoint_is_live_at_once_and_told(self, story):
        settings, _, metrics, versions = story
        before = versions.live()
        headers = {"Authorization": f"Bearer {maintenance_token(settings.root)}"}
        body = CLIENT.post(
            f"{url(settings)}/maintenance/rollback", json={"reason": "drill"}, headers=headers, timeout=60
        )
        assert body.json()["version_id"] == before.previous
        row = to_rows(flights().head(1)[list(settings.model.features)])
        until(lambda: self.answered(settings, row)["model_version"] == before.previous, timeout_s=2)
        assert ("rolled_back", "drill") in {(e.kind, e.reason) for e in metrics.events()}
        assert versions.pointer.log()[-1].reason == "drill"

    @staticmethod
    def answered(settings, row) -> dict:
        return CLIENT.post(f"{url(settings)}/predict", json={"instances": row}).json()

    def test_the_summary_shows_service_model_and_decision_together(self, story):
        settings, _, _, _ = story
        headers = {"Authorization": f"Bearer {maintenance_token(settings.root)}"}
        summary = CLIENT.get(f"{url(settings)}/maintenance/summary", headers=headers).json()
        service = summary["service"]["all"]
        assert service["share_5xx"] == 0
        assert 0 < service["p50_s"] <= service["p95_s"] <= service["p99_s"]
        assert summary["service"]["uptime"]["share"] > 0.9
        assert summary["window"]["n"] == 1000
        assert summary["last_decision"]["reason"]
        assert msgspec.json.decode(run(settings.root, "status", "--json"))["live"] == summary["live"]
