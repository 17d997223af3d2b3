"""scikit-learn is the oracle; hypothesis brings the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from workbench import own_metrics
from workbench.errors import SettingsError
from workbench.records import METRICS
from workbench.scores import HIGHER_IS_BETTER, higher_is_better, label_text, loss, sample, scores, values

numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 6))
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
    assert found["bias"] == pytest.approx(np.mean(said - y), abs=1e-9)
    assert found["r2"] == (pytest.approx(metrics.r2_score(y, said)) if len(set(y)) > 1 else None)


def test_r2_of_actuals_that_differ_by_next_to_nothing_is_undefined():
    assert scores("regression", [0.0, 5e-160], [0.0, 1.0])["r2"] is None


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
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, chance, labels=[0, 1]))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(y, chance))


def test_several_classes_are_averaged_over_classes():
    y, said = ["a", "b", "c", "a"], ["a", "b", "b", "c"]
    chances = [{"a": 0.6, "b": 0.3, "c": 0.1}, {"a": 0.1, "b": 0.8, "c": 0.1}] * 2
    found = scores("classification", y, said, chances)
    assert found["f1"] == pytest.approx(metrics.f1_score(y, said, average="macro", zero_division=0))
    table = [[c["a"], c["b"], c["c"]] for c in chances]
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, table, multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, table, labels=["a", "b", "c"]))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(y, np.array(table), labels=["a", "b", "c"]))


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


def late_share_error(y_true, y_pred):
    """An error of one's own: how often the prediction is too low."""
    return float(np.mean(np.asarray(y_pred) < np.asarray(y_true)))


late_share_scorer = metrics.make_scorer(late_share_error, greater_is_better=False)


@settings(deadline=None)
@given(pairs)
def test_a_scorers_name_gives_what_the_scorer_gives(rows):
    y, said = map(np.array, zip(*rows, strict=True))
    names = ("neg_median_absolute_error", "tests.test_scores:late_share_error", "tests.test_scores:late_share_scorer")
    found = values(sample("regression", y, said), names)
    assert found[names[0]] == pytest.approx(-metrics.median_absolute_error(y, said))
    assert found[names[1]] == late_share_error(y, said) == -found[names[2]]


def test_a_scorer_of_a_classifier_sees_classes_and_probabilities_as_they_were():
    y, said = [1, 0, 1, 0], [1, 0, 0, 0]
    chances = [{"0": 1 - p, "1": p} for p in (0.9, 0.2, 0.4, 0.3)]
    found = values(sample("classification", y, said, chances), ("balanced_accuracy", "average_precision"))
    assert found["balanced_accuracy"] == metrics.balanced_accuracy_score(y, said)
    assert found["average_precision"] == metrics.average_precision_score(y, [0.9, 0.2, 0.4, 0.3])


def test_a_scorer_that_needs_probabilities_is_none_without_them():
    assert values(sample("classification", ["a", "b"], ["a", "b"]), ("neg_log_loss",)) == {"neg_log_loss": None}


def test_which_way_is_better_follows_scikit_learns_convention():
    assert higher_is_better("neg_mean_absolute_error")
    assert not higher_is_better("shop.metrics:late_loss")
    assert higher_is_better("shop.metrics:profit")


@pytest.mark.parametrize("name", ["no_such_scorer", "tests.nowhere:metric", "tests.test_scores:nothing"])
def test_a_metric_that_is_not_there_is_named(name):
    with pytest.raises(SettingsError, match=name.split(":")[-1]):
        own_metrics.resolve(name)
