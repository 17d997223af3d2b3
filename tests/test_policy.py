from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import NOON
from tests.evaluations import evaluation
from workbench.moments import utc_text
from workbench.policy import (
    ATTEMPT,
    GATING,
    LOST,
    PASSED,
    ROLLED_BACK,
    STUCK,
    Material,
    decide,
    lost_on_probation,
    standing,
)
from workbench.records import Event, Pointer
from workbench.sections import RetrainSettings

POLICY = RetrainSettings(checks_in_a_row=2, cooldown_s=3600, max_attempts_a_day=3, min_new_rows=100)


def checks(*alarms: str):
    return [evaluation(NOON + timedelta(minutes=i), *filter(None, [alarm])) for i, alarm in enumerate(alarms)]


def event(kind: str, ago_s: float, version: str | None = None, **data):
    return Event(
        kind=kind, reason="", version=version, recorded_at=utc_text(NOON - timedelta(seconds=ago_s)), data=data
    )


def attempts(*ago_s: float, **data):
    return [event(ATTEMPT, s, **data) for s in sorted(ago_s, reverse=True)]


def pointer(ago_s: float, generation: int = 2, previous: str | None = "a") -> Pointer:
    at = utc_text(NOON - timedelta(seconds=ago_s))
    return Pointer(version_id="b", generation=generation, activated_at=at, previous=previous)


def asked(evaluations, events=(), *, new_rows=1000, policy=POLICY, material=None, **more):
    told = material or Material(new_rows=new_rows)
    return decide(evaluations, events, policy, now=NOON, material=told, **more)


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
        ({"live": pointer(5)}, "the live version is on probation"),
        ({"hold": "paused: holidays"}, "paused: holidays"),
    ],
    ids=["cooldown", "daily", "rows", "running", "probation", "hold"],
)
def test_a_refusal_keeps_the_cause_and_names_what_stands_against_it(more, refusal):
    decision = asked(checks("drift", "drift"), **more)
    assert (decision.action, decision.trigger, decision.refusal) == ("wait", "drift", refusal)


@given(st.lists(st.floats(0, 200_000), max_size=8))
def test_never_an_attempt_inside_the_cooldown_or_beyond_the_daily_number(ago):
    if asked(checks("drift", "drift"), attempts(*ago)).action == "retrain":
        assert all(s >= POLICY.cooldown_s for s in ago)
        assert sum(s < 86_400 for s in ago) < POLICY.max_attempts_a_day


@pytest.mark.parametrize(
    ("cause", "trigger"), [("response_time", "response_time"), ("failures", "failures"), (None, "response_time")]
)
def test_the_services_alarm_is_called_by_its_cause(cause, trigger):
    slow = [
        msgspec.structs.replace(e, service=msgspec.structs.replace(e.service, cause=cause))
        for e in checks("service", "service")
    ]
    decision = asked(slow)
    assert (decision.action, decision.trigger) == ("retrain", trigger)
    assert decision.reason == f"{trigger.replace('_', ' ')}: service sentence"


def test_an_alarm_that_is_no_trigger_starts_nothing():
    quiet = POLICY.model_copy(update={"triggers": ("performance",)})
    assert asked(checks("drift", "drift"), policy=quiet).reason == "nothing in alarm"
    assert asked(checks("performance", "performance"), policy=quiet).action == "retrain"


def test_the_surest_of_several_alarms_need_not_be_the_first_one_to_begin():
    both = [evaluation(NOON, "drift"), evaluation(NOON + timedelta(minutes=1), "drift", "performance")]
    assert asked(both).trigger == "drift"


def test_a_schedule_asks_without_an_alarm_from_the_last_attempt_or_switch_on():
    monthly = POLICY.model_copy(update={"every_days": 30})
    well, long_ago = checks("", ""), 31 * 86_400
    live = msgspec.structs.replace(pointer(long_ago), previous=None)
    assert asked(well, policy=monthly, live=live).trigger == "schedule"
    assert asked(well, attempts(86_400), policy=monthly, live=live).trigger is None
    assert asked(well, policy=monthly, live=msgspec.structs.replace(pointer(86_400), previous=None)).trigger is None
    assert asked(well, policy=monthly, live=live, new_rows=1).refusal.startswith("fewer than 100 new")


def test_the_same_data_are_not_tried_twice():
    tried = attempts(86_400, fingerprint="f", base="b")
    same = Material(new_rows=1000, base="b", fingerprint="f")
    assert asked(checks("drift", "drift"), tried, material=same).refusal.startswith("the same data were tried before")
    other = msgspec.structs.replace(same, fingerprint="g")
    assert asked(checks("drift", "drift"), tried, material=other).action == "retrain"


def test_base_data_that_have_grown_count_where_new_labels_are_few():
    tried = attempts(86_400, fingerprint="f", base="b")
    grown = Material(new_rows=0, base="c", fingerprint="g")
    assert asked(checks("drift", "drift"), tried, material=grown).action == "retrain"
    still = Material(new_rows=0, base="b", fingerprint="g")
    assert asked(checks("drift", "drift"), tried, material=still).refusal.startswith("fewer than 100 new")


@pytest.mark.parametrize(
    ("more", "phase"),
    [
        ({}, "steady"),
        ({"events": attempts(60)}, "cooling down"),
        ({"events": attempts(60), "running": True}, "training"),
        ({"events": [*attempts(60), event(GATING, 30)], "running": True}, "gating"),
        ({"events": [event(GATING, 90), *attempts(60)], "running": True}, "training"),
        ({"live": pointer(60)}, "probation"),
        ({"live": pointer(60, previous=None)}, "steady"),
        ({"live": pointer(60), "events": [event(PASSED, 30, generation=2)]}, "steady"),
        ({"live": pointer(60), "events": [event(PASSED, 30, generation=1)]}, "probation"),
        ({"live": pointer(60), "events": [event(ROLLED_BACK, 30, generation=2)]}, "steady"),
        ({"live": pointer(60), "events": [event(STUCK, 30, generation=2)]}, "steady"),
        ({"live": pointer(60, 3), "events": [event(LOST, 70, version="a", generation=2, previous="b")]}, "steady"),
        ({"live": pointer(60, 3), "events": [event(LOST, 70, version="b", generation=2, previous="a")]}, "probation"),
        ({"live": pointer(60), "hold": "paused: audit"}, "paused"),
    ],
)
def test_the_phase_is_folded_from_the_events(more, phase):
    told = {"events": [], "live": None} | more
    events, live = told.pop("events"), told.pop("live")
    found = standing(events, live, POLICY, now=NOON, **told)
    assert found.phase == phase
    assert found.told.startswith(phase)


def test_a_retrain_that_died_without_a_word_does_not_stay_under_way():
    assert standing(attempts(7200), None, POLICY, now=NOON, running=False).phase == "steady"


def test_a_suspicion_is_a_phase_of_its_own():
    assert asked(checks("", "drift")).phase == "suspected"
    assert asked(checks("drift", "drift"), new_rows=3).phase == "suspected"
    assert asked(checks("", "")).phase == "steady"
    assert asked(checks("drift", "drift")).phase == "training"


def test_versions_that_lost_on_probation_are_remembered():
    assert lost_on_probation([event(LOST, 9, version="b"), event(PASSED, 5, version="c")]) == {"b"}
