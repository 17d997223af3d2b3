"""A version as the service holds it."""

import json
import subprocess
import sys
import threading

import pytest

from tests.conftest import trips
from workbench import compiled, served_version
from workbench.answers import Answers
from workbench.ensemble import answer
from workbench.errors import CorruptVersion
from workbench.features import to_rows
from workbench.files import replace_whole, sha256
from workbench.golden import ATOL, RTOL
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.served_version import Predictor
from workbench.version_store import VersionStore

ROWS = to_rows(trips(30, seed=5)[["km", "stops", "to"]])


def store_of(settings):
    return VersionStore(settings.versions_dir)


def rewrite(store, name, change):
    """Change a file of the version, manifest and all, as another release or machine would have written it."""
    path = store.files.path("first", name)
    path.write_bytes(change(path.read_bytes()))
    manifest = json.loads(store.files.manifest("first").read_text())
    replace_whole(store.files.manifest("first"), json.dumps(manifest | {name: sha256(path)}).encode())


@pytest.mark.parametrize("workspace", ["trained", "trained_classifier"])
def test_a_served_version_says_what_the_loaded_one_says(workspace, request):
    store = store_of(request.getfixturevalue(workspace))
    served, loaded = store.serve("first"), store.load("first")
    ours, theirs = served.predictor.answer(ROWS), answer(loaded.estimator, loaded.schema, ROWS)
    assert served.predictor.compiled is not None
    assert served.schema == loaded.schema
    assert served.classes == tuple(map(str, theirs.classes or ()))
    assert ours.classes == theirs.classes
    if theirs.classes:
        assert ours.predictions == theirs.predictions
    else:
        assert ours.predictions == pytest.approx(theirs.predictions, rel=RTOL, abs=ATOL)


def test_serving_a_compiled_version_needs_no_scikit_learn_and_no_pandas(trained):
    code = (
        "import sys; from workbench.version_store import VersionStore; "
        f"served = VersionStore({str(trained.versions_dir)!r}).serve('first'); "
        "served.predictor.answer([{'km': 1.0, 'stops': 2, 'to': 'north'}]); "
        "print(sorted({'sklearn', 'pandas', 'joblib', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_metadata_say_how_rows_are_answered(trained):
    told = store_of(trained).metadata("first").compilation
    assert (told.why_not, told.rows, told.hostile) == (None, 400, 1_000)
    assert told.row_us < told.sklearn_row_us


def test_an_estimator_of_ones_own_is_served_by_scikit_learn_and_the_metadata_say_why(trained):
    model = trained.model.model_copy(update={"ensemble": "tests.bad_models:throws"})
    settings = trained.model_copy(
        update={"model": model, "retrain": trained.retrain.model_copy(update={"ensembles": ()})}
    )
    store = store_of(trained)
    ModelRetrainer(settings, store, MetricsStore.of(settings)).retrain("own", promote="never")
    told = store.metadata("own").compilation
    assert "is no pipeline of an encoder and a vote" in told.why_not
    assert told.sentence.startswith("answered by scikit-learn: ")
    served = store.serve("own")
    assert served.predictor.compiled is None
    assert not served.predictor.quick(1)
    assert len(served.predictor.answer(ROWS).predictions) == len(ROWS)


def test_a_version_of_an_older_release_is_served_by_scikit_learn(trained):
    store = store_of(trained)
    rewrite(store, "metadata.json", lambda told: json.dumps(json.loads(told) | {"compilation": None}).encode())
    assert store.serve("first").predictor.compiled is None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (compiled.FORM, lambda told: told.replace(b'"format":1', b'"format":9')),
        (compiled.FORM, lambda told: b"{}"),
        (compiled.FORM, lambda told: told.replace(b'"means":[', b'"means":[1e3,')),
        (compiled.NODES, lambda told: told[:200]),
    ],
    ids=["another format", "another form", "other answers", "cut off"],
)
def test_a_compiled_form_that_cannot_be_used_is_left_for_scikit_learn(trained, name, change, caplog):
    store = store_of(trained)
    rewrite(store, name, change)
    served = store.serve("first")
    assert served.predictor.compiled is None
    assert "first cannot be answered compiled; scikit-learn answers it" in caplog.text
    assert len(served.predictor.answer(ROWS).predictions) == len(ROWS)


def test_a_damaged_compiled_form_cannot_be_activated(trained):
    store = store_of(trained)
    path = store.files.path("first", compiled.NODES)
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(CorruptVersion, match=r"compiled_nodes\.npy has sha256"):
        store.activate("first", by="test", reason="damaged")


class Form:
    """Answers at once, and tells that it was asked."""

    def __init__(self):
        self.asked = []

    def answer(self, rows, aside=False):
        self.asked.append((len(rows), aside))
        return Answers([0.0] * len(rows))


def test_batches_from_the_crossover_on_are_answered_by_scikit_learn_which_is_loaded_once(trained):
    loaded, form, loads = store_of(trained).load("first"), Form(), []

    def load():
        loads.append(threading.get_ident())
        return loaded.estimator

    predictor = Predictor(loaded.schema, load, form, crossover_rows=20)
    assert predictor.answer(ROWS[:19]).predictions == [0.0] * 19
    assert not loads
    for _ in range(2):
        assert predictor.answer(ROWS[:20]).predictions == answer(loaded.estimator, loaded.schema, ROWS[:20]).predictions
    assert len(loads) == 1


def test_large_batches_are_answered_compiled_where_the_pickle_is_damaged(trained, caplog):
    store, form = store_of(trained), Form()
    store.files.path("first", "model.joblib").write_bytes(b"damaged")
    served = store.serve("first")
    predictor = Predictor(served.schema, lambda: store.load("first").estimator, form, crossover_rows=2)
    for _ in range(2):
        assert predictor.answer(ROWS).predictions == [0.0] * len(ROWS)
    assert caplog.text.count("cannot be loaded; it is not tried again") == 1


def test_rows_that_take_more_than_a_millisecond_are_not_quick(monkeypatch):
    ticks = iter(range(1_000))
    monkeypatch.setattr(served_version.time, "perf_counter", lambda: next(ticks) * 1e-4)
    predictor = Predictor(None, lambda: None, Form())
    assert not predictor.quick(1)
    predictor.warm([{}] * 5)
    assert predictor.quick(10)
    assert not predictor.quick(11)
    assert predictor.compiled.asked == [(5, True), *[(1, False)] * 5]
