"""Confusion, ROC and calibration beside scikit-learn's; residuals by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from workbench.diagnostics import calibration, confusion, most_frequent, residuals, roc, wilson
from workbench.scores import Sample, sample

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 100)), min_size=2, max_size=60)


def classified(n=300, classes=("a", "b", "c"), seed=0):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, len(classes), n)
    said = np.where(rng.random(n) < 0.6, true, rng.integers(0, len(classes), n))
    return Sample("classification", true, said, tuple(classes))


def test_confusion_counts_as_scikit_learn_does_also_a_class_that_never_came():
    rows = classified()
    assert (confusion(rows) == confusion_matrix(rows.y_true, rows.y_pred)).all()
    rows = replace(rows, classes=("a", "b", "c", "d"))
    assert (confusion(rows) == confusion_matrix(rows.y_true, rows.y_pred, labels=range(4))).all()


def test_the_rarest_classes_are_counted_together():
    matrix = np.array([[5, 1, 0, 0], [0, 1, 0, 1], [2, 0, 9, 0], [0, 0, 1, 2]])
    merged, names = most_frequent(matrix, ("a", "b", "c", "d"), 3)
    assert names == ("a", "c", "others")
    assert merged.tolist() == [[5, 0, 1], [2, 9, 0], [0, 1, 4]]
    assert most_frequent(matrix, ("a", "b", "c", "d"), 4)[0] is matrix


@given(ROWS)
def test_the_roc_curve_and_its_area_are_scikit_learns(rows):
    positive, score = np.array([p for p, _ in rows]), np.array([s / 100 for _, s in rows])
    found = roc(positive, score)
    if positive.all() or not positive.any():
        assert found is None
        return
    false, true, _ = roc_curve(positive, score, drop_intermediate=False)
    assert np.allclose(found.false_positive, false)
    assert np.allclose(found.true_positive, true)
    assert found.auc == pytest.approx(roc_auc_score(positive, score))
    assert found.positives == positive.sum()


@given(ROWS)
def test_calibration_has_scikit_learns_bins(rows):
    happened, forecast = np.array([h for h, _ in rows]), np.array([f / 100 for _, f in rows])
    found = calibration(happened, forecast)
    share, mean = calibration_curve(happened, forecast, n_bins=10)
    assert np.allclose(found.share, share)
    assert np.allclose(found.forecast, mean)
    assert found.rows.sum() == len(rows)
    assert (found.low <= found.share + 1e-9).all()
    assert (found.share <= found.high + 1e-9).all()


def test_the_interval_of_a_share_is_the_servers_own():
    from workbench.traffic import _wilson

    for k, n in ((0, 10), (3, 10), (10, 10), (40, 900)):
        assert np.allclose(wilson(np.array(k / n), np.array(n)), _wilson(k, n), atol=1e-6)


def test_residuals_are_prediction_minus_actual_in_parts_of_equally_many_rows():
    rng = np.random.default_rng(0)
    said = rng.permutation(np.arange(200.0))
    found = residuals(sample("regression", said - 3, said))
    assert (found.residual == 3).all()
    assert (np.diff(found.predicted) > 0).all()
    assert found.center.tolist() == [9.5 + 20 * i for i in range(10)]
    assert set(found.low) == set(found.middle) == set(found.high) == {3.0}


def test_a_few_residuals_have_no_quantiles():
    found = residuals(sample("regression", [1.0, 2.0], [2.0, 4.0]))
    assert found.residual.tolist() == [1.0, 2.0]
    assert len(found.center) == len(found.low) == 0
