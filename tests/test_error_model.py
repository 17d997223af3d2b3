"""What is learnt of a model's error on its holdout, and what it says of rows unlike those."""

from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.shifting_errors import ACCURACY, F1, LOG_LOSS, MAE, RMSE, Stream, kinds, late, minutes, schema_of
from workbench.error_model import LEAST_HOLDOUT, ErrorModel, estimated, learn
from workbench.records import METRICS
from workbench.scores import Sample, values

pytestmark = pytest.mark.usefixtures("one_thread")


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def learnt(stream: Stream, n: int = 1_000, seed: int = 0) -> ErrorModel:
    frame, said = stream.draw(rng(seed), n)
    return learn(frame, said, stream.metric, schema_of(frame, said.task))


def forecast(model: ErrorModel, frame: pd.DataFrame, said: Sample):
    return model.forecast(said, model.read(frame, said))


def guesses(frame: pd.DataFrame, said: Sample) -> tuple[pd.DataFrame, Sample]:
    """The same answers without their probabilities."""
    return frame, Sample(said.task, said.y_true, said.y_pred, said.classes)


@pytest.fixture(scope="module")
def models() -> dict[str, ErrorModel]:
    return {stream.name: learnt(stream) for stream in (MAE, RMSE, F1, LOG_LOSS, ACCURACY)}


@pytest.mark.parametrize("task", METRICS)
def test_whatever_decides_a_metric_is_estimated_that_is_known_how(task):
    frame, said = minutes(rng(0), 150) if task == "regression" else late(rng(0), 150)
    for metric in {estimated(task, name) for name in (*METRICS[task], "neg_max_error")}:
        model = learn(frame, said, metric, schema_of(frame, task))
        low, high = model.interval(forecast(model, frame, said))
        assert low < forecast(model, frame, said).value < high, metric


@pytest.mark.parametrize("stream", [MAE, RMSE, F1, LOG_LOSS, ACCURACY], ids=lambda s: s.name)
def test_on_its_own_holdout_it_says_about_what_scikit_learn_does(models, stream):
    frame, said = stream.draw(rng(0), 1_000)
    model = models[stream.name]
    assert model.baseline == values(said, (stream.metric,))[stream.metric]
    assert forecast(model, frame, said).value == pytest.approx(model.baseline, rel=0.1)


@pytest.mark.parametrize("stream", [MAE, F1, ACCURACY], ids=lambda s: s.name)
def test_actuals_are_not_looked_at(models, stream):
    frame, said = stream.draw(rng(1), 200)
    other = Sample(said.task, said.y_true[::-1], said.y_pred, said.classes, said.chances)
    a, b = (forecast(models[stream.name], frame, s) for s in (said, other))
    assert (a.value, a.ahead.tolist()) == (b.value, b.ahead.tolist())


def test_the_rows_that_err_most_are_told_from_the_others(models):
    frame, said = minutes(rng(1), 2_000)
    expected, lost = forecast(models["MAE"], frame, said).expected, np.abs(said.y_true - said.y_pred)
    worst = expected > np.quantile(expected, 0.8)
    assert lost[worst].mean() > 1.8 * lost[~worst].mean()
    assert expected[worst].mean() == pytest.approx(lost[worst].mean(), rel=0.2)


def test_the_further_the_inputs_are_from_the_holdouts_the_less_sure_it_is(models):
    told = [forecast(models["MAE"], *minutes(rng(1), 500, shift)) for shift in (0.0, 2.0, 6.0)]
    assert told[0].learnt > told[1].learnt > told[2].learnt
    low, high = models["MAE"].interval(told[2])
    assert high / low > 1.5


def test_where_inputs_are_new_what_was_learnt_depends_on_the_rows_it_was_learnt_from(models):
    told = [forecast(models["MAE"], *minutes(rng(1), 500, shift)) for shift in (0.0, 1.0, 2.0)]
    assert 4 * told[0].shaken < told[1].shaken < told[2].shaken
    # By the luck of rows alone the interval would be far too narrow there.
    low, high = models["MAE"].interval(told[2])
    narrow = models["MAE"].interval(replace(told[2], shaken=0.0))
    assert high - low > 1.3 * (narrow[1] - narrow[0])


@pytest.mark.parametrize("stream", [MAE, F1, ACCURACY], ids=lambda s: s.name)
def test_19_of_20_intervals_hold_what_the_actuals_say(stream):
    held = 0
    for seed in range(20):
        model = learnt(stream, 600, seed)
        frame, said = stream.draw(rng(2, seed), 500)
        low, high = model.interval(forecast(model, frame, said))
        held += low <= values(said, (stream.metric,))[stream.metric] <= high
    # Binomial: of 20, fewer come by chance once in a thousand times.
    assert held >= 16


def test_of_classes_without_probabilities_the_accuracy_is_estimated():
    frame, said = guesses(*late(rng(0), 1_000))
    model = learn(frame, said, "f1", schema_of(frame, said.task))
    assert (model.metric, model.by_chances) == ("accuracy", False)
    frame, said = guesses(*late(rng(1), 1_000, shift=-1.0))
    found = forecast(model, frame, said)
    assert found.value == pytest.approx(values(said, ("accuracy",))["accuracy"], rel=0.1)
    assert found.surprise(said).mean() == pytest.approx(found.value - np.mean(said.y_true == said.y_pred))


def wider(said: Sample) -> Sample:
    """Answers that know a third class, which the first 100 rows get."""
    chances = np.column_stack([np.zeros(len(said)), said.chances])
    chances[:100] = [0.8, 0.1, 0.1]
    return Sample("classification", said.y_true + 1, chances.argmax(1), ("-1", "0", "1"), chances)


@pytest.mark.parametrize("metric", ["f1", "recall", "roc_auc", "log_loss", "accuracy"])
def test_with_a_class_that_the_holdout_had_not_there_still_is_an_estimate(metric):
    frame, said = late(rng(0), 600)
    model = learn(frame, said, metric, schema_of(frame, said.task))
    found = forecast(model, frame, wider(said))
    assert np.isfinite(found.value)
    assert np.isfinite(model.interval(found)).all()
    assert np.isfinite(found.surprise(wider(said))).all()


def test_a_class_that_the_holdout_had_not_is_expected_of_no_row_and_as_an_actual_a_surprise():
    frame, said = late(rng(0), 600)
    model = learn(frame, said, "accuracy", schema_of(frame, said.task))
    known = wider(said)
    found = forecast(model, frame, known)
    assert (found.expected[:100] == 1).all()
    known.y_true[100:] = 0
    assert (found.surprise(known)[100:] == 1 - found.expected[100:]).all()


def test_inputs_that_the_holdout_never_saw_are_read(models):
    frame, said = minutes(rng(1), 200)
    strange = frame.assign(load=np.nan, size=np.inf, age=1e300, city="Nowhere")
    for changed in (strange, strange.assign(city=None), frame.assign(size=-np.inf)):
        found = forecast(models["MAE"], changed, said)
        assert np.isfinite(found.expected).all()
        assert np.isfinite(models["MAE"].interval(found)).all()


def test_a_feature_that_was_always_missing_or_always_the_same_teaches_nothing():
    frame, said = minutes(rng(0), 300)
    frame = frame.assign(age=np.nan, noise=3.0, city=None)
    model = learn(frame, said, "mae", schema_of(minutes(rng(0), 300)[0], said.task))
    assert np.isfinite(forecast(model, frame.assign(age=1.0, noise=np.nan), said).value)


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_model_that_errs_by_the_same_on_every_row_is_expected_to_do_so(value):
    frame, said = minutes(rng(0), 300)
    said = Sample("regression", said.y_pred + value, said.y_pred)
    model = learn(frame, said, "mae", schema_of(frame, "regression"))
    assert forecast(model, frame, said).value == pytest.approx(value, abs=1e-6)


def test_what_cannot_be_learnt_from_is_none():
    frame, said = late(rng(0), 300)
    schema = schema_of(frame, said.task)
    few, one = np.arange(LEAST_HOLDOUT - 1), said.y_true == 1
    assert learn(frame.iloc[few], said.take(few), "f1", schema) is None
    assert learn(frame[one], said.take(one), "f1", schema) is None
    enough = np.arange(LEAST_HOLDOUT)
    assert learn(frame.iloc[enough], said.take(enough), "f1", schema) is not None


@pytest.mark.parametrize("draw", [minutes, late, kinds])
def test_the_same_holdout_teaches_the_same_and_it_comes_back_from_disk_as_it_was(draw, tmp_path):
    frame, said = draw(rng(0), 300)
    metric = estimated(said.task, "mae")
    one, two = (learn(frame, said, metric, schema_of(frame, said.task)) for _ in range(2))
    joblib.dump(one, tmp_path / "model.joblib")
    found = [forecast(m, frame, said).expected.tolist() for m in (one, two, joblib.load(tmp_path / "model.joblib"))]
    assert found[0] == found[1] == found[2]
