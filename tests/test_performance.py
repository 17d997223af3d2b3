"""Worse than the holdout or not: verdicts on made-up errors. How often they are wrong is test_performance_proof's."""

import msgspec
import numpy as np
import pytest

from workbench import performance, performance_words
from workbench.holdout import Holdout, by_segment, measure
from workbench.performance import Rules, judge_stream, judge_window, since, worst_segment
from workbench.performance_result import Labels, Score
from workbench.scores import Sample

MAE = Rules("mae", (), 0.1, 0.0025)
CLASSES = ("no", "yes")


def errors(seed, n, size=1.0):
    return np.random.default_rng(seed).normal(0, size, n)


def minutes(error):
    return Sample("regression", np.zeros(len(error)), np.asarray(error, dtype=float))


def guesses(seed, n, hit=0.7, base=0.3):
    """A classifier that finds `hit` of the yes and is wrong in a tenth of the no; no probabilities."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < base).astype(int)
    said = np.where(y == 1, rng.random(n) < hit, rng.random(n) < 0.1).astype(int)
    return Sample("classification", y, said, CLASSES)


def held(sample, *names, **more):
    return measure(sample, names, times=["2026-01-01T00:00:00.000000Z"] * len(sample), in_order=True, **more)


HOLDOUT = held(minutes(errors(0, 1_300)), "mae", "rmse", "r2")


@pytest.mark.parametrize(("size", "state"), [(0.6, "ok"), (1.0, "ok"), (1.5, "alarm")])
def test_the_window_is_judged_against_the_holdout(size, state):
    (judged,) = judge_window(minutes(errors(1, 800, size)), HOLDOUT, MAE)
    assert judged.state == state
    assert (judged.rows, judged.metric) == (800, "mae")


def test_a_sure_but_small_loss_is_no_alarm():
    many = held(minutes(errors(0, 200_000)), "mae")
    (judged,) = judge_window(minutes(errors(1, 100_000, 1.05)), many, MAE)
    assert judged.p < 1e-9
    assert judged.state == "ok"
    (judged,) = judge_window(minutes(errors(1, 100_000, 1.05)), many, rules_of(min_loss=0.03))
    assert judged.state == "alarm"


def rules_of(**more):
    return Rules(**({"metric": "mae", "watch": (), "min_loss": 0.1, "false_alarm_rate": 0.0025} | more))


def test_the_limit_is_where_the_verdict_turns():
    (judged,) = judge_window(minutes(errors(1, 500)), HOLDOUT, MAE)
    worse = [judge_window(minutes(errors(1, 500) * f), HOLDOUT, MAE)[0] for f in np.linspace(1, 1.6, 61)]
    alarms = [j.value for j in worse if j.state == "alarm"]
    assert min(alarms) == pytest.approx(judged.limit, rel=0.05)


def test_a_small_holdout_makes_the_limit_wider():
    few = held(minutes(errors(0, 200)), "mae")
    near, far = (judge_window(minutes(errors(1, 800)), h, MAE)[0].chance for h in (HOLDOUT, few))
    assert far > 1.5 * near


def test_errors_that_depend_on_each_other_make_the_limit_wider():
    alike = held(minutes(np.repeat(errors(0, 130), 10)), "mae")
    near, far = (judge_window(minutes(errors(1, 800)), h, MAE)[0].chance for h in (HOLDOUT, alike))
    assert far > 2 * near


def test_a_holdout_tells_how_far_stretches_of_alike_rows_go_not_only_how_many_are_worth_one():
    """Each luck lasts 20 rows, so that 100 rows hold five. An oracle without a formula: simulation."""
    means = errors(0, 100_000).reshape(-1, 5)
    far = np.quantile(np.abs(means).mean(1), 0.999)
    before = held(minutes(np.repeat(errors(1, 1_000), 20)), "mae")
    now = minutes(np.repeat(errors(2, 5), 20))
    now = minutes(now.y_pred * far / np.abs(now.y_pred).mean())
    (judged,) = judge_window(now, before, MAE)
    assert 0.0003 < judged.p < 0.003


def test_the_fewer_rows_tell_of_the_error_the_wider_the_limit():
    """Student's t: a variance that few stretches tell is itself in doubt, more so the more far out single ones are."""
    points, weights = np.array([-1.0, 1.0, 9.0]), np.array([0.5, 0.45, 0.05])
    few, many = (performance._freedom(points, weights, m) for m in (20, 2_000))
    assert many == pytest.approx(100 * few)
    assert performance._freedom(points[:2], np.array([0.5, 0.5]), 20) > 1e6


def test_the_larger_the_window_beside_the_holdout_the_fewer_independent_looks():
    """The variance of the difference that moves on with the window, by simulation."""
    draw = np.random.default_rng(0)
    held_part = draw.normal(size=20_000) / np.sqrt(1_000)
    own = draw.normal(size=20_000) / np.sqrt(500)
    moving = own.var() / (own + held_part).var()
    assert performance.looks(500, 1_000) == pytest.approx(performance.LOOKS * moving, rel=0.05)
    assert performance.looks(10**9, 20) == 1.0


def test_rmse_and_r2_are_judged_too():
    wild = minutes(errors(1, 800, 1.6))
    rules = Rules("rmse", (), 0.1, 0.0025)
    assert judge_window(wild, HOLDOUT, rules)[0].state == "alarm"
    rng = np.random.default_rng(4)
    y = rng.normal(0, 3, 2_300)
    good = Sample("regression", y[:1_300], y[:1_300] + errors(5, 1_300))
    bad = Sample("regression", y[1_300:], y[1_300:] + errors(6, 1_000, 2.2))
    assert judge_window(bad, held(good, "r2", "mse"), Rules("r2", (), 0.1, 0.0025))[0].state == "alarm"


@pytest.mark.parametrize("name", ["f1", "recall", "accuracy"])
def test_a_classifier_that_finds_fewer_is_an_alarm(name):
    holdout = held(guesses(0, 1_300), "f1", "recall", "precision", "accuracy")
    rules = Rules(name, (), 0.05, 0.0025)
    assert judge_window(guesses(1, 1_000), holdout, rules)[0].state == "ok"
    assert judge_window(guesses(2, 1_000, hit=0.3), holdout, rules)[0].state == "alarm"


def test_a_recall_that_falls_is_found_where_the_class_has_become_rare_too():
    holdout = held(guesses(0, 1_300), "recall")
    rules = Rules("recall", (), 0.1, 0.0025)
    fallen, rare = (judge_window(guesses(3, 1_000, hit=h, base=0.1), holdout, rules)[0] for h in (0.2, 0.7))
    assert (fallen.state, rare.state) == ("alarm", "ok")
    assert fallen.loss > 1.5 * fallen.chance


def test_a_watched_metric_alarms_where_the_deciding_one_does_not():
    holdout = held(guesses(0, 1_300), "accuracy", "recall")
    rules = Rules("accuracy", ("recall",), 0.1, 0.0025)
    accuracy, recall = judge_window(guesses(2, 1_000, hit=0.58), holdout, rules)
    assert (accuracy.state, recall.state) == ("ok", "alarm")


def test_ones_own_metric_is_judged_by_its_bootstrapped_error():
    holdout = held(minutes(errors(0, 1_300)), "neg_median_absolute_error")
    rules = Rules("neg_median_absolute_error", (), 0.1, 0.0025)
    assert judge_window(minutes(errors(1, 800)), holdout, rules)[0].state == "ok"
    assert judge_window(minutes(errors(1, 800, 1.8)), holdout, rules)[0].state == "alarm"


def test_too_few_actuals_are_insufficient_not_ok():
    assert judge_window(minutes(errors(1, 10)), HOLDOUT, MAE)[0].state == "insufficient"
    wild = held(minutes(errors(0, 1_300) ** 5), "mae")
    blind = judge_window(minutes(errors(1, 60) ** 5), wild, MAE)[0]
    assert blind.state == "insufficient"
    needed = performance_words.needed(wild, MAE)
    assert needed is None or needed > 60


def test_a_perfect_holdout_and_one_error():
    perfect = held(minutes(np.zeros(200)), "mae")
    assert judge_window(minutes(np.zeros(100)), perfect, MAE)[0].state == "ok"
    assert judge_window(minutes(errors(0, 100)), perfect, MAE)[0].state == "alarm"


def test_a_large_loss_shows_before_the_window_is_full_of_it():
    late = minutes(np.concatenate([errors(1, 920), errors(2, 80, 3.0)]))
    found = judge_stream(late, HOLDOUT, MAE, 1_000)
    assert found.state == "alarm"
    assert found.rows < 200


def test_the_stream_needs_a_stretch_to_look_at():
    assert judge_stream(minutes(errors(1, 20)), HOLDOUT, MAE, 1_000) is None
    assert judge_stream(minutes(errors(1, 20)), HOLDOUT, MAE, 40) is None


@pytest.mark.parametrize(("metric", "followed"), [("mae", "mae"), ("r2", "mse"), ("neg_max_error", "mae")])
def test_what_is_no_mean_over_rows_is_followed_by_its_nearest_that_is(metric, followed):
    holdout = held(minutes(errors(0, 300)), "mae", "mse", "r2", "neg_max_error")
    assert performance.followed(metric, holdout) == followed


@pytest.mark.parametrize("at", [300, 1_500, 2_700])
def test_since_when_is_the_moment_of_the_change(at):
    sample = minutes(np.concatenate([errors(1, at), errors(2, 600, 2.0)]))
    assert since(sample, HOLDOUT, "mae") == pytest.approx(at, abs=40)


def test_the_segment_that_lost_most_is_named_and_no_other():
    groups = ["EV", "UA", "AA"] * 400
    holdout = held(minutes(errors(0, 1_200)), "mae", segment="carrier", groups=groups)
    size = np.where(np.array(groups) == "EV", 2.5, 1.0)
    worst = worst_segment(minutes(errors(1, 1_200) * size), groups, holdout, "mae")
    assert worst.startswith("EV (")
    assert worst_segment(minutes(errors(1, 1_200)), groups, holdout, "mae") is None


def test_segments_come_worst_first_and_those_of_a_few_rows_last():
    sample = minutes(np.concatenate([np.full(40, 2.0), np.full(40, 5.0), np.full(3, 99.0), np.full(40, 1.0)]))
    groups = ["b"] * 40 + ["c"] * 40 + [None] * 3 + ["a"] * 40
    found = by_segment(sample, ("mae",), groups)
    assert [(s.segment, s.n, s.metrics["mae"]) for s in found] == [
        ("c", 40, 5.0),
        ("b", 40, 2.0),
        ("a", 40, 1.0),
        ("missing", 3, 99.0),
    ]


def test_rare_segments_are_one_together():
    groups = [f"common {i % 20}" for i in range(400)] + [f"rare {i}" for i in range(50)]
    found = by_segment(minutes(errors(0, 450)), ("mae",), groups)
    assert {s.segment for s in found} == {f"common {i}" for i in range(20)} | {"others"}


def test_a_holdout_comes_back_from_json_as_it_was():
    holdout = held(guesses(0, 300), "f1", "accuracy", segment="x", groups=["a", "b", None] * 100)
    assert msgspec.json.decode(msgspec.json.encode(holdout), type=Holdout) == holdout


def test_the_sentence_names_metric_loss_moment_and_segment():
    judged = judge_window(minutes(errors(1, 800, 2.0)), HOLDOUT, MAE)[0]
    said = performance_words.verdict(judged, (1.5, 1.7), "2026-03-04T05:06:07.000000Z", "carrier EV (3, was 1)")
    assert said.startswith("mae 1.564")
    for part in ("(95 %: 1.5 to 1.7) over 800 actuals, holdout 0.", "% worse", "x noise", "since 2026-03-04 05:06"):
        assert part in said
    assert said.endswith("most in carrier EV (3, was 1)")


def test_what_is_missing_for_a_verdict_is_said():
    judged = judge_window(minutes(errors(1, 10)), HOLDOUT, MAE)[0]
    newest = Score(n=10, metrics={"mae": 1.2}, provisional=True)
    said = performance_words.insufficient(judged, 50, newest, Labels(sentence="few came"), HOLDOUT, MAE)
    assert said.startswith("insufficient: 10 mature actuals of 50 predictions, about ")
    assert said.endswith("are needed; few came")


def test_more_actuals_are_said_to_be_needed_than_there_are():
    # Few positives tell little of the recall, however many rows there are.
    holdout = held(guesses(0, 600), "recall")
    rules = Rules("recall", (), 0.1, 0.0025)
    rare = judge_window(guesses(1, 600, base=0.03), holdout, rules)[0]
    assert (rare.state, rare.rows) == ("insufficient", 600)
    assert performance_words.needed(holdout, rules) < 600 < performance_words.needed_beside(rare, holdout, rules)
    said = performance_words.insufficient(rare, 600, None, Labels(sentence=""), holdout, rules)
    assert said.endswith(f"about {performance_words.needed_beside(rare, holdout, rules):,} are needed")
