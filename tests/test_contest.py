"""The rules of the contest, on answers that are made up."""

import numpy as np
import pytest

from workbench.answers import Answers
from workbench.contest import Contest, Speed
from workbench.sections import RetrainSettings

RULES = RetrainSettings(gate_min_rows=300)
SAME = (Speed(5.0, 1.0), Speed(5.0, 1.0))
RNG = np.random.default_rng(0)
Y = RNG.normal(0, 10, 500)
NOISE = RNG.normal(0, 1, 500)


def said(error) -> Answers:
    return Answers(list(Y + error))


def contest(**more) -> Contest:
    rules = RULES.model_copy(update=more.pop("rules", {}))
    return Contest("regression", "mae", rules, **more)


def met(ours, theirs, *, speeds=SAME, segments=(), **more):
    return contest(**more).meet(Y, said(ours), said(theirs), speeds=speeds, segments=segments)


def test_the_best_on_select_wins_whichever_way_the_metric_counts():
    assert contest().best({"a": 3.0, "b": 2.0, "c": None}) == "b"
    assert Contest("classification", "f1", RULES).best({"a": 0.3, "b": 0.2}) == "a"
    assert contest().best({"a": None, "b": None}) == "a"


def test_a_challenger_that_is_better_on_the_same_rows_passes():
    verdict = met(NOISE, 1.3 * NOISE)
    assert (verdict.verdict, verdict.passed, verdict.limits) == ("better", True, ())


@pytest.mark.parametrize(
    ("limit", "speeds", "words"),
    [
        ({"max_row_ms": 4.0}, SAME, "one row takes 5 ms, allowed are 4"),
        ({"max_artifact_mb": 0.5}, SAME, "its file has 1 MiB, allowed are 0.5"),
    ],
    ids=["time", "size"],
)
def test_no_advantage_outweighs_a_limit(limit, speeds, words):
    verdict = met(NOISE, 2 * NOISE, speeds=speeds, rules=limit)
    assert (verdict.verdict, verdict.passed) == ("better", False)
    assert verdict.limits == (words,)
    assert words in verdict.sentence


def test_a_segment_that_would_be_much_worse_keeps_a_better_challenger_out():
    small = np.arange(500) < 60
    segments = np.where(small, "late", "usual")
    verdict = met(np.where(small, 3.0, 0.3) * NOISE, NOISE, segments=segments)
    assert (verdict.verdict, verdict.passed) == ("better", False)
    assert verdict.limits[0].startswith("segment late is ")
    assert met(0.8 * NOISE, NOISE, segments=segments).passed


def test_a_tiny_segment_says_nothing():
    small = np.arange(500) < 10
    assert met(np.where(small, 9.0, 0.3) * NOISE, NOISE, segments=np.where(small, "rare", "usual")).passed


def test_for_speed_an_equal_challenger_passes_if_it_is_faster_and_a_slower_one_never():
    fast, slow = (Speed(2.0, 1.0), Speed(5.0, 1.0)), (Speed(5.0, 1.0), Speed(5.0, 1.0))
    equal = NOISE[::-1]
    assert not met(equal, NOISE, speeds=fast).passed
    assert met(NOISE, NOISE, speeds=fast, for_speed=True).passed
    kept_out = met(0.5 * NOISE, NOISE, speeds=slow, for_speed=True)
    assert (kept_out.verdict, kept_out.passed) == ("better", False)
    assert "the live version's takes 5" in kept_out.sentence
    assert not met(1.5 * NOISE, NOISE, speeds=fast, for_speed=True).passed


def test_classes_that_only_one_of_the_two_knows_are_compared_all_the_same():
    y = np.array(["a", "b"] * 200, dtype=object)
    ours = Answers(list(y), [{"a": 0.9, "b": 0.1} if v == "a" else {"a": 0.1, "b": 0.9} for v in y])
    theirs = Answers(["a", "c"] * 200, [{"a": 0.5, "c": 0.5}] * 400)
    verdict = Contest("classification", "accuracy", RULES).meet(y, ours, theirs, speeds=SAME)
    assert verdict.verdict == "better"


def test_a_candidate_that_does_not_know_a_class_is_not_spared_its_rows():
    y = np.array(["a", "b"] * 40 + ["c"] * 20, dtype=object)
    right = [{"a": 0.8, "b": 0.2} if v == "a" else {"a": 0.2, "b": 0.8} for v in y]
    knows_two, knows_three = Answers(["a"] * 100, right), Answers(["a"] * 100, [{**r, "c": 0.0} for r in right])
    for metric in ("brier", "log_loss", "f1"):
        told = Contest("classification", metric, RULES).scores(y, {"two": knows_two, "three": knows_three})
        assert told["two"] == told["three"]


def test_a_metric_of_ones_own_decides_like_any_other():
    own = Contest("regression", "neg_median_absolute_error", RULES)
    assert own.meet(Y, said(NOISE), said(2 * NOISE), speeds=SAME).passed
    assert own.best({"a": -3.0, "b": -2.0}) == "b"
