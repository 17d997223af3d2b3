"""What an error model is made of, beside scikit-learn and by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import log_loss

from workbench.features import infer_schema
from workbench.learners import BEYOND, FLOOR, FREQUENT, SAY, Chances, Inputs, Losses, calibration, folds, scaling

pytestmark = pytest.mark.usefixtures("one_thread")


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def test_numbers_are_told_in_standard_deviations_and_missing_ones_beside_them():
    found = scaling(np.array([1.0, 2.0, 3.0, np.nan]))
    sd = np.std([1, 2, 3])
    assert found.columns(np.array([3.0, np.nan, 1.0])) == pytest.approx(np.array([[1 / sd, 0], [0, 1], [-1 / sd, 0]]))


def test_beyond_the_range_of_the_holdout_all_are_alike():
    found = scaling(np.array([0.0, 10.0]))
    far = found.columns(np.array([15.0, 1e9, np.inf, -np.inf]))[:, 0]
    assert far.tolist() == [1 + BEYOND, 1 + BEYOND, 1 + BEYOND, -1 - BEYOND]


def test_of_texts_the_frequent_ones_are_columns_and_all_others_are_none_of_them():
    frame = pd.DataFrame({"to": ["a"] * FREQUENT + ["b"] * (FREQUENT - 1) + [None], "km": 1.0})
    schema = infer_schema(frame.assign(y=0.0), task="regression", target="y")
    told = Inputs(frame, schema).columns(pd.DataFrame({"to": ["a", "b", None, "new"], "km": 1.0}))
    assert told[:, -1].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert told.shape == (4, 3)


def test_the_expected_loss_follows_the_inputs_from_a_floor_to_what_is_possible():
    columns = normal(0, 1_000, 3)
    lost = np.exp(columns[:, 0])
    expected = Losses(columns, lost, most=4.0)
    assert spearmanr(expected(columns), lost).statistic > 0.95
    assert expected(normal(1, 500, 3) * 10).max() == 4.0
    assert expected(normal(1, 500, 3) * 10).min() == pytest.approx(FLOOR * lost.mean())


def test_chances_sum_to_1_and_a_class_that_was_not_there_has_none():
    columns, y = normal(0, 300, 2), np.random.default_rng(0).choice([0, 2], 300)
    told = Chances(columns, y, classes=3, certain=1, say=0.1)(columns)
    assert told.sum(1) == pytest.approx(np.ones(300))
    assert (told[:, 1] == 0).all()


def test_probabilities_that_are_too_sure_are_calibrated():
    rng = np.random.default_rng(0)
    score = rng.normal(size=4_000)
    y = (rng.random(4_000) < 1 / (1 + np.exp(-score))).astype(int)
    columns, parts = np.column_stack([2 * score, rng.normal(size=4_000)]), folds(4_000, 5)
    fit = calibration(columns, y, parts, classes=2, certain=1)
    told, true, sure = (f(score) for f in (lambda s: fit(columns, y)(columns)[:, 1], sigmoid, lambda s: sigmoid(2 * s)))
    assert np.abs(told - true).max() < 0.05
    assert log_loss(y, told) < log_loss(y, sure)


def sigmoid(score):
    return 1 / (1 + np.exp(-score))


@pytest.mark.parametrize(("weight", "say"), [(0.0, SAY[0]), (3.0, SAY[-1])])
def test_inputs_have_a_say_where_they_tell_more_than_the_probabilities(weight, say):
    rng = np.random.default_rng(1)
    score, other = rng.normal(size=(2, 2_000))
    y = (rng.random(2_000) < sigmoid(score + weight * other)).astype(int)
    columns = np.column_stack([score, other, rng.normal(size=(2_000, 10))])
    fit = calibration(columns, y, folds(2_000, 5), classes=2, certain=1)
    assert fit.keywords["say"] == say


def test_folds_are_neighbouring_rows_and_hold_each_row_once():
    parts = folds(103, 5)
    assert np.concatenate([part for _, part in parts]).tolist() == list(range(103))
    for rest, part in parts:
        assert set(rest) | set(part) == set(range(103))
        assert np.ptp(part) == len(part) - 1
