"""A version that goes live without winning back what was held before is tried again, ever less often."""

from datetime import timedelta

import pytest

from tests.conftest import NOON
from workbench.level import Level, held_before, not_won_back
from workbench.moments import utc_text
from workbench.policy import ATTEMPT, Material, decide
from workbench.records import Event, Pointer
from workbench.sections import RetrainSettings

HELD = Level(version="a", metric="mae", value=8.0, error=0.2)
POOR = Level(version="b", metric="mae", value=11.0, error=0.2)


def event(kind, version="b", hours=0, **data):
    return Event(recorded_at=utc_text(NOON + timedelta(hours=hours)), kind=kind, reason="", version=version, data=data)


def promoted(version="b", hours=1, **data):
    return event("promoted", version, hours, generation=2, **data)


def asked(events, new_rows, version="b", **settings):
    live = Pointer(version_id=version, generation=2, activated_at=utc_text(NOON))
    return decide(
        [],
        events,
        RetrainSettings(cooldown_s=0, min_new_rows=100, **settings),
        now=NOON + timedelta(days=30),
        live=live,
        material=Material(new_rows=new_rows, fingerprint=str(new_rows)),
    )


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        (POOR, True),
        (Level(version="b", metric="mae", value=8.5, error=0.01), False),
        (Level(version="b", metric="mae", value=11.0, error=3.0), False),
        (Level(version="b", metric="mae", value=7.0, error=0.1), False),
    ],
)
def test_a_level_is_lost_where_the_loss_counts_and_is_sure(now, lost):
    assert (not_won_back(now, HELD, 0.1) is not None) == lost


def test_a_higher_score_is_no_loss():
    was, is_ = (Level(version=v, metric="f1", value=x, error=0.01) for v, x in (("a", 0.4), ("b", 0.6)))
    assert not_won_back(is_, was, 0.1) is None
    assert "33% worse" in not_won_back(was, is_, 0.1)


def test_the_level_is_handed_on_until_it_is_won_back():
    told = [promoted(level={"version": "a", "metric": "mae", "value": 8.0, "error": 0.2}, unrestored="lost")]
    assert held_before(POOR, told) == HELD
    assert held_before(POOR, [promoted()]) == POOR


def test_a_lost_level_is_tried_again_with_new_rows_and_then_with_twice_as_many():
    lost = [event(ATTEMPT), promoted(unrestored="mae is 11, had 8")]
    assert asked(lost, 99).action == "wait"
    assert (asked(lost, 100).action, asked(lost, 100).trigger) == ("retrain", "recovery")
    again = [*lost, event(ATTEMPT, hours=2), event("kept_out", hours=3)]
    assert asked(again, 199).refusal == "fewer than 200 new labelled predictions to learn from"
    assert asked(again, 200).action == "retrain"
    third = [*again, event(ATTEMPT, hours=4), promoted("c", 5, unrestored="still")]
    assert asked(third, 399, "c").action == "wait"
    assert asked(third, 400, "c").action == "retrain"


def test_what_was_won_back_or_switched_by_hand_is_let_be():
    lost = [event(ATTEMPT), promoted(unrestored="lost")]
    assert asked([*lost, promoted("c", 2)], 10_000, "c").action == "wait"
    assert asked([*lost, event("switched", "a", 2)], 10_000, "a").action == "wait"
    assert asked(lost, 10_000, triggers=("performance",)).action == "wait"
