"""The compiled form against scikit-learn, over made-up data, schemas and ensembles."""

import mmap
from functools import partial

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor, VotingRegressor
from sklearn.linear_model import Lasso, Ridge
from sklearn.pipeline import Pipeline

from workbench import compiled, members, parity
from workbench.compiling import Uncompilable, compile_ensemble
from workbench.ensemble import answer, ask, build, fit
from workbench.features import align, infer_schema, to_frame, to_rows
from workbench.golden import ATOL, RTOL
from workbench.shelf import Shelf

TEXTS = ("a", "b", "", "\u00e9", "nan", "0")


def frame_of(rng, n, numbers, booleans, texts, missing):
    """Some columns of each kind, with a share of missing values."""
    columns = {}
    for i in range(numbers):
        columns[f"n{i}"] = rng.normal(size=n) * 10.0 ** rng.integers(-3, 6)
    for i in range(booleans):
        columns[f"b{i}"] = rng.random(n) < 0.3
    for i in range(texts):
        columns[f"t{i}"] = rng.choice(TEXTS[: 2 + i], n).astype(object)
    frame = pd.DataFrame(columns).astype(object)
    return frame.mask(rng.random(frame.shape) < missing, None).infer_objects()


def targets(rng, frame, classes):
    score = rng.normal(size=len(frame))
    for name in frame:
        score += pd.factorize(frame[name])[0] % 7
    if classes == 0:
        return score * 7
    return np.array(["low", "mid", "top"])[pd.qcut(score, classes, labels=False)]


def fitted(rng, *, names, classes=0, n=120, numbers=2, booleans=1, texts=2, missing=0.1, size=0.1):
    """A schema, its rows, and an ensemble that learnt them."""
    frame = frame_of(rng, n, numbers, booleans, texts, missing)
    frame["y"] = targets(rng, frame, classes)
    task = "classification" if classes else "regression"
    schema = infer_schema(frame, task=task, target="y")
    X = align(frame, schema)
    estimator = build("voting", schema, names=names, seed=int(rng.integers(99)), threads=1, size=size)
    return schema, X, fit(estimator, X, frame["y"].to_numpy())


@given(
    seed=st.integers(0, 10_000),
    names=st.lists(st.sampled_from(members.KNOWN), min_size=1, max_size=5, unique=True),
    classes=st.sampled_from([0, 2, 3]),
    shape=st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3)).filter(any),
    missing=st.sampled_from([0.0, 0.2]),
)
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def test_any_ensemble_of_any_schema_says_what_scikit_learn_says(seed, names, classes, shape, missing):
    rng = np.random.default_rng(seed)
    numbers, booleans, texts = shape
    schema, X, estimator = fitted(
        rng, names=names, classes=classes, numbers=numbers, booleans=booleans, texts=texts, missing=missing
    )
    ours = compile_ensemble(estimator, schema)
    for rows in (to_rows(X), parity.hostile_rows(ours, schema, X, rng)):
        finite = [r for r in rows if all(v is None or isinstance(v, str) or abs(v) < 1e15 for v in r.values())]
        np.testing.assert_allclose(
            ours.outputs(finite), ask(estimator, schema, to_frame(finite, schema)), rtol=RTOL, atol=ATOL
        )
        alone = [ours.answer([row]).predictions[0] for row in finite[:20]]
        theirs = answer(estimator, schema, finite[:20]).predictions
        assert alone == (theirs if classes else pytest.approx(theirs, rel=RTOL, abs=ATOL))


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_answers_have_the_form_that_the_library_gives_them(classes):
    schema, X, estimator = fitted(np.random.default_rng(1), names=members.KNOWN, classes=classes)
    rows = to_rows(X.head(30))
    ours, theirs = compile_ensemble(estimator, schema).answer(rows), answer(estimator, schema, rows)
    assert ours.classes == theirs.classes
    if classes:
        assert ours.predictions == theirs.predictions
        assert [list(p) for p in ours.probabilities] == [list(p) for p in theirs.probabilities]
    else:
        assert ours.predictions == pytest.approx(theirs.predictions, rel=RTOL)
        assert ours.probabilities is None


def test_more_rows_than_are_walked_together_are_answered_as_each_alone():
    schema, X, estimator = fitted(np.random.default_rng(2), names=members.KNOWN, n=150)
    ours, rows = compile_ensemble(estimator, schema), to_rows(X)
    alone = [ours.outputs([row])[0].tolist() for row in rows]
    assert ours.outputs(rows).tolist() == ours.outputs(rows, aside=True).tolist() == alone
    assert ours.outputs([]).shape == (0, 1)


@pytest.mark.parametrize(("names", "refuses"), [(("forest",), True), (("linear",), False), (("boosting",), False)])
def test_numbers_beyond_the_members_precision_are_refused_as_scikit_learn_refuses_them(names, refuses):
    frame = pd.DataFrame({"x": np.linspace(0, 1e-20, 60), "y": np.arange(60.0)})
    schema = infer_schema(frame, task="regression", target="y")
    X = align(frame, schema)
    estimator = fit(build("voting", schema, names=names, seed=0, threads=1, size=0.1), X, frame["y"].to_numpy())
    ours = compile_ensemble(estimator, schema)
    for ask_one in (ours.answer, lambda rows: answer(estimator, schema, rows)):
        if refuses:
            with np.errstate(over="ignore"), pytest.raises(ValueError, match=r"infinity|too large"):
                ask_one([{"x": 1e30}])
        else:
            assert len(ask_one([{"x": 1e30}]).predictions) == 1


def contents(folder):
    return lambda name: (folder / name).read_bytes()


def test_saved_and_read_it_answers_the_same_and_two_processes_share_one_copy(tmp_path):
    schema, X, estimator = fitted(np.random.default_rng(3), names=members.KNOWN, classes=3)
    ours = compile_ensemble(estimator, schema)
    ours.save(tmp_path)
    array = partial(Shelf(tmp_path / "shelf").array, version_id="v-1")
    for again in (compiled.read(contents(tmp_path)), *(compiled.read(contents(tmp_path), array) for _ in range(2))):
        assert again.answer(to_rows(X)) == ours.answer(to_rows(X))
    memory = again.nodes
    while isinstance(memory, np.ndarray):
        memory = memory.base
    assert isinstance(memory, mmap.mmap)
    assert len(list((tmp_path / "shelf").iterdir())) == 2
    Shelf(tmp_path / "shelf").keep(["v"])
    assert not list((tmp_path / "shelf").iterdir())
    assert again.answer(to_rows(X)) == ours.answer(to_rows(X))


def test_a_shelf_without_room_leaves_each_process_its_own_copy(tmp_path):
    (tmp_path / "shelf").write_text("no folder")
    ours = np.arange(5.0)
    np.save(tmp_path / "a.npy", ours)
    assert (Shelf(tmp_path / "shelf").array((tmp_path / "a.npy").read_bytes(), "v") == ours).all()


def test_a_form_of_another_release_is_not_read(tmp_path):
    schema, _, estimator = fitted(np.random.default_rng(3), names=("linear",))
    compile_ensemble(estimator, schema).save(tmp_path)
    form = (tmp_path / compiled.FORM).read_text()
    (tmp_path / compiled.FORM).write_text(form.replace('"format":1', '"format":2'))
    with pytest.raises(ValueError, match="format 2; this release reads 1"):
        compiled.read(contents(tmp_path))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda e: e[-1], "VotingRegressor is no pipeline"),
        (lambda e: Pipeline([e.steps[0], ("vote", Ridge())]), "last step is a Ridge"),
        (lambda e: Pipeline([("encode", Ridge()), e.steps[-1]]), "first step is a Ridge"),
        (lambda e: e.set_params(vote__weights=[1, 2]), "no vote of equal members"),
    ],
)
def test_what_is_of_another_shape_is_told(change, told):
    schema, _, estimator = fitted(np.random.default_rng(4), names=("linear", "forest"))
    with pytest.raises(Uncompilable, match=told):
        compile_ensemble(change(estimator), schema)


@pytest.mark.parametrize(
    ("member", "told"), [(Lasso(), "member Lasso"), (GradientBoostingRegressor(init=Ridge()), "GradientBoosting")]
)
def test_a_member_of_ones_own_is_told(member, told):
    schema, X, estimator = fitted(np.random.default_rng(5), names=("linear",))
    y = np.arange(float(len(X)))
    own = Pipeline(
        [estimator.steps[0], ("vote", VotingRegressor([("own", member)]).fit(estimator[:-1].transform(X), y))]
    )
    with pytest.raises(Uncompilable, match=told):
        compile_ensemble(own, schema)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"means": [0.0]}, "numbers"),
        ({"indicators": [99]}, "indicators"),
        ({"width": 2}, "columns"),
        ({"members": []}, "members"),
        ({"roots": []}, "trees"),
        ({"weights": []}, "weights"),
    ],
)
def test_tables_that_do_not_belong_together_are_not_read(tmp_path, change, told):
    schema, _, estimator = fitted(np.random.default_rng(6), names=("linear", "forest"))
    right = compile_ensemble(estimator, schema)
    right.save(tmp_path)
    (tmp_path / compiled.FORM).write_bytes(msgspec.json.encode(msgspec.structs.replace(right.form, **change)))
    with pytest.raises(ValueError, match=f"do not belong together: .*{told}"):
        compiled.read(contents(tmp_path))


@pytest.mark.parametrize(("field", "value", "told"), [("feature", 999, "features"), ("next", 10**9, "children")])
def test_trees_that_lead_nowhere_are_not_read(tmp_path, field, value, told):
    schema, _, estimator = fitted(np.random.default_rng(6), names=("forest",))
    right = compile_ensemble(estimator, schema)
    right.save(tmp_path)
    nodes = right.nodes.copy()
    nodes[field][0] = value
    np.save(tmp_path / compiled.NODES, nodes)
    with pytest.raises(ValueError, match=told):
        compiled.read(contents(tmp_path))
