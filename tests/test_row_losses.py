"""Each metric as a mean over rows: against the metric itself, the jackknife, and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.row_losses import constants, interval, row_losses, standard_error
from workbench.scores import Sample, higher_is_better, values

SHARES = ("accuracy", "precision", "recall", "f1", "log_loss", "brier")


def binary(rng, n, quality=1.5, base=0.3):
    y = (rng.random(n) < base).astype(int)
    chance = 1 / (1 + np.exp(-(quality * (2 * y - 1) + rng.normal(size=n) * 1.5)))
    return Sample("classification", y, (chance > 0.5).astype(int), ("no", "yes"), np.column_stack([1 - chance, chance]))


def three(rng, n):
    y = rng.integers(0, 3, n)
    chances = rng.dirichlet([1, 1, 1], n) + np.eye(3)[y] * 0.5
    chances /= chances.sum(1, keepdims=True)
    return Sample("classification", y, chances.argmax(1), ("a", "b", "c"), chances)


def minutes(rng, n, noise=3.0):
    y = rng.normal(60, 20, n)
    return Sample("regression", y, y + rng.laplace(0.5, noise, n))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from(SHARES), st.floats(0.3, 2.5))
def test_the_mean_loss_is_larger_exactly_where_the_metric_is_worse(seed, metric, quality):
    rng = np.random.default_rng(seed)
    reference, other = binary(rng, 300), binary(rng, 200, quality)
    at = constants(reference, metric)
    lost = row_losses(other, metric, at).mean() - row_losses(reference, metric, at).mean()
    better = values(other, (metric,))[metric] - values(reference, (metric,))[metric]
    better *= 1 if higher_is_better(metric) else -1
    assert np.sign(round(lost, 9)) == -np.sign(round(better, 9))


@pytest.mark.parametrize("metric", ["mae", "mse", "rmse", "r2", "bias"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_closed_form_error_of_a_regression_metric_is_the_jackknifes(metric, seed):
    check_against_jackknife(minutes(np.random.default_rng(seed), 250), metric)


@pytest.mark.parametrize("metric", [*SHARES, "roc_auc"])
@pytest.mark.parametrize("make", [binary, three])
def test_the_closed_form_error_of_a_classification_metric_is_the_jackknifes(metric, make):
    check_against_jackknife(make(np.random.default_rng(3), 250), metric)


def check_against_jackknife(sample, metric):
    n = len(sample)
    left_out = np.array([values(sample.take(np.arange(n) != i), (metric,))[metric] for i in range(n)])
    oracle = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    assert standard_error(sample, metric) == pytest.approx(oracle, rel=0.06)


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_intervals_of_regression_metrics_hold_the_truth_in_19_of_20_samples(metric):
    check_coverage(minutes, metric, n=400)


@pytest.mark.parametrize("metric", ["accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier"])
def test_intervals_of_classification_metrics_hold_the_truth_in_19_of_20_samples(metric):
    check_coverage(binary, metric, n=400)


def check_coverage(make, metric, n, rounds=250):
    rng = np.random.default_rng(11)
    truth = values(make(rng, 200_000), (metric,))[metric]
    held = 0
    for _ in range(rounds):
        drawn = make(rng, n)
        low, high = interval(metric, values(drawn, (metric,))[metric], standard_error(drawn, metric), n)
        held += low <= truth <= high
    # Five standard deviations of a binomial below and above 95 %.
    assert 0.88 <= held / rounds <= 1.0


def test_the_error_of_ones_own_metric_is_bootstrapped():
    sample = minutes(np.random.default_rng(5), 600)
    error = standard_error(sample, "neg_mean_absolute_error")
    assert error == pytest.approx(standard_error(sample, "mae"), rel=0.4)


def test_rows_that_depend_on_each_other_count_for_less():
    rng = np.random.default_rng(2)
    noise = np.repeat(rng.normal(size=100), 10)
    alike = Sample("regression", np.zeros(1000), noise)
    mixed = Sample("regression", np.zeros(1000), rng.permutation(noise))
    assert standard_error(alike, "mae") > 2 * standard_error(mixed, "mae")


def test_all_right_is_not_sure_to_be_right_for_ever():
    sample = Sample("classification", np.ones(50, int), np.ones(50, int), ("no", "yes"))
    low, high = interval("accuracy", 1.0, standard_error(sample, "accuracy"), 50)
    assert 0.9 < low < 0.95
    assert high == pytest.approx(1.0)


def test_an_undefined_metric_has_no_error():
    assert standard_error(Sample("regression", np.ones(30), np.ones(30)), "r2") is None
    assert interval("r2", None, None, 30) is None
