"""Through the whole selection: equal candidates are kept out, a better one gets in. The full version is a benchmark."""

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks.made_up_models import INDEPENDENT, REMEMBERING

RUNS = 40


def promoted(world, smaller: float) -> int:
    return sum(world.select(smaller, np.random.default_rng([41, i]), candidates=6).verdict.passed for i in range(RUNS))


@pytest.mark.parametrize("world", [INDEPENDENT, REMEMBERING], ids=lambda w: w.name)
def test_six_equal_candidates_are_kept_out_in_at_least_95_of_100_selections(world):
    """A gate that keeps this promise passes with 999 of 1,000 seeds."""
    assert promoted(world, 0.0) <= stats.binom.ppf(0.999, RUNS, 0.05)


def test_one_candidate_better_by_a_tenth_is_promoted_in_at_least_90_of_100_selections():
    assert promoted(INDEPENDENT, 0.1) >= stats.binom.ppf(0.001, RUNS, 0.95)
