"""Who competes, and what becomes of the winner: through ModelRetrainer, on small workspaces."""

import time

import msgspec
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from tests.conftest import trips
from tests.test_retrainer import kinds, retrainer
from tests.test_training_data import label
from workbench import steering, switching
from workbench.blocks import cut, seen_until, weights
from workbench.candidates import past, row_ms
from workbench.errors import DataError
from workbench.metrics_store import MetricsStore
from workbench.policy import LOST, WENT_BACK
from workbench.records import Event
from workbench.training_data import gather
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore


class Slow(RegressorMixin, BaseEstimator):
    """With half of its trees it answers in a quarter of the time. It waits, which a busy machine hardly prolongs."""

    def __init__(self, n_estimators=64):
        self.n_estimators = n_estimators

    def fit(self, X, y, sample_weight=None):
        self.model_ = Ridge().fit(X[["km", "stops"]], y, sample_weight)
        return self

    def predict(self, X):
        time.sleep(8e-6 * self.n_estimators**2)
        return self.model_.predict(X[["km", "stops"]])


class Stubborn(Slow):
    """Far slower, and with nothing to halve."""

    def __init__(self, size=100):
        self.size = size

    @property
    def n_estimators(self):
        return self.size


def slow():
    return Slow()


def stubborn():
    return Stubborn()


def numbers(X):
    return X[["km", "stops"]]


def knn():
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(FunctionTransformer(numbers), KNeighborsRegressor())


def with_retrain(settings, **changes):
    return settings.model_copy(update={"retrain": settings.retrain.model_copy(update=changes)})


def with_model(settings, **changes):
    return settings.model_copy(update={"model": settings.model.model_copy(update=changes)})


def worlds(settings):
    """The world turns (4 minutes a km) and a version learns it; then the old world comes back."""
    label(settings, trips(300, seed=1, start="2026-02-01", minutes_a_km=4.0))
    assert retrainer(settings).retrain("second").promoted
    label(settings, trips(150, seed=2, start="2026-03-01"))


def test_when_the_old_world_comes_back_so_does_its_version_and_nothing_is_published(trained):
    worlds(trained)
    outcome = retrainer(with_retrain(trained, recipes=("recent",), recent_days=25.0)).retrain(trigger="performance")
    store, last = VersionStore(trained.versions_dir), MetricsStore.of(trained).events()[-1]
    assert (outcome.version_id, outcome.promoted) == ("first", True)
    assert (store.live_id(), store.ids()) == ("first", ["first", "second"])
    assert (last.kind, last.version) == (WENT_BACK, "first")
    assert "an old version is the best again: first, live before, has mae " in last.reason
    assert last.data["gate"]["verdict"] == "better"
    assert not list((trained.versions_dir / "models").glob("2*"))


def test_an_old_version_is_left_for_a_new_one_only_where_that_is_surely_better(trained):
    """Both have learnt the very world the newest rows are of; the new one from more of it."""
    worlds(trained)
    label(trained, trips(300, seed=3, start="2026-03-10"))
    outcome = retrainer(with_retrain(trained, recipes=("everything", "recent"), recent_days=12.0)).retrain()
    told = MetricsStore.of(trained).events()[-1].data["candidates"]
    assert (outcome.version_id, outcome.promoted) == ("first", True)
    assert abs(min(told["recent"], told["everything"]) / told["version first"] - 1) < 0.2


def test_a_version_that_was_gone_back_to_has_been_chosen_from_those_rows(trained):
    worlds(trained)
    retrainer(with_retrain(trained, recipes=("recent",), recent_days=25.0)).retrain()
    metadata = VersionStore(trained.versions_dir).metadata("first")
    events = MetricsStore.of(trained).events()
    assert seen_until(metadata) < "2026-02" < "2026-03" < seen_until(metadata, events)


def test_who_names_a_version_gets_one(trained):
    worlds(trained)
    outcome = retrainer(trained).retrain("third")
    assert outcome.version_id == "third"
    assert "version first" not in outcome.metadata.candidates


def test_a_pinned_version_is_not_left_for_an_old_one(trained):
    worlds(trained)
    steering.pin(MetricsStore.of(trained), "second", by="test", reason="audit")
    outcome = retrainer(with_retrain(trained, recipes=("recent",), recent_days=25.0)).retrain()
    assert (outcome.promoted, VersionStore(trained.versions_dir).live_id()) == (False, "second")
    assert "pinned to second: audit" in outcome.sentence
    assert kinds(trained)[-1] == "kept_out"


def test_neither_kept_out_versions_nor_those_that_lost_on_probation_are_candidates(trained):
    label(trained, trips(300, seed=1, start="2026-02-01", minutes_a_km=4.0))
    retrainer(trained).retrain("kept", promote="never")
    retrainer(trained).retrain("second")
    label(trained, trips(150, seed=2, start="2026-03-01"))
    store, metrics = VersionStore(trained.versions_dir), MetricsStore.of(trained)
    champion, events = store.load("second"), metrics.events()
    rows = gather(trained, metrics, TrainingStore(trained.versions_dir))
    blocks = cut(rows, trained.retrain, seen_until(champion.metadata, events))

    def names(events, most=8):
        return [c.name for c in past(store, champion, blocks, events, most=most)]

    assert names(events) == ["version first"]
    assert names([*events, Event(kind=LOST, reason="", version="first")]) == []
    assert names(events, most=0) == []


def test_recipes_and_ensembles_compete_each_with_each(trained):
    label(trained, trips(150, seed=1, start="2026-02-01"))
    both = with_retrain(trained, recipes=("everything", "decay"), ensembles=("voting", "tests.test_candidates:slow"))
    outcome = retrainer(both).retrain("second")
    assert set(outcome.metadata.candidates) == {
        f"{recipe}, {kind}" for recipe in ("everything", "decay") for kind in both.ensembles
    }
    assert all(score is not None for score in outcome.metadata.candidates.values())


def test_weights_halve_with_each_half_life(settings):
    rows = gather(settings, MetricsStore.of(settings), TrainingStore(settings.versions_dir))
    policy = settings.retrain.model_copy(update={"half_life_days": 1.0})
    found = weights("decay", rows, policy)
    assert found[-1] == 1.0
    assert found[-1 - 24] == pytest.approx(0.5)
    assert weights("everything", rows, policy) is None


def test_decay_is_left_out_with_a_note_where_rows_cannot_be_weighed(trained):
    label(trained, trips(150, seed=1, start="2026-02-01"))
    own = with_retrain(with_model(trained, ensemble="tests.test_candidates:knn"), recipes=("everything", "decay"))
    outcome = retrainer(own).retrain("second")
    assert set(outcome.metadata.candidates) == {"everything"}
    assert "recipe decay is left out: tests.test_candidates:knn takes no weights" in outcome.metadata.notes[0]
    with pytest.raises(DataError, match="no recipe is left to train"):
        retrainer(with_retrain(own, recipes=("decay",))).retrain("third")


def test_a_retrain_for_slowness_halves_until_a_row_is_answered_in_time(trained):
    slow = with_model(trained, ensemble="tests.test_candidates:slow")
    retrainer(slow).retrain("slow", promote="always")
    label(trained, trips(150, seed=1, start="2026-02-01"))
    outcome = retrainer(slow).retrain("quick", trigger="response_time")
    assert outcome.promoted, outcome.sentence
    assert outcome.metadata.gate.verdict in ("better", "not worse")
    assert outcome.metadata.parameters["n_estimators"] < 64
    assert "halved" in outcome.metadata.notes[0]
    store = VersionStore(trained.versions_dir)
    rows = gather(trained, MetricsStore.of(trained), TrainingStore(trained.versions_dir))
    was, is_ = (row_ms(store.load(name).estimator, rows) for name in ("slow", "quick"))
    assert is_ < was


def test_for_speed_who_does_not_keep_the_budget_does_not_compete_if_somebody_does(trained):
    slow = with_model(trained, ensemble="tests.test_candidates:slow")
    retrainer(slow).retrain("slow", promote="always")
    label(trained, trips(150, seed=1, start="2026-02-01"))
    both = with_retrain(slow, ensembles=("tests.test_candidates:stubborn", "tests.test_candidates:slow"))
    outcome = retrainer(both).retrain("quick", trigger="response_time")
    assert set(outcome.metadata.candidates) == {"recent, tests.test_candidates:slow"}
    assert outcome.promoted, outcome.sentence


def throwing(settings):
    return with_model(settings, ensemble="tests.bad_models:throws")


def to_the_west(settings, **how):
    frame = trips(300, **how).assign(to="west")
    label(settings, frame)


def test_a_live_version_that_fails_on_the_gates_rows_loses_to_one_that_answers(trained):
    retrainer(throwing(trained)).retrain("odd", promote="always")
    to_the_west(trained, seed=1, start="2026-02-01")
    outcome = retrainer(trained).retrain("second", trigger="failures")
    assert outcome.promoted
    assert outcome.metadata.gate.sentence.startswith("better: the live version fails on the rows of the gate (Runtime")
    assert outcome.metadata.champion_metrics == {}


def test_an_old_version_that_fails_on_the_newest_rows_does_not_compete_and_stops_nobody(trained):
    retrainer(throwing(trained)).retrain("odd", promote="always")
    switching.rollback(VersionStore(trained.versions_dir), MetricsStore.of(trained), by="test", reason="test")
    to_the_west(trained, seed=1, start="2026-02-01", minutes_a_km=4.0)
    outcome = retrainer(trained).retrain()
    assert outcome.promoted
    assert any(note.startswith("version odd does not compete: it fails on these") for note in outcome.metadata.notes)


def test_where_no_candidate_can_answer_that_is_said(trained):
    to_the_west(trained, seed=1, start="2026-02-01")
    with pytest.raises(DataError, match=r"no candidate can answer the newest rows: recent does not compete"):
        retrainer(throwing(trained)).retrain("second")


def test_who_has_met_another_version_than_the_one_that_is_live_now_is_kept_out(trained):
    label(trained, trips(300, seed=1, start="2026-02-01", minutes_a_km=4.0))
    retrainer(trained).retrain("other", promote="never")
    store, metrics = VersionStore(trained.versions_dir), MetricsStore.of(trained)

    def meanwhile(stage, done, total):
        if stage == "publish":
            switching.activate(store, metrics, "other", by="a person", reason="quicker")

    outcome = retrainer(trained, progress=meanwhile).retrain("second")
    assert (outcome.promoted, store.live_id()) == (False, "other")
    assert "other has gone live meanwhile" in outcome.sentence


def test_a_going_back_that_was_cut_off_remembers_by_which_rows_it_was_chosen(trained, monkeypatch):
    worlds(trained)
    monkeypatch.setattr(VersionStore, "activate", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        retrainer(with_retrain(trained, recipes=("recent",), recent_days=25.0)).retrain()
    metadata, events = VersionStore(trained.versions_dir).metadata("first"), MetricsStore.of(trained).events()
    assert seen_until(metadata, events) > "2026-03"


def test_what_a_candidate_costs_is_in_the_metadata(trained):
    metadata = VersionStore(trained.versions_dir).metadata("first")
    assert 0 < metadata.row_ms < 1_000
    size = (trained.versions_dir / "models" / "first" / "model.joblib").stat().st_size
    assert metadata.artifact_mb == pytest.approx(size / 2**20, rel=0.01)
    assert msgspec.json.decode(msgspec.json.encode(metadata), type=type(metadata)) == metadata
