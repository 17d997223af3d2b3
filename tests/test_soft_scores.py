"""Where chances are 0 and 1, scikit-learn is the oracle; elsewhere actuals drawn with these chances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from workbench import soft_scores
from workbench.error_model import CLASSIFICATION
from workbench.row_losses import constants, influence, row_losses
from workbench.scores import Sample, values


def answers(rng: np.random.Generator, n: int, k: int) -> Sample:
    said = rng.dirichlet(np.ones(k), n)
    return Sample("classification", rng.integers(0, k, n), said.argmax(1), tuple("abcd"[:k]), said)


def soft(said: Sample, metric: str, chances: np.ndarray) -> float | None:
    return soft_scores.value(said, metric, chances, soft_scores.terms(said, metric, chances))


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 10_000), k=st.integers(2, 4), n=st.integers(20, 200), metric=st.sampled_from(CLASSIFICATION))
def test_with_chances_of_0_and_1_every_metric_is_scikit_learns(seed, k, n, metric):
    rng = np.random.default_rng(seed)
    said = answers(rng, n, k)
    said.y_true[:k] = range(k)
    assert soft(said, metric, np.eye(k)[said.y_true]) == pytest.approx(values(said, (metric,))[metric])


def test_the_oracle_is_asked_directly_too():
    said = answers(np.random.default_rng(0), 300, 3)
    hard = np.eye(3)[said.y_true]
    assert soft(said, "f1", hard) == pytest.approx(metrics.f1_score(said.y_true, said.y_pred, average="macro"))
    ranked = metrics.roc_auc_score(said.y_true, said.chances, multi_class="ovr")
    assert soft(said, "roc_auc", hard) == pytest.approx(ranked)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), metric=st.sampled_from([m for m in CLASSIFICATION if m != "roc_auc"]))
def test_what_a_row_adds_as_the_class_it_is_of_is_its_loss(seed, metric):
    said = answers(np.random.default_rng(seed), 100, 2)
    at = soft_scores.terms(said, metric, np.eye(2)[said.y_true])
    assert at.shares.keys() == constants(said, metric).keys()
    added = soft_scores.row_terms(said, metric, at)[np.arange(100), said.y_true]
    assert added == pytest.approx(row_losses(said, metric, constants(said, metric)))


@pytest.mark.parametrize("k", [2, 3])
def test_what_a_row_adds_to_the_ranking_is_its_influence(k):
    said = answers(np.random.default_rng(1), 200, k)
    at = soft_scores.terms(said, "roc_auc", np.eye(k)[said.y_true])
    added = soft_scores.row_terms(said, "roc_auc", at)[np.arange(200), said.y_true]
    assert added == pytest.approx(influence(said, "roc_auc"))


@pytest.mark.parametrize("metric", CLASSIFICATION)
@pytest.mark.parametrize("k", [2, 3])
def test_with_chances_between_it_is_the_metric_of_actuals_drawn_with_them(metric, k):
    rng = np.random.default_rng(2)
    said, n = answers(rng, 4_000, k), 4_000
    chances = 0.6 * said.chances + 0.4 * rng.dirichlet(np.ones(k), n)
    drawn = []
    for _ in range(40):
        true = (chances.cumsum(1) < rng.random(n)[:, None]).sum(1).clip(0, k - 1)
        drawn.append(values(Sample(said.task, true, said.y_pred, said.classes, said.chances), (metric,))[metric])
    error = np.std(drawn, ddof=1) / np.sqrt(len(drawn))
    assert soft(said, metric, chances) == pytest.approx(np.mean(drawn), abs=4 * error + 1e-4)


@pytest.mark.parametrize("metric", ["precision", "recall", "f1", "roc_auc"])
def test_the_rows_losses_are_0_in_the_mean_at_their_own_terms_and_more_where_the_answers_are_worse(metric):
    rng = np.random.default_rng(3)
    said = answers(rng, 1_000, 2)
    chances, at = said.chances, soft_scores.terms(said, metric, said.chances)
    assert (soft_scores.row_terms(said, metric, at) * chances).sum(1).mean() == pytest.approx(0, abs=1e-9)
    worse = 0.5 * chances + 0.5 * chances.mean(0)
    assert (soft_scores.row_terms(said, metric, at) * worse).sum(1).mean() > 0
    assert soft(said, metric, worse) < soft(said, metric, chances)


@pytest.mark.parametrize("metric", CLASSIFICATION)
def test_of_no_rows_nothing_is_defined(metric):
    said = answers(np.random.default_rng(0), 40, 2)
    none = np.arange(0)
    at = soft_scores.terms(said, metric, said.chances)
    assert soft_scores.value(said.take(none), metric, said.chances[none], at) is None


def test_without_a_row_that_could_be_of_the_other_class_there_is_nothing_to_rank():
    said = answers(np.random.default_rng(0), 40, 2)
    assert soft(said, "roc_auc", np.eye(2)[np.ones(40, dtype=int)]) is None
