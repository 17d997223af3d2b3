"""The integrated autocorrelation time against series whose own is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.streams import ar1
from workbench.autocorrelation import MIN_ROWS, dependence, neighbours


def series(n: int, seed: int, rho: float) -> np.ndarray:
    return ar1(n, np.random.default_rng(seed), rho, columns=["x"])["x"].to_numpy()


@pytest.mark.parametrize("seed", range(10))
def test_independent_rows_count_one_each(seed):
    rng = np.random.default_rng(seed)
    for values in (rng.normal(size=2_000), rng.lognormal(0, 1, 500), (rng.random(1_000) < 0.3).astype(float)):
        assert dependence(values) == 1.0


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n", [1_000, 5_000])
def test_an_autoregression_of_08_needs_nine_rows_for_one(n, seed):
    """(1 + rho) / (1 - rho): rather too much of it than too little."""
    assert 0.8 * 9 < dependence(series(n, seed, 0.8)) < 1.4 * 9


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_the_variance_of_the_mean_is_what_simulation_finds(rho):
    """An oracle without a formula: the variance of 2,000 means of 400 rows, as a multiple of independent rows'."""
    rows = 400
    means = ar1(rows, np.random.default_rng(0), rho, columns=[f"x_{i}" for i in range(2_000)]).mean()
    measured = means.var() * rows
    told = np.median([dependence(series(4_000, seed, rho)) for seed in range(15)])
    assert 0.9 * measured < told < 1.4 * measured


def test_every_value_ten_times_over_counts_about_a_tenth():
    values = np.repeat(np.random.default_rng(0).normal(size=400), 10)
    assert 7 < dependence(values) < 15


def test_more_alike_is_more_dependent():
    told = [dependence(series(4_000, 3, rho)) for rho in (0.0, 0.4, 0.8, 0.95)]
    assert told == sorted(told)
    assert len(set(told)) == 4


@pytest.mark.parametrize(
    "values",
    [
        np.full(500, 0.1),
        np.zeros(500),
        np.tile([1.0, -1.0], 250),
        np.tile([0.0, 1.0], 250),
        series(1_000, 0, -0.8),
        series(MIN_ROWS - 1, 0, 0.9),
        np.array([3.0, 4.0]),
        np.array([3.0]),
        np.array([]),
    ],
    ids=["constant", "zeros", "alternating", "two values", "negative", "short", "two", "one", "none"],
)
def test_what_is_not_alike_in_a_row_is_taken_as_independent(values):
    assert dependence(values) == 1.0


@pytest.mark.parametrize("n", [MIN_ROWS, 50, 1_000])
@pytest.mark.parametrize("build", [np.cumsum, np.sort, lambda v: np.repeat(v[:1], len(v)) + (np.arange(len(v)) > 9)])
def test_no_series_is_worth_fewer_than_two_rows(n, build):
    assert 1 <= dependence(build(np.random.default_rng(0).normal(size=n))) <= n / 2


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_makes_no_difference(scale):
    values = series(1_000, 0, 0.8)
    assert dependence(values * scale) == pytest.approx(dependence(values))


@pytest.mark.parametrize("offset", [-40.0, 1e4, 1.7e9])
def test_where_zero_lies_makes_no_difference(offset):
    """1.7e9: seconds since 1970."""
    values = series(1_000, 0, 0.8)
    assert dependence(values + offset) == pytest.approx(dependence(values), rel=1e-3)


@given(st.lists(st.floats(-1e30, 1e30), max_size=60))
def test_any_series_gives_a_figure_from_one_to_half_its_length(values):
    assert 1 <= dependence(np.array(values, float)) <= max(len(values) / 2, 1)


@pytest.mark.parametrize("length", [1, 2, 7, 50])
def test_means_of_neighbours_are_those_of_a_loop_and_have_the_mean_of_the_series(length):
    values = np.random.default_rng(0).normal(size=50)
    twice = np.tile(values, 2)
    assert neighbours(values, length) == pytest.approx([twice[i : i + length].mean() for i in range(50)])
    assert neighbours(values, length).mean() == pytest.approx(values.mean())
