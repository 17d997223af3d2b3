from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import NOON
from tests.evaluations import evaluation
from workbench.gate import gate
from workbench.policy import ATTEMPT, Material, decide
from workbench.records import Event, utc_text
from workbench.sections import RetrainSettings

POLICY = RetrainSettings(checks_in_a_row=2, cooldown_s=3600, max_attempts_a_day=3, min_new_rows=100)


def checks(*alarms: str):
    return [evaluation(NOON + timedelta(minutes=i), *filter(None, [alarm])) for i, alarm in enumerate(alarms)]


def attempts(*ago_s: float):
    return [
        Event(kind=ATTEMPT, reason="", recorded_at=utc_text(NOON - timedelta(seconds=s)))
        for s in sorted(ago_s, reverse=True)
    ]


def asked(evaluations, events=(), *, new_rows=1000, **more):
    return decide(evaluations, events, POLICY, now=NOON, material=Material(new_rows=new_rows), **more)


@pytest.mark.parametrize("name", ["performance", "estimate", "drift", "model"])
def test_an_alarm_that_stands_is_acted_on_with_its_sentence(name):
    decision = asked(checks(name, name))
    assert (decision.action, decision.trigger, decision.reason) == ("retrain", name, f"{name}: {name} sentence")


def test_nothing_is_learnt_from_broken_data_until_they_are_right_again():
    broken = [evaluation(NOON, "drift", "data"), evaluation(NOON + timedelta(minutes=1), "drift", "data")]
    decision = asked(broken)
    assert (decision.action, decision.trigger) == ("wait", "drift")
    assert decision.refusal == "the data are broken: data sentence"
    assert asked([*broken, evaluation(NOON + timedelta(minutes=2), "drift")]).action == "retrain"


def test_broken_data_alone_are_no_reason_to_retrain_but_are_told():
    decision = asked(checks("data", "data"))
    assert (decision.action, decision.trigger) == ("wait", None)
    assert decision.reason == "the data are broken: data sentence"


@pytest.mark.parametrize(
    ("alarms", "reason"),
    [
        ((), "no check of the live version yet"),
        (("", ""), "nothing in alarm"),
        (("drift", ""), "nothing in alarm"),
        (("", "drift"), "suspected: drift in alarm in 1 of 2 checks in a row"),
    ],
    ids=["none", "well", "over", "first"],
)
def test_anything_less_waits_and_says_why(alarms, reason):
    decision = asked(checks(*alarms))
    assert (decision.action, decision.reason) == ("wait", reason)


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"events": attempts(60)}, "cooling down until 2026-01-01 12:59:00Z"),
        ({"events": attempts(4000, 5000, 6000)}, "3 attempts in the last 24 hours, 3 are allowed"),
        ({"new_rows": 99}, "fewer than 100 new labelled predictions to learn from"),
        ({"running": True}, "a retrain is under way"),
        ({"hold": "paused: holidays"}, "paused: holidays"),
    ],
    ids=["cooldown", "daily", "rows", "running", "hold"],
)
def test_a_refusal_keeps_the_cause_and_names_what_stands_against_it(more, refusal):
    decision = asked(checks("drift", "drift"), **more)
    assert (decision.action, decision.trigger, decision.refusal) == ("wait", "drift", refusal)


@given(st.lists(st.floats(0, 200_000), max_size=8))
def test_never_an_attempt_inside_the_cooldown_or_beyond_the_daily_number(ago):
    if asked(checks("drift", "drift"), attempts(*ago)).action == "retrain":
        assert all(s >= POLICY.cooldown_s for s in ago)
        assert sum(s < 86_400 for s in ago) < POLICY.max_attempts_a_day


def judged(ours: np.ndarray, theirs: np.ndarray, **more):
    difference = np.abs(theirs) - np.abs(ours)
    options = {"metric": "mae", "min_rows": 300, "margin": 0.0, "seed": 0} | more
    return gate(lambda rows: float(difference[rows].mean()), len(ours), **options)


def errors(seed: int, n: int = 500, size: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, n)


def test_a_clearly_better_challenger_passes_and_a_clearly_worse_one_is_named():
    assert judged(errors(0), errors(1, size=1.5)).verdict == "better"
    assert judged(errors(0, size=1.5), errors(1)).verdict == "worse"


def test_too_few_rows_cannot_tell():
    verdict = judged(errors(0, 299), errors(1, 299, size=9.0))
    assert (verdict.verdict, verdict.passed) == ("cannot tell", False)


def test_a_margin_asks_for_more():
    verdict = judged(errors(0), errors(1, size=1.5), margin=0.9)
    assert (verdict.verdict, verdict.passed) == ("not worse", False)


def test_the_same_rows_and_seed_give_the_same_verdict():
    assert judged(errors(0), errors(1)) == judged(errors(0), errors(1))


def test_an_equal_challenger_is_kept_out_nearly_always():
    """Two equal models of independent errors: 100 seeded gates, one-sided 2.5 % each, 4 sd of the binomial allowed."""
    passed = sum(judged(errors(2 * s), errors(2 * s + 1)).passed for s in range(100))
    assert passed <= 100 * 0.025 + 4 * np.sqrt(100 * 0.025 * 0.975)
