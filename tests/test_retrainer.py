import pytest

from tests.conftest import trips
from tests.test_training_data import label
from workbench import steering
from workbench.errors import Busy, DataError, VersionTaken, WorkbenchError
from workbench.metrics_store import MetricsStore
from workbench.records import METRICS
from workbench.retrainer import ModelRetrainer
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore


def retrainer(settings, **more) -> ModelRetrainer:
    return ModelRetrainer(settings, VersionStore(settings.versions_dir), MetricsStore.of(settings), **more)


def kinds(settings) -> list[str]:
    return [e.kind for e in MetricsStore.of(settings).events()]


def test_the_first_version_goes_live_with_complete_metadata(trained):
    store = VersionStore(trained.versions_dir)
    m = store.metadata("first")
    assert (store.live_id(), m.gate.verdict, m.parent, m.trigger) == ("first", "no champion", None, "manual")
    assert m.training_data.rows == 400
    assert (m.training_data.fit.rows, m.training_data.gate.rows) == (320, 80)
    assert set(m.metrics) == set(METRICS["regression"])
    assert m.metrics["mae"] < 4
    assert set(m.libraries) >= {"python", "sklearn", "numpy", "joblib"}
    assert m.parameters["vote__forest__n_estimators"] == 60
    assert len(TrainingStore(trained.versions_dir).load(m.training_data.sha256)) == 400
    assert kinds(trained) == ["retrain_started", "published", "promoted"]


def test_a_challenger_that_learnt_a_new_world_beats_the_champion(trained):
    label(trained, trips(300, seed=1, start="2026-02-01", minutes_a_km=4.0))
    outcome = retrainer(trained).retrain("second", reason="drift", trigger="performance")
    assert outcome.promoted
    assert outcome.metadata.gate.verdict == "better"
    assert outcome.metadata.gate.low > 0
    assert outcome.metadata.metrics["mae"] < outcome.metadata.champion_metrics["mae"]
    assert outcome.metadata.parent == "first"
    assert VersionStore(trained.versions_dir).live_id() == "second"


def test_an_equal_challenger_is_published_and_kept_out_with_the_reason(trained):
    label(trained, trips(150, seed=1, start="2026-02-01"))
    outcome = retrainer(trained).retrain("second")
    assert not outcome.promoted
    assert outcome.metadata.gate.verdict in ("cannot tell", "worse", "not worse")
    assert VersionStore(trained.versions_dir).live_id() == "first"
    assert "second" in VersionStore(trained.versions_dir).ids()
    assert kinds(trained)[-1] == "kept_out"


def test_without_newer_rows_the_gate_cannot_tell(trained):
    outcome = retrainer(trained).retrain("second")
    assert (outcome.promoted, outcome.metadata.gate.verdict) == (False, "cannot tell")
    assert "no row is newer" in outcome.sentence


@pytest.mark.parametrize(("promote", "live"), [("always", "second"), ("never", "first")])
def test_promotion_can_be_asked_for_or_forbidden(trained, promote, live):
    retrainer(trained).retrain("second", promote=promote)
    assert VersionStore(trained.versions_dir).live_id() == live


def test_a_pinned_version_is_not_replaced_by_the_gate(trained):
    label(trained, trips(300, seed=1, start="2026-02-01", minutes_a_km=4.0))
    steering.pin(MetricsStore.of(trained), "first", by="test", reason="audit")
    outcome = retrainer(trained).retrain("second")
    assert (outcome.promoted, VersionStore(trained.versions_dir).live_id()) == (False, "first")
    assert "pinned to first: audit" in outcome.sentence


def test_a_taken_or_malformed_id_is_refused_before_any_work(trained):
    before = kinds(trained)
    with pytest.raises(VersionTaken):
        retrainer(trained).retrain("first")
    with pytest.raises(WorkbenchError, match="cannot be a version id"):
        retrainer(trained).retrain("../first")
    assert "retrain_started" not in kinds(trained)[len(before) :]


def test_the_second_comer_is_refused_while_one_trains(trained):
    with VersionStore(trained.versions_dir).retrain_lock(), pytest.raises(Busy, match="under way"):
        retrainer(trained).retrain("second")


def test_a_training_that_fails_publishes_nothing_and_frees_its_id(trained):
    trips(10).to_csv(trained.root / "trips.csv", index=False)
    with pytest.raises(DataError) as held:
        retrainer(trained).retrain("second")
    assert held.value
    store = VersionStore(trained.versions_dir)
    # Also while somebody still holds the error, as an interactive session does.
    assert not store.retraining()
    assert store.ids() == ["first"]
    assert kinds(trained)[-2:] == ["retrain_started", "retrain_failed"]
    assert store.claim("second") == "second"


def test_the_same_data_and_seed_give_the_same_model(trained):
    one = retrainer(trained).retrain("second", promote="never").metadata
    two = retrainer(trained).retrain("third", promote="never").metadata
    assert one.metrics == two.metrics
    assert one.training_data.sha256 == two.training_data.sha256
    assert len(list((trained.versions_dir / "training_data").glob("*.parquet"))) == 1


def test_a_champion_that_cannot_be_loaded_is_noted_and_replaced(trained):
    (trained.versions_dir / "models" / "first" / "model.joblib").write_bytes(b"x")
    outcome = retrainer(trained).retrain("second")
    assert outcome.promoted
    assert "no champion to compare with: first: model.joblib" in outcome.metadata.notes[0]


def test_progress_is_told_by_member(trained):
    steps = []
    retrainer(trained, progress=lambda *step: steps.append(step)).retrain("second")
    assert [s[0] for s in steps if s[0].startswith("recent")] == [
        f"recent: {m}" for m in ("linear", "forest", "boosting", "model")
    ]


def test_a_classifier_is_trained_gated_and_scored(trained_classifier):
    m = VersionStore(trained_classifier.versions_dir).metadata("first")
    assert set(m.metrics) == set(METRICS["classification"])
    assert m.metrics["roc_auc"] > 0.9
