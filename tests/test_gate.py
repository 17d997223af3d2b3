"""The statistics of the gate, on errors that are made up; its limits and rules are test_contest's."""

import numpy as np
import pytest

from workbench.gate import gate


def judged(ours: np.ndarray, theirs: np.ndarray, **more):
    difference = np.abs(theirs) - np.abs(ours)
    options = {"metric": "mae", "min_rows": 300, "margin": 0.0, "seed": 0} | more
    return gate(lambda rows: float(difference[rows].mean()), len(ours), **options)


def errors(seed: int, n: int = 500, size: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, n)


def test_a_clearly_better_challenger_passes_and_a_clearly_worse_one_is_named():
    assert judged(errors(0), errors(1, size=1.5)).verdict == "better"
    assert judged(errors(0, size=1.5), errors(1)).verdict == "worse"


def test_too_few_rows_cannot_tell():
    verdict = judged(errors(0, 299), errors(1, 299, size=9.0))
    assert (verdict.verdict, verdict.passed) == ("cannot tell", False)


def test_a_margin_asks_for_more():
    verdict = judged(errors(0), errors(1, size=1.5), margin=0.9)
    assert (verdict.verdict, verdict.passed) == ("not worse", False)


def test_the_same_rows_and_seed_give_the_same_verdict():
    assert judged(errors(0), errors(1)) == judged(errors(0), errors(1))


def test_an_equal_challenger_is_kept_out_nearly_always():
    """Two equal models of independent errors: 100 seeded gates, one-sided 2.5 % each, 4 sd of the binomial allowed."""
    passed = sum(judged(errors(2 * s), errors(2 * s + 1)).passed for s in range(100))
    assert passed <= 100 * 0.025 + 4 * np.sqrt(100 * 0.025 * 0.975)


def test_a_tolerance_lets_an_equal_challenger_be_not_worse():
    assert judged(errors(4), errors(5)).verdict == "cannot tell"
    assert judged(errors(4), errors(5), tolerance=0.3).verdict == "not worse"
    assert judged(errors(4, size=1.5), errors(5), tolerance=0.3).verdict == "worse"


def test_more_confidence_is_a_wider_interval():
    usual, sure = judged(errors(0), errors(1)), judged(errors(0), errors(1), confidence=0.999)
    assert sure.low < usual.low < usual.high < sure.high
    assert "(99.9 %: " in sure.sentence


def test_errors_that_go_together_widen_the_interval():
    days = np.repeat(np.random.default_rng(0).normal(0, 1, 25), 20)
    apart, together = judged(errors(0), errors(1)), judged(days, errors(1))
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_a_metric_that_is_undefined_here_cannot_tell():
    verdict = gate(lambda rows: float("nan"), 500, metric="roc_auc", min_rows=300, seed=0)
    assert (verdict.verdict, verdict.passed) == ("cannot tell", False)
    assert "roc_auc is undefined on these 500 rows" in verdict.sentence


@pytest.mark.parametrize("n", [300, 500])
def test_the_interval_holds_as_often_as_it_says(n):
    """Coverage of no difference, 200 seeded gates; binomial, 4 sd."""
    held = sum((v := judged(errors(2 * s, n), errors(2 * s + 1, n))).low <= 0 <= v.high for s in range(200))
    assert held >= 200 * 0.95 - 4 * np.sqrt(200 * 0.05 * 0.95)
