import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

from tests.conftest import trips
from workbench.ensemble import answer, answer_frame, build, fit
from workbench.errors import SettingsError
from workbench.features import align, infer_schema

FRAME = trips(300)


def fitted(task: str, target: str, frame=FRAME, steps=None):
    schema = infer_schema(frame, task=task, target=target, features=["km", "stops", "to"])
    watch = (lambda *step: steps.append(step)) if steps is not None else (lambda *step: None)
    X = align(frame, schema)
    return fit(build("voting", schema, seed=0, threads=1), X, frame[target].to_numpy(), watch), schema, X


@pytest.mark.parametrize(
    ("task", "target"), [("regression", "minutes"), ("classification", "slow"), ("classification", "to")]
)
def test_fitting_member_by_member_is_fitting_the_vote(task, target):
    """scikit-learn's own fit of the same pipeline is the oracle."""
    schema = infer_schema(FRAME, task=task, target=target, features=["km", "stops"])
    X, y = align(FRAME, schema), FRAME[target].to_numpy()
    ours = fit(build("voting", schema, seed=0, threads=1), X, y)
    oracle = build("voting", schema, seed=0, threads=1).fit(X, y)
    assert (ours.predict(X) == oracle.predict(X)).all()


def test_the_ensemble_has_three_kinds_of_members_one_of_them_linear():
    model, _, _ = fitted("regression", "minutes")
    assert [name for name, _ in model[-1].estimators] == ["linear", "forest", "boosting"]
    assert isinstance(model[-1].named_estimators_["linear"].estimator, Ridge)


def test_every_member_is_a_step_of_progress():
    steps = []
    fitted("regression", "minutes", steps=steps)
    assert steps == [("linear", 0, 3), ("forest", 1, 3), ("boosting", 2, 3), ("model", 3, 3)]


def test_missing_values_unseen_categories_and_empty_columns_are_answered():
    frame = FRAME.assign(stops=np.nan)
    model, schema, _ = fitted("regression", "minutes", frame)
    rows = [{"km": None, "stops": None, "to": None}, {"km": 1e9, "stops": 2, "to": "nowhere"}]
    assert np.isfinite(answer(model, schema, rows).predictions).all()


def test_the_linear_member_extrapolates():
    model, schema, _ = fitted("regression", "minutes")
    near, far = answer(model, schema, [{"km": km, "stops": 1, "to": "north"} for km in (50, 200)]).predictions
    assert far > near + 50


def test_answers_of_a_classifier_carry_probabilities_by_class_and_plain_labels():
    model, schema, X = fitted("classification", "slow")
    said = answer_frame(model, schema, X)
    assert said.classes == [0, 1]
    assert all(type(label) is int for label in said.predictions)
    assert said.predictions == [int(p["1"] > p["0"]) for p in said.probabilities]
    assert said.predictions == model.predict(X).tolist()


def test_a_rare_class_is_still_predicted():
    rng = np.random.default_rng(7)
    frame = FRAME.assign(slow=((FRAME["km"] > 40) & (rng.random(len(FRAME)) < 0.3)).astype(int))
    assert frame["slow"].mean() < 0.1
    model, _, X = fitted("classification", "slow", frame)
    assert model.predict(X)[frame["slow"] == 1].mean() > 0.5


def test_a_factory_of_ones_own_is_used():
    schema = infer_schema(FRAME, task="regression", target="minutes", features=["km"])
    model = fit(build("sklearn.linear_model:Ridge", schema, seed=0, threads=1), align(FRAME, schema), FRAME["minutes"])
    assert isinstance(model, Ridge)
    assert not isinstance(model, Pipeline)


@pytest.mark.parametrize("kind", ["forest", "no.such:thing", "sklearn:nothing", "sklearn:__version__", "builtins:dict"])
def test_a_setting_that_names_no_estimator_is_an_error_that_names_it(kind):
    schema = infer_schema(FRAME, task="regression", target="minutes", features=["km"])
    with pytest.raises(SettingsError, match=r"\[model\] ensemble = "):
        build(kind, schema, seed=0, threads=1)
