"""Lost performance weighed against an attempt: large losses are answered at once, small ones when they have lasted."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.evaluations import evaluation
from workbench.moments import utc_text
from workbench.performance_result import Judged, Labels
from workbench.policy import Material, decide
from workbench.sections import RetrainSettings
from workbench.worth import cost, not_yet

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = RetrainSettings(checks_in_a_row=2, attempt_cost=250, min_new_rows=100)


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def check(hours: float, loss: float, labelled: int, *, rows: int = 500, alarm: bool = True, passed: bool = False):
    """A check that finds so large a loss in its newest `rows`, after `labelled` labelled predictions in all."""
    made = evaluation(at(hours), *(["performance"] if alarm else []))
    judged = Judged(metric="mae", state="alarm" if alarm else "ok", value=1, baseline=1, loss=loss, rows=rows)
    labels = Labels(sentence="", labelled=labelled)
    performance = msgspec.structs.replace(made.performance, judged=(judged,), labels=labels, passed=passed)
    return msgspec.structs.replace(made, performance=performance)


def decided(*checks, drift: bool = False, policy: RetrainSettings = POLICY):
    return decide(checks, [], policy, now=at(99), material=Material(new_rows=1_000))


def test_a_loss_costs_what_it_had_cost_when_it_showed_and_every_row_since():
    checks = [check(0, 0.9, 1_000, alarm=False), check(1, 0.2, 1_500), check(2, 0.4, 1_700), check(3, 0.1, 2_000)]
    assert cost(checks) == pytest.approx(0.2 * 500 + 0.4 * 200 + 0.1 * 300)


def test_an_alarm_that_was_over_in_between_begins_anew():
    checks = [check(0, 0.5, 1_000), check(1, 0.5, 1_500, alarm=False), check(2, 0.2, 2_000, rows=100)]
    assert cost(checks) == pytest.approx(0.2 * 100)


def test_what_an_attempt_was_made_for_counts_no_more():
    checks = [check(0, 0.5, 1_000), check(1, 0.5, 1_200), check(2, 0.5, 1_500)]
    assert cost(checks, utc_text(at(1))) == pytest.approx(0.5 * 300)
    assert cost(checks, utc_text(at(2))) == 0


def test_where_the_history_is_full_the_rows_that_show_the_loss_count():
    checks = [check(0, 0.5, 20_000, rows=100), check(1, 0.5, 20_000, rows=100)]
    assert cost(checks) == pytest.approx(0.5 * 200)


def test_a_better_metric_than_the_holdouts_costs_nothing():
    assert cost([check(0, -0.3, 1_000)]) == 0


def test_records_that_tell_no_judgement_are_not_waited_for():
    assert not_yet([evaluation(NOON, "performance")], 1e9) is None


def test_a_large_loss_is_answered_in_as_many_checks_as_ever():
    assert decided(check(0, 0.6, 1_000), check(1, 0.6, 1_100)).action == "retrain"


def test_a_small_loss_is_answered_when_it_has_lasted():
    checks = [check(h, 0.2, 1_000 + 200 * h) for h in range(5)]
    assert [decided(*checks[: n + 1]).action for n in range(5)] == ["wait"] * 4 + ["retrain"]
    waiting = decided(*checks[:2])
    assert waiting.phase == "suspected"
    assert (
        "it has cost as much as 140 predictions twice as bad as the holdout's, an attempt costs 250" in waiting.reason
    )


def test_a_loss_that_the_newest_rows_do_not_show_is_waited_out():
    waiting = decided(check(0, 0.6, 1_000), check(1, 0.6, 1_500, passed=True))
    assert waiting.action == "wait"
    assert "show it no more" in waiting.reason


@pytest.mark.parametrize(("virtual", "action"), [(True, "retrain"), (False, "wait")])
def test_drift_is_no_shorter_way_to_an_attempt_where_only_losses_count(virtual, action):
    checks = []
    for made in (check(0, 0.1, 1_000), check(1, 0.1, 1_100)):
        drifting = msgspec.structs.replace(made.drift, state="drift")
        checks.append(msgspec.structs.replace(made, drift=drifting))
    policy = POLICY.model_copy(update={"virtual_drift": virtual})
    assert decided(*checks, policy=policy).action == action


def test_without_a_price_nothing_is_weighed():
    assert decided(
        check(0, 0.1, 10), check(1, 0.1, 20), policy=POLICY.model_copy(update={"attempt_cost": 0})
    ).action == ("retrain")
