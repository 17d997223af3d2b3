"""Cycles in a made-up time: the same code that runs in production, with a clock and a starter of the test's own."""

import pytest

from tests.conftest import trips
from tests.test_training_data import label
from workbench import steering, switching
from workbench.ensemble import answer
from workbench.errors import Busy
from workbench.features import to_rows
from workbench.maintainer import Maintainer
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now
from workbench.monitor import ModelMonitor
from workbench.policy import ATTEMPT
from workbench.records import Event, Request
from workbench.retrainer import ModelRetrainer
from workbench.version_store import VersionStore


class Shop:
    """A workspace, its maintainer, and traffic whose truth can change."""

    def __init__(self, settings, clock):
        self.settings, self.clock = settings, clock
        self.metrics = MetricsStore.of(settings, clock)
        self.versions = VersionStore(settings.versions_dir, clock=clock)
        self.monitor = ModelMonitor(self.metrics, settings, clock=clock)
        self.started = []
        self.told = []
        self.maintainer = self.restart()
        self.rounds = 0

    def restart(self) -> Maintainer:
        self.maintainer = Maintainer(
            self.settings,
            self.monitor,
            self.versions,
            start=self.start,
            running=lambda: False,
            tell=self.told.append,
            clock=self.clock,
        )
        return self.maintainer

    def start(self, decision) -> None:
        self.metrics.append(Event(kind=ATTEMPT, reason=decision.reason))
        self.started.append(decision)

    def serve(self, n: int = 60, *, minutes_a_km: float = 2.0, times_km: float = 1.0) -> None:
        frame = trips(n, seed=self.rounds, minutes_a_km=minutes_a_km)
        frame["km"] *= times_km
        version = self.versions.load(self.versions.live_id())
        # No time column: what is served now happens now, by the test's clock.
        rows = to_rows(frame[["km", "stops", "to"]])
        said = answer(version.estimator, version.schema, rows)
        done = self.monitor.record_rows(
            rows, said.predictions, schema=version.schema, version=version.id, response_s=0.01
        )
        self.monitor.feedback([(p.id, y) for p, y in zip(done, frame["minutes"], strict=True)])
        self.rounds += 1

    def turn(self, **more):
        """Some traffic, some time, one cycle."""
        self.clock.forward(seconds=30)
        self.serve(**more)
        return self.maintainer.cycle()

    def kinds(self) -> list[str]:
        return [e.kind for e in self.metrics.events()]


@pytest.fixture
def shop(trained, clock):
    # The version was made by the real clock; the test goes on from there.
    clock.now = utc_now()
    return Shop(trained, clock)


def test_without_a_live_version_there_is_nothing_to_do(settings, clock):
    decision = Shop(settings, clock).maintainer.cycle()
    assert decision.reason == "no version is live"


def test_a_healthy_model_is_left_alone(shop):
    for _ in range(5):
        assert shop.turn().action == "wait"
    assert shop.started == []
    assert "alarm" not in shop.kinds()


def test_nothing_new_means_no_new_check(shop):
    shop.turn()
    checks = len(shop.metrics.evaluations())
    assert shop.maintainer.cycle().reason == "nothing has happened since the last check"
    assert len(shop.metrics.evaluations()) == checks


def lose(shop, turns: int):
    return [shop.turn(n=300, minutes_a_km=4.0) for _ in range(turns)]


def test_lost_performance_is_an_alarm_and_after_enough_checks_a_retrain(shop):
    first, second = lose(shop, 2)
    assert first.reason == "suspected: performance in alarm in 1 of 2 checks in a row"
    assert (second.action, second.trigger) == ("retrain", "performance")
    assert [d.trigger for d in shop.started] == ["performance"]
    assert shop.kinds().count("alarm") == 1


def test_permanent_drift_causes_no_retrain_storm(shop):
    lose(shop, 12)
    spans = [e.recorded_at for e in shop.metrics.events() if e.kind == ATTEMPT][1:]
    assert len(shop.started) == len(spans) <= 12 * 30 / shop.settings.retrain.cooldown_s + 1


def test_a_refusal_is_one_event_with_its_reason_not_one_a_check(shop):
    patient = shop.settings.retrain.model_copy(update={"cooldown_s": 10_000})
    shop.settings = shop.settings.model_copy(update={"retrain": patient})
    shop.restart()
    lose(shop, 6)
    refusals = [e.data["refusal"] for e in shop.metrics.events() if e.kind == "decision" and e.data["refusal"]]
    assert len(refusals) == 1
    assert refusals[0].startswith("cooling down until")


def test_a_retrain_that_cannot_be_started_is_an_event(shop):
    def refuse(decision):
        raise Busy("somebody else trains")

    shop.maintainer.start = refuse
    lose(shop, 2)
    assert shop.metrics.events()[-1].reason == "somebody else trains"


def test_paused_automation_watches_and_does_nothing(shop):
    steering.pause(shop.metrics, by="test", reason="holidays")
    decision = lose(shop, 3)[-1]
    assert (decision.action, decision.refusal) == ("wait", "paused: holidays")
    steering.resume(shop.metrics, by="test", reason="")
    assert lose(shop, 1)[0].action == "retrain"


def test_an_alarm_ends_when_the_version_is_replaced_and_its_checks_count_no_more(shop):
    lose(shop, 2)
    retrainer = ModelRetrainer(shop.settings, shop.versions, shop.metrics, clock=shop.clock)
    shop.clock.forward(seconds=1)
    assert retrainer.retrain("second").promoted
    assert shop.turn(minutes_a_km=4.0).reason == "nothing in alarm"
    ended = [e for e in shop.metrics.events() if e.kind == "alarm_ended"]
    assert ended[-1].reason == "performance: first is no longer live"


def test_an_alarm_is_told_once_when_it_begins_and_once_when_it_ends(shop):
    lose(shop, 3)
    assert [e.kind for e in shop.told] == ["alarm"]
    shop.restart()
    lose(shop, 1)
    assert len(shop.told) == 1
    for _ in range(5):
        shop.turn(n=300)
    assert [e.kind for e in shop.told] == ["alarm", "alarm_ended"]
    assert shop.told == [e for e in shop.metrics.events() if e.kind.startswith("alarm")]


@pytest.mark.parametrize(("times_km", "part"), [(1.9, "drift"), (1000.0, "data")])
def test_every_part_in_alarm_is_told_whatever_its_state_is_called(shop, times_km, part):
    shop.turn(n=300, times_km=times_km)
    assert part in {e.data["name"] for e in shop.told if e.kind == "alarm"}


def test_a_rollback_is_judged_from_its_moment_on(shop):
    lose(shop, 2)
    ModelRetrainer(shop.settings, shop.versions, shop.metrics, clock=shop.clock).retrain("second")
    shop.clock.forward(seconds=1)
    switching.rollback(shop.versions, shop.metrics, by="test", reason="try")
    shop.clock.forward(seconds=1)
    assert shop.turn(n=300, minutes_a_km=4.0).reason == "suspected: performance in alarm in 1 of 2 checks in a row"


def test_what_a_version_did_when_it_was_live_before_is_not_held_against_it(shop):
    lose(shop, 2)
    ModelRetrainer(shop.settings, shop.versions, shop.metrics, clock=shop.clock).retrain("second")
    shop.clock.forward(seconds=1)
    switching.rollback(shop.versions, shop.metrics, by="test", reason="try")
    shop.clock.forward(seconds=1)
    assert shop.turn(n=300).reason == "nothing in alarm"
    assert shop.metrics.evaluations()[-1].performance.labelled == 300


def test_a_restarted_maintainer_goes_on_where_the_old_one_stopped(shop):
    lose(shop, 1)
    shop.restart()
    assert lose(shop, 1)[0].action == "retrain"
    shop.restart()
    assert lose(shop, 1)[0].refusal.startswith("cooling down until")
    assert shop.kinds().count("alarm") == 1


def test_a_second_look_at_the_same_rows_is_no_second_check_in_a_row(shop):
    lose(shop, 1)
    for _ in range(3):
        shop.clock.forward(seconds=1)
        shop.monitor.check(shop.versions.reference("first"))
    shop.restart()
    shop.clock.forward(seconds=1)
    assert shop.maintainer.cycle().reason == "suspected: performance in alarm in 1 of 2 checks in a row"


def test_after_a_lost_gate_the_alarm_stays_and_the_cooldown_runs(shop):
    def lost(decision):
        shop.started.append(decision)
        shop.metrics.append(Event(kind=ATTEMPT, reason=decision.reason), Event(kind="kept_out", reason="worse"))

    shop.maintainer.start = lost
    lose(shop, 2)
    (decision,) = lose(shop, 1)
    assert (decision.trigger, decision.phase) == ("performance", "cooling down")
    assert decision.refusal.startswith("cooling down until")
    assert [e.kind for e in shop.told] == ["alarm"]


def test_when_every_request_fails_each_look_is_a_look_at_new_requests(shop):
    def fail(n):
        live = shop.versions.live_id()
        failed = Request(path="/predict", status=500, rows=1, version=live, response_s=0.01, latency_s=0.01)
        shop.metrics.append(*[failed] * n)

    label(shop.settings, trips(100, start="2026-02-01"))
    only = shop.settings.retrain.model_copy(update={"triggers": ("failures",)})
    shop.settings = shop.settings.model_copy(update={"retrain": only})
    shop.restart()
    fail(shop.metrics.window_size)
    decisions = []
    for _ in range(2):
        shop.clock.forward(seconds=30)
        fail(100)
        decisions.append(shop.maintainer.cycle())
    assert [(d.action, d.trigger) for d in decisions] == [("wait", None), ("retrain", "failures")]


def test_a_schedule_is_kept_without_any_traffic(shop):
    shop.turn()
    weekly = shop.settings.retrain.model_copy(update={"every_days": 7, "min_new_rows": 1})
    shop.settings = shop.settings.model_copy(update={"retrain": weekly})
    shop.restart()
    shop.clock.forward(days=6)
    assert shop.maintainer.cycle().trigger is None
    shop.clock.forward(days=2)
    assert shop.maintainer.cycle().trigger == "schedule"
    assert [d.trigger for d in shop.started] == ["schedule"]
