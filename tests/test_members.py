import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from tests.conftest import trips
from workbench import members
from workbench.ensemble import answer_frame, build, fit, takes_weights
from workbench.errors import SettingsError
from workbench.features import align, infer_schema

FRAME = trips(300)
SCHEMA = infer_schema(FRAME, task="regression", target="minutes", features=["km", "stops", "to"])
X, Y = align(FRAME, SCHEMA), FRAME["minutes"].to_numpy()


def knn():
    return KNeighborsRegressor()


def classifier():
    return DummyClassifier()


def hard():
    return LinearSVC()


def test_every_known_member_votes_in_either_task():
    for task, y in (("regression", Y), ("classification", FRAME["slow"].to_numpy())):
        vote = members.vote(members.KNOWN, task, seed=0, threads=1)
        assert [name for name, _ in vote.estimators] == list(members.KNOWN)
        vote.fit(X[["km", "stops"]], y)


def test_a_member_of_ones_own_votes_beside_the_known_ones():
    model = fit(build("voting", SCHEMA, names=("linear", "tests.test_members:knn"), seed=0, threads=1), X, Y)
    assert [type(m.estimator).__name__ for m in model[-1].estimators_] == ["Ridge", "KNeighborsRegressor"]
    assert np.isfinite(answer_frame(model, SCHEMA, X).predictions).all()


def test_members_without_probabilities_vote_hard():
    schema = infer_schema(FRAME, task="classification", target="slow", features=["km", "stops", "to"])
    names = ("linear", "tests.test_members:hard")
    model = fit(build("voting", schema, names=names, seed=0, threads=1), X, FRAME["slow"].to_numpy())
    said = answer_frame(model, schema, X)
    assert said.probabilities is None
    assert set(said.predictions) <= {0, 1}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("forrest",), "'forrest' is none of linear, forest"),
        (("linear", "linear"), "names one twice"),
        (("tests.test_members:classifier",), "returned a DummyClassifier, no regression estimator"),
        (("tests.test_members:nothing",), "is not an importable module:function"),
    ],
    ids=["unknown", "twice", "task", "missing"],
)
def test_a_member_that_cannot_vote_is_named(names, words):
    with pytest.raises(SettingsError, match=words):
        members.vote(names, "regression", seed=0, threads=1)


def test_smaller_halves_trees_and_steps_and_nothing_else_until_nothing_is_left():
    model = build("voting", SCHEMA, seed=0, threads=1)
    sizes = []
    while model is not None:
        told = model.get_params()
        sizes.append((told["vote__forest__n_estimators"], told["vote__boosting__max_iter"]))
        model = members.smaller(model)
    assert sizes[:3] == [(60, 150), (30, 75), (15, 37)]
    assert sizes[-1] == (members.SMALLEST, members.SMALLEST)


def test_the_iterations_of_a_solver_are_no_size():
    assert members.smaller(make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))) is None
    assert members.smaller(Ridge()) is None
    assert members.smaller(RandomForestRegressor(40)).n_estimators == 20


def test_weights_reach_every_member_and_equal_those_scikit_learn_would_give():
    counts = np.linspace(0.1, 1, len(Y))
    ours = fit(build("voting", SCHEMA, seed=0, threads=1), X, Y, weights=counts)
    oracle = build("voting", SCHEMA, seed=0, threads=1)
    oracle.fit(X, Y, vote__sample_weight=counts)
    np.testing.assert_allclose(ours.predict(X), oracle.predict(X), rtol=1e-12)
    assert not np.allclose(ours.predict(X), fit(build("voting", SCHEMA, seed=0, threads=1), X, Y).predict(X))


def test_who_takes_no_weights_is_known_before_the_fit():
    assert takes_weights(build("voting", SCHEMA, seed=0, threads=1))
    assert takes_weights(make_pipeline(StandardScaler(), Ridge()))
    assert not takes_weights(build("voting", SCHEMA, names=("linear", "tests.test_members:knn"), seed=0, threads=1))
    assert not takes_weights(knn())
