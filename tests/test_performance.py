"""scikit-learn is the oracle; hypothesis brings the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from workbench.performance import HIGHER_IS_BETTER, METRICS, judge, label_text, loss, scores

numbers = st.floats(-1e6, 1e6)
pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=50)
labels = st.lists(st.tuples(st.integers(0, 1), st.floats(0.01, 0.99)), min_size=4, max_size=50)


@settings(deadline=None)
@given(pairs)
def test_regression_metrics_are_scikit_learns(rows):
    y, said = map(np.array, zip(*rows, strict=True))
    found = scores("regression", y, said)
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(y, said))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, said))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, said))
    assert found["r2"] == (pytest.approx(metrics.r2_score(y, said)) if len(set(y)) > 1 else None)


@settings(deadline=None)
@given(labels)
def test_binary_metrics_are_scikit_learns(rows):
    y, chance = map(np.array, zip(*rows, strict=True))
    said = (chance > 0.5).astype(int)
    found = scores("classification", y, said, [{"0": 1 - c, "1": c} for c in chance])
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, said))
    for name in ("precision", "recall", "f1"):
        oracle = getattr(metrics, f"{name}_score")(y, said, zero_division=0)
        assert found[name] == pytest.approx(oracle)
    assert found["roc_auc"] == (pytest.approx(metrics.roc_auc_score(y, chance)) if len(set(y)) == 2 else None)


def test_several_classes_are_averaged_over_classes():
    y, said = ["a", "b", "c", "a"], ["a", "b", "b", "c"]
    chances = [{"a": 0.6, "b": 0.3, "c": 0.1}, {"a": 0.1, "b": 0.8, "c": 0.1}] * 2
    found = scores("classification", y, said, chances)
    assert found["f1"] == pytest.approx(metrics.f1_score(y, said, average="macro", zero_division=0))
    table = [[c["a"], c["b"], c["c"]] for c in chances]
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, table, multi_class="ovr"))


def test_labels_compare_whatever_brought_them():
    assert scores("classification", [1.0, True, 0], [1, 1, 0.0])["accuracy"] == 1.0
    assert [label_text(v) for v in (1, 1.0, True, np.float64(1), np.bool_(True))] == ["1"] * 5


def test_the_positive_class_is_the_larger_number_not_the_later_text():
    assert scores("classification", [2, 10, 10], [2, 10, 2])["recall"] == 0.5


@pytest.mark.parametrize("task", METRICS)
def test_nothing_to_score_is_none_not_zero(task):
    assert scores(task, [], []) == dict.fromkeys(METRICS[task])


@pytest.mark.parametrize("metric", HIGHER_IS_BETTER)
def test_loss_is_positive_where_the_model_got_worse(metric):
    worse = 0.4 if HIGHER_IS_BETTER[metric] else 0.6
    assert loss(metric, worse, 0.5) == pytest.approx(0.2)
    assert loss(metric, None, 0.5) is None


def verdict(mae: float, labelled: int = 100):
    return judge({"mae": mae}, {"mae": 8.0}, metric="mae", n=120, labelled=labelled, min_rows=50, max_loss=0.3)


@pytest.mark.parametrize(("mae", "state"), [(7.0, "ok"), (10.3, "ok"), (10.5, "alarm")])
def test_performance_is_judged_against_the_holdout(mae, state):
    assert verdict(mae).state == state


def test_the_sentence_says_by_how_much():
    assert verdict(12.0).sentence == "mae 12 over 100 actuals, holdout 8 (50% worse; 30% worse is too much)"


def test_few_actuals_are_insufficient():
    assert verdict(99.0, labelled=49).state == "insufficient"
