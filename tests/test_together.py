"""The inputs together: what has turned between them though each alone is as it was."""

import numpy as np
import pytest

from tests.benchmarks.streams import correlated
from tests.test_model_view import LIMITS, RATE, SAMPLE, WINDOW, frame, rng
from workbench.model_view import FOLDS, MIN_ROWS_A_FOLD, together
from workbench.sections import DriftSettings

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def turned():
    """Correlation 0.8 of x and y becomes -0.8; no column alone shows it."""
    window, sample = correlated(1_000, rng(1), -0.8), correlated(2_000, rng(0), 0.8)
    return window, sample, together(window, sample, limits=LIMITS, false_alarm_rate=RATE)


def test_a_correlation_that_has_turned_is_found_and_its_pair_is_named(turned):
    window, sample, found = turned
    assert (found.auc.state, found.rows) == ("drift", 1_000)
    (pair,) = found.pairs
    assert pair[:2] == ("x", "y")
    expected = [f[["x", "y"]].corr(method="spearman").iloc[0, 1] for f in (window, sample)]
    assert pair[2:] == pytest.approx(expected, abs=1e-3)


def test_rows_that_are_drawn_alike_cannot_be_told_apart():
    found = together(correlated(500, rng(1), 0.8), correlated(1_000, rng(0), 0.8), limits=LIMITS, false_alarm_rate=RATE)
    assert (found.auc.state, found.pairs) == ("ok", ())
    assert abs(found.auc.value - 0.5) < found.auc.high - 0.5


def test_the_same_rows_give_the_same_answer(turned):
    window, sample, found = turned
    assert together(window, sample, limits=LIMITS, false_alarm_rate=RATE) == found


def test_the_least_auc_that_matters_is_a_setting(turned):
    window, sample, found = turned
    lenient = together(window, sample, limits=DriftSettings(min_auc=0.99), false_alarm_rate=RATE)
    assert (lenient.auc.value, lenient.auc.state) == (found.auc.value, "ok")


def test_a_smaller_rate_needs_a_larger_auc(turned):
    window, sample, found = turned
    assert together(window, sample, limits=LIMITS, false_alarm_rate=RATE / 100).auc.high > found.auc.high


def test_a_text_that_goes_with_another_text_is_seen_too():
    """Each alone is as before; they agree where they were independent."""
    letters, same = rng(0).choice(["u", "v"], (2, 1_600)), rng(1).choice(["u", "v"], 800)
    sample = SAMPLE.head(1_600).assign(one=letters[0].astype(object), other=letters[1].astype(object))
    window = WINDOW.head(800).assign(one=same.astype(object), other=same.astype(object))
    assert together(window, sample, limits=LIMITS, false_alarm_rate=RATE).auc.state == "drift"


@pytest.mark.parametrize(
    ("n", "m"), [(FOLDS * MIN_ROWS_A_FOLD - 1, 2_000), (1_000, FOLDS * MIN_ROWS_A_FOLD - 1), (0, 0)]
)
def test_too_few_rows_are_not_looked_at_together(n, m):
    assert together(frame(n, 1), frame(m, 0), limits=LIMITS, false_alarm_rate=RATE) is None


def test_no_columns_are_not_looked_at_together():
    assert together(WINDOW[[]], SAMPLE[[]], limits=LIMITS, false_alarm_rate=RATE) is None


@pytest.mark.parametrize(
    "odd",
    [
        lambda i: np.full(len(i), 7.0),
        lambda i: np.where(i % 50 == 0, np.inf, 1e30),
        lambda i: np.full(len(i), np.nan),
        lambda i: np.full(len(i), np.nan, dtype=object),
        lambda i: np.where(i < 20, i, np.nan),
    ],
    ids=["constant", "giant", "missing numbers", "missing texts", "values in one stretch only"],
)
def test_a_column_without_values_or_variety_is_looked_at_with_the_others(odd):
    window, sample = (rows.assign(odd=odd(np.arange(len(rows)))) for rows in (WINDOW, SAMPLE))
    assert together(window, sample, limits=LIMITS, false_alarm_rate=RATE).auc.state == "ok"
