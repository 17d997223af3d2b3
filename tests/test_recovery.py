"""Recovered shares and their uncertainty, beside figures by hand and by simulation."""

import numpy as np
import pytest

from workbench.recovery import Left, chosen, left_out, recovered, stretches, undominated


def mean_of(values):
    return lambda mask: float(values[mask].mean())


def lefts(*columns):
    masks = stretches(len(columns[0]))
    return [left_out(mean_of(column), len(column), masks) for column in columns]


def test_the_jackknife_of_a_mean_is_its_standard_error_where_rows_are_independent():
    values = np.random.default_rng(0).normal(size=4000)
    found = left_out(mean_of(values), 4000, stretches(4000)).error
    assert found == pytest.approx(1 / np.sqrt(4000), rel=0.3)


def test_the_interval_of_a_share_holds_the_truth_in_most_of_300_histories_whose_errors_remember():
    rng, held = np.random.default_rng(1), 0
    for _ in range(300):
        shared = np.convolve(rng.normal(size=1200 + 9), np.ones(10) / 3, "valid")
        own = rng.normal(size=(3, 1200))
        never, best, policy = (mean + shared + part for mean, part in zip((12, 8, 9), own, strict=True))
        low, high = recovered(*(lefts(policy, never, best)), -1).interval
        held += low <= 0.75 <= high
    assert 0.9 <= held / 300 <= 0.99


def test_there_is_nothing_to_recover_where_always_retraining_wins_nothing_for_sure():
    rng = np.random.default_rng(0)
    noise = [12 + rng.normal(size=800) for _ in range(3)]
    told = recovered(*lefts(*noise), -1)
    assert (told.share, told.interval) == (None, None)
    assert told.won_interval[0] < 0 < told.won_interval[1]


@pytest.mark.parametrize("sign", [1, -1])
def test_better_is_positive_whichever_way_the_metric_goes(sign):
    rng = np.random.default_rng(2)
    never, best, policy = (sign * value + rng.normal(0, 0.1, 800) for value in (1.0, 3.0, 2.0))
    told = recovered(*lefts(policy, never, best), sign)
    assert told.share == pytest.approx(0.5, abs=0.02)
    assert told.won == pytest.approx(1.0, abs=0.05)
    assert told.won_interval[0] < told.won < told.won_interval[1]


def test_harm_is_negative():
    rng = np.random.default_rng(2)
    told = recovered(*lefts(*(value + rng.normal(0, 0.1, 800) for value in (13.0, 12.0, 12.0))), -1)
    assert told.share is None
    assert told.won_interval[1] < 0


def test_the_cheapest_policy_within_one_standard_error_of_the_best_is_chosen():
    rng = np.random.default_rng(3)
    shared = rng.normal(size=2000)
    made = {"dear": 8.0, "cheap": 8.001, "poor": 9.0}
    told = dict(zip(made, lefts(*(value + shared + rng.normal(0, 0.2, 2000) for value in made.values())), strict=True))
    assert chosen(told, {"dear": 9, "cheap": 2, "poor": 1}, -1) == "cheap"


def test_a_policy_is_dominated_only_by_one_that_is_nowhere_worse():
    points = {"a": (1.0, 0.5), "b": (1.0, 0.5), "c": (2.0, 0.5), "d": (0.0, 0.1)}
    assert undominated(points) == {"a", "b", "d"}


def test_an_undefined_score_has_no_interval():
    assert Left(1.0, np.array([np.nan, np.nan])).interval is None
