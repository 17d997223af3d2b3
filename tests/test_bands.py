"""Chances and bounds against scipy's exact ones, and against brute force where scipy has none."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from workbench import bands

NORMAL = stats.norm.ppf((np.arange(4_000) + 0.5) / 4_000)
EXPONENTIAL = stats.expon.ppf((np.arange(20_000) + 0.5) / 20_000)
ENDLESS = 1e9


def curve(values, n, m, scale=1.0):
    """The curve of one feature that takes each of these values with the same chance."""
    support, weights = np.asarray(values, float)[None], np.full((1, len(values)), 1 / len(values))
    difference, z = bands.mean_curve(support, weights, np.array([float(n)]), np.array([float(m)]), scale)
    return difference[0], z[0]


@pytest.mark.parametrize("p", [0.5, 0.05, 1e-3, 1e-9])
def test_threshold_is_the_two_sided_quantile_of_the_normal(p):
    assert bands.threshold(p) == pytest.approx(stats.norm.isf(p / 2))


@pytest.mark.parametrize(("n", "m", "scale"), [(50, 200, 1.0), (1_000, 300, 1.0), (50, 200, 2.0)])
@pytest.mark.parametrize("sigmas", [-4.5, -1.0, 0.5, 2.0, 4.0])
def test_the_mean_of_normal_values_has_the_tail_of_the_normal(n, m, scale, sigmas):
    error = np.sqrt(NORMAL.var() * (1 / n + scale**2 / m))
    found = bands.tail(*curve(NORMAL, n, m, scale), sigmas * error)
    assert found == pytest.approx(2 * stats.norm.sf(abs(sigmas)), rel=0.02)


@pytest.mark.parametrize("n", [20, 50, 500])
@pytest.mark.parametrize("p", [0.05, 1e-3, 1e-6])
def test_the_mean_of_exponential_values_has_the_tails_of_the_gamma(n, p):
    """Skewed: the normal approximation is wrong by a factor of 30 and more at 1e-6 of 50."""
    mean = stats.gamma(n, scale=1 / n)
    difference, z = curve(EXPONENTIAL, n, ENDLESS)
    assert bands.tail(difference, z, mean.isf(p / 2) - 1) == pytest.approx(p, rel=0.15)
    assert bands.tail(difference, z, mean.ppf(p / 2) - 1) == pytest.approx(p, rel=0.15)
    assert bands.bounds(difference, z, p) == pytest.approx((mean.ppf(p / 2) - 1, mean.isf(p / 2) - 1), rel=0.01)


def test_the_error_of_a_small_reference_counts_with_its_own_skew():
    """The difference falls when the reference's mean rises: its long tail is on the left."""
    mean = stats.gamma(20, scale=1 / 20)
    low, high = bands.bounds(*curve(EXPONENTIAL, ENDLESS, 20), 0.001)
    assert (low, high) == pytest.approx((1 - mean.isf(0.0005), 1 - mean.ppf(0.0005)), rel=0.01)


@pytest.mark.parametrize("values", [NORMAL, EXPONENTIAL, [0.0] * 19 + [1.0]], ids=["normal", "exponential", "spiked"])
@pytest.mark.parametrize("p", [0.2, 0.01, 1e-5])
def test_a_bound_is_where_the_tail_has_that_chance(values, p):
    difference, z = curve(values, 300, 700)
    assert [bands.tail(difference, z, x) for x in bands.bounds(difference, z, p)] == pytest.approx([p, p])


def test_features_in_one_call_are_independent_of_each_other():
    support, weights = np.array([[0.0, 1.0], [-5.0, 5.0]]), np.array([[0.9, 0.1], [0.5, 0.5]])
    n, m = np.array([100.0, 30.0]), np.array([50.0, 3_000.0])
    together = bands.mean_curve(support, weights, n, m)
    for i in range(2):
        alone = bands.mean_curve(support[[i]], weights[[i]], n[[i]], m[[i]])
        np.testing.assert_allclose(together[0][i], alone[0][0])
        np.testing.assert_allclose(together[1][i], alone[1][0])


def test_a_curve_rises_and_passes_zero():
    for values in (NORMAL, EXPONENTIAL, [0.0] * 99 + [1e6]):
        difference, z = curve(values, 20, 20)
        assert (np.diff(difference) >= 0).all()
        assert (np.diff(z) >= 0).all()
        assert np.interp(0, difference, z) == pytest.approx(0, abs=1e-9)


def test_equal_values_give_finite_curves():
    difference, z = curve([3.0] * 5, 10, 10)
    assert np.isfinite(difference).all()
    assert np.isfinite(z).all()


@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 300), (20, 50), (200, 40)])
def test_the_tail_of_a_share_is_fishers_exact_test(n, m):
    for k, reference_k in itertools.product(range(0, n + 1, max(n // 10, 1)), range(0, m + 1, max(m // 10, 1))):
        table = [[k, n - k], [reference_k, m - reference_k]]
        expected = stats.fisher_exact(table, alternative="greater").pvalue
        assert bands.share_tail(k, n, reference_k, m) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), list(itertools.product((1, 5, 40), (10, 200))))
@pytest.mark.parametrize("reference_k", [0, 1, 4, 10])
@pytest.mark.parametrize(("above", "below"), [(0.2, 0.1), (0.01, 0.01), (1e-5, 1e-5), (0.05, 0.0)])
def test_the_bounds_of_a_share_hold_all_counts_that_are_not_improbable(n, m, reference_k, above, below):
    low, high = bands.share_bounds(n, reference_k, m, above, below)
    inside = [
        k
        for k in range(n + 1)
        if bands.share_tail(k, n, reference_k, m) > above and bands.share_tail(n - k, n, m - reference_k, m) > below
    ]
    assert [k for k in range(n + 1) if low <= k / n <= high] == inside


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=40), st.floats(1, 10_000))
def test_a_group_is_neighbours_and_expects_enough_rows(counts, n):
    groups = bands.group(tuple(counts), n)
    assert groups[0] == 0
    assert set(np.diff(groups)) <= {0, 1}
    if groups[-1] > 0:
        assert (np.bincount(groups, counts) / sum(counts) * n >= bands.MIN_EXPECTED - 1e-6).all()


RNG = np.random.default_rng(0)
REFERENCE, WINDOW = RNG.multinomial(5_000, [0.1] * 10), RNG.multinomial(500, [0.12] * 5 + [0.08] * 5)


def test_the_distance_is_scipys_of_jensen_and_shannon():
    distance, _, freedom = bands.cells(WINDOW, REFERENCE, 500, 5_000)
    assert freedom == 9
    assert distance == pytest.approx(jensenshannon(WINDOW, REFERENCE, base=2))


def test_the_distance_of_joined_cells_is_scipys_of_the_joined():
    """Of ten cells with two expected rows each, four make a group, and what is left joins the last."""
    reference, window = np.full(10, 100), np.arange(10)
    distance, _, freedom = bands.cells(window, reference, 20, 1_000)
    assert freedom == 1
    assert distance == pytest.approx(jensenshannon([0 + 1 + 2 + 3, 39], [400, 600], base=2))


@pytest.mark.parametrize(("n", "m"), [(500, 5_000), (5_000, 500)])
def test_the_statistic_is_scipys_likelihood_ratio_but_for_williams_correction(n, m):
    window, reference = RNG.multinomial(n, [0.1] * 10), RNG.multinomial(m, [0.1] * 10)
    _, statistic, freedom = bands.cells(window, reference, n, m)
    expected = stats.chi2_contingency([window, reference], lambda_="log-likelihood", correction=False)
    assert freedom == expected.dof
    assert 0.98 * expected.statistic < statistic < expected.statistic


def test_rows_that_count_for_half_halve_the_statistic_and_keep_the_distance():
    whole, half = bands.cells(WINDOW, REFERENCE, 500, 5_000), bands.cells(WINDOW, REFERENCE, 250, 2_500)
    assert half[0] == whole[0]
    assert half[1] == pytest.approx(whole[1] / 2, rel=0.02)


@pytest.mark.parametrize(
    ("window", "reference"),
    [([3, 4], [5, 5]), ([0, 0], [500, 500]), ([500], [500]), ([], []), ([5, 5], [0, 0])],
    ids=["too few", "empty window", "one cell", "no cell", "empty reference"],
)
def test_where_there_is_nothing_to_compare_nothing_is_told(window, reference):
    assert bands.cells(np.array(window, int), np.array(reference, int), sum(window), sum(reference)) == (0.0, 0.0, 0)


@pytest.mark.parametrize(("n", "m"), [(100, 500), (1_000, 5_000)])
@pytest.mark.parametrize("p", [0.05, 0.01])
def test_without_drift_a_statistic_is_as_improbable_as_it_says(n, m, p):
    """1,500 seeded pairs of samples; the interval leaves a correct one in 999 of 1,000 cases."""
    rng, chances = np.random.default_rng(1), []
    for _ in range(1_500):
        window, reference = rng.multinomial(n, [0.05] * 20), rng.multinomial(m, [0.05] * 20)
        chances.append(bands.cells_tail(*bands.cells(window, reference, n, m)[1:]))
    low, high = stats.binom.interval(0.999, 1_500, p)
    assert low <= (np.array(chances) <= p).sum() <= high


def test_the_bound_of_cells_is_the_inverse_of_their_tail():
    assert bands.cells_bound(1e-4, 9) == pytest.approx(stats.chi2.isf(1e-4, 9))
    assert bands.cells_tail(bands.cells_bound(1e-4, 9), 9) == pytest.approx(1e-4)
