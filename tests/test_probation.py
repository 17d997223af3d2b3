"""When is a version that has just gone live worse than the one before? Evidence made up, verdict by hand."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from tests.conftest import NOON
from workbench.moments import utc_text
from workbench.probation import Apart, Evidence, apart, judge, lost_share, traffic_of
from workbench.records import GateVerdict, Request
from workbench.sections import ProbationSettings

RULES = ProbationSettings(rows=500, minutes=60)


def requests(n, failed=0, seconds=0.01):
    rng = np.random.default_rng(0)
    return [
        Request(
            recorded_at=utc_text(NOON + timedelta(seconds=i)),
            path="/predict",
            status=500 if i < failed else 200,
            rows=1,
            version="b",
            response_s=float(s),
            latency_s=float(s),
        )
        for i, s in enumerate(seconds * rng.uniform(0.8, 1.2, n))
    ]


def verdict(word, advantage=0.0):
    return GateVerdict(verdict=word, metric="mae", rows=200, sentence=word, advantage=advantage)


def found(since=None, before=None, *, rows=100, after_min=5.0, rules=RULES, **more):
    evidence = Evidence(
        since=traffic_of(requests(100) if since is None else since, NOON),
        before=traffic_of(requests(200) if before is None else before, NOON),
        rows=rows,
        **more,
    )
    return judge(
        evidence,
        rules,
        activated_at=NOON,
        now=NOON + timedelta(minutes=after_min),
        max_response_s=1.0,
        min_loss=0.1,
    )


def test_a_version_like_the_one_before_is_watched_and_then_has_passed():
    assert found().state == "running"
    assert found(rows=500).state == "passed"
    assert found(after_min=60.0).state == "passed"
    assert found(since=[], rows=0, after_min=59.9).state == "running"
    assert found(since=[], before=[], rows=0, after_min=60.0).state == "passed"


@pytest.mark.parametrize(
    ("n", "failed", "state"), [(5, 5, "lost"), (100, 10, "lost"), (100, 1, "running"), (3, 1, "running")]
)
def test_failures_are_held_against_it_when_they_are_no_chance(n, failed, state):
    assert found(since=requests(n, failed), rows=n - failed).state == state


def test_a_version_that_fails_as_often_as_the_one_before_is_not_to_blame():
    assert found(since=requests(100, 12), before=requests(400, 50)).state == "running"
    assert found(since=requests(100, 90), before=requests(400, 50)).state == "lost"


def test_slowness_counts_beside_the_version_before_and_once_it_matters():
    assert found(since=requests(50, seconds=0.5)).state == "lost"
    assert "p95 of the response time is " in found(since=requests(50, seconds=0.5)).sentence
    assert found(since=requests(50, seconds=0.05)).state == "running"
    assert found(since=requests(50, seconds=0.5), before=requests(200, seconds=0.4)).state == "running"
    assert found(since=requests(10, seconds=0.5)).state == "running"


def test_errors_on_the_same_rows_decide_where_they_are_sure_and_large_enough():
    assert found(errors=verdict("worse"), lost=0.3).state == "lost"
    assert found(errors=verdict("worse"), lost=0.05).state == "running"
    assert found(errors=verdict("cannot tell"), lost=0.3).state == "running"


@pytest.mark.parametrize("off", [Apart(shift=1.5, ratio=1.0), Apart(shift=0.0, ratio=0.1), Apart(shift=0.0, ratio=9.0)])
def test_outputs_far_from_what_the_version_before_says_are_held_against_it(off):
    assert found(apart=off).state == "lost"
    assert found(apart=Apart(shift=0.5, ratio=1.2)).state == "running"


def test_outputs_are_not_held_against_a_version_that_actuals_bear_out():
    off = Apart(shift=1.5, ratio=1.0)
    assert found(apart=off, errors=verdict("better")).state == "running"
    assert found(apart=off, expected=Apart(shift=1.4, ratio=1.1)).state == "running"
    assert found(apart=off, expected=Apart(shift=-0.2, ratio=1.0)).state == "lost"


def test_the_last_look_of_a_probation_can_still_lose_it():
    assert found(rows=500, errors=verdict("worse"), lost=0.5).state == "lost"


def test_outputs_are_compared_as_numbers_or_as_shares_of_classes():
    rng = np.random.default_rng(0)
    numbers = pd.Series(rng.normal(5, 2, 200))
    same = apart(numbers + 2, numbers)
    assert (round(same.shift, 1), round(same.ratio, 1)) == (1.0, 1.0)
    constant = pd.Series([5.0] * 200)
    assert apart(constant, numbers).ratio == 0.0
    assert np.isfinite(apart(numbers, constant).shift)
    classes = pd.Series(["a", "b"] * 50, dtype=object)
    assert apart(classes, classes) == Apart(shift=0.0, ratio=1.0)
    assert apart(pd.Series(["a"] * 100, dtype=object), classes).shift == 1.0
    assert apart(numbers[:5], numbers[:5]) is None


def test_a_loss_is_a_share_of_what_the_version_before_has():
    assert lost_share(verdict("worse", -2.0), 8.0) == 0.25
    assert lost_share(verdict("worse", -2.0), None) == 0.0
