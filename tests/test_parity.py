import msgspec
import numpy as np
import pytest

from tests.test_compiled import fitted
from workbench import members, parity
from workbench.compiled import Compiled
from workbench.compiling import compile_ensemble


@pytest.fixture(scope="module")
def learnt():
    return fitted(np.random.default_rng(0), names=members.KNOWN, classes=0, n=200)


def told_of(monkeypatch, learnt, change):
    """What the proof says of an ensemble whose compiled form was changed."""
    schema, X, estimator = learnt
    right = compile_ensemble(estimator, schema)
    monkeypatch.setattr(parity, "compile_ensemble", lambda *_: change(right))
    return parity.compiled_and_proven(estimator, schema, X, seed=0)


def with_form(compiled, **changed):
    form = msgspec.structs.replace(compiled.form, **changed)
    return Compiled(form, compiled.nodes, np.zeros((0, 1)))


def with_thresholds(compiled, change):
    nodes = compiled.nodes.copy()
    inner = nodes["feature"] >= 0
    nodes["at"][inner] = change(nodes["at"][inner])
    return Compiled(compiled.form, nodes, np.zeros((0, 1)))


def test_the_right_form_is_proven_and_timed(learnt):
    schema, X, estimator = learnt
    compiled, told = parity.compiled_and_proven(estimator, schema, X, seed=0)
    assert compiled is not None
    assert (told.why_not, told.rows, told.hostile) == (None, 200, 1_000)
    assert 0 < told.row_us < told.sklearn_row_us
    assert told.crossover_rows in (None, *parity.SIZES)
    assert told.sentence.startswith("compiled, equal to scikit-learn on 200 training rows and 1000 hostile ones")


@pytest.mark.parametrize(
    "change",
    [
        # What single training rows would not show: one bit of a threshold, either way.
        lambda c: with_thresholds(c, lambda at: np.nextafter(at.astype(np.float32), np.float32(np.inf)).astype(float)),
        lambda c: with_thresholds(c, lambda at: np.nextafter(at.astype(np.float32), np.float32(-np.inf)).astype(float)),
        lambda c: with_form(c, means=[m * (1 + 1e-8) + 1e-8 for m in c.form.means]),
        lambda c: with_form(c, medians=[m + 1 for m in c.form.medians]),
        lambda c: with_form(c, weights=[w * (1 + 1e-7) for w in c.form.weights]),
        lambda c: with_form(c, texts=tuple(msgspec.structs.replace(t, unseen=t.missing + 1) for t in c.form.texts)),
    ],
    ids=["above", "below", "means", "medians", "weights", "unseen"],
)
def test_a_form_that_is_wrong_by_little_is_not_used(monkeypatch, learnt, change):
    compiled, told = told_of(monkeypatch, learnt, change)
    assert compiled is None
    assert "gives other answers to" in told.why_not
    assert told.sentence.startswith("answered by scikit-learn: its compiled form gives other answers")


def test_one_that_answers_what_scikit_learn_refuses_is_not_used(monkeypatch, learnt):
    """Scales a million times larger bring everything within float32."""
    compiled, told = told_of(monkeypatch, learnt, lambda c: with_form(c, scales=[s * 1e9 for s in c.form.scales]))
    assert (compiled, told.rows) == (None, 0)


def test_hostile_rows_are_what_they_are_called(learnt):
    schema, X, estimator = learnt
    rows = parity.hostile_rows(compile_ensemble(estimator, schema), schema, X, np.random.default_rng(0))
    assert len(rows) == parity.HOSTILE
    assert sum(None in row.values() for row in rows) > 200
    assert sum(row["t0"] in parity.STRANGE for row in rows) > 50
    assert sum(abs(row["n0"] or 0) > 1e14 for row in rows) > 5
    known = set(X["n0"])
    assert sum(row["n0"] is not None and row["n0"] not in known for row in rows) > 100


def test_the_crossover_is_where_scikit_learn_begins_to_win(monkeypatch, learnt):
    schema, _, estimator = learnt
    compiled = compile_ensemble(estimator, schema)
    rows = [{}] * 10
    for slower_from, found in [(1_000, 1_000), (100, 100), (10_000, 10_000), (100_000, None)]:
        monkeypatch.setattr(
            parity,
            "_timed",
            lambda way, asked, slower_from=slower_from: (
                (len(asked) >= slower_from) * 2.0 if getattr(way, "keywords", {}) else 1.0
            ),
        )
        assert parity.crossover(compiled, estimator, schema, rows) == found
