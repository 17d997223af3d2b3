"""Which rows a winner learns before it goes live, and how rows are cut, for any task and metric."""

import numpy as np

from tests.conftest import make_workspace, trips
from tests.test_candidates import with_retrain
from tests.test_retrainer import retrainer
from tests.test_training_data import label
from workbench.blocks import cut
from workbench.metrics_store import MetricsStore
from workbench.settings import load_settings
from workbench.training_data import gather
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore


def test_refit_leaves_out_the_stretch_without_which_there_is_but_one_class(tmp_path):
    settings = make_workspace(tmp_path, "classification", "slow")
    frame = trips(400).assign(slow=lambda f: ((np.arange(len(f)) // 40) % 5 == 2).astype(int))
    frame.loc[frame.index[200:], "slow"] = 0
    frame.to_csv(tmp_path / "trips.csv", index=False)
    outcome = retrainer(with_retrain(settings, refit=True)).retrain("first")
    assert outcome.metadata.refitted
    assert VersionStore(settings.versions_dir).load("first").holdout.score.n == 320


def test_a_refitted_winner_learns_all_rows_and_says_that_it_is_not_itself_gated(trained):
    label(trained, trips(300, seed=1, start="2026-02-01", minutes_a_km=4.0))
    outcome = retrainer(with_retrain(trained, refit=True, recipes=("everything",))).retrain("second")
    version = VersionStore(trained.versions_dir).load("second")
    assert outcome.promoted
    assert version.metadata.refitted
    assert "not itself gated" in version.metadata.notes[-1]
    assert version.profile[0].n == 700
    # Its own errors on rows it has learnt would look far smaller.
    assert version.holdout.score.n == 700
    assert version.holdout.score.metrics["mae"] > 1.5


def test_a_metric_of_ones_own_decides_the_whole_selection(tmp_path):
    extra = '\n[performance]\nmetric = "neg_median_absolute_error"\nown = ["neg_median_absolute_error"]\n'
    settings = make_workspace(tmp_path, extra=extra)
    retrainer(settings).retrain("first")
    label(settings, trips(300, seed=1, start="2026-02-01", minutes_a_km=4.0))
    outcome = retrainer(settings).retrain("second")
    assert outcome.metadata.gate.metric == "neg_median_absolute_error"
    assert outcome.promoted
    assert outcome.metadata.metrics["neg_median_absolute_error"] < 0


def test_three_classes_are_trained_selected_and_gated(tmp_path):
    settings = make_workspace(tmp_path, "classification", "to")
    trips(400).assign(minutes=lambda f: f["to"].map({"north": 0, "south": 40, "east": 80}) + f["km"] / 10).to_csv(
        tmp_path / "trips.csv", index=False
    )
    path = tmp_path / "workbench.toml"
    path.write_text(path.read_text().replace('"km", "stops", "to"', '"km", "stops", "minutes"'))
    outcome = retrainer(load_settings(settings.root)).retrain("first")
    assert outcome.metadata.metrics["accuracy"] > 0.95
    assert outcome.metadata.metrics["roc_auc"] > 0.95


def test_rows_of_one_moment_do_not_stand_on_both_sides_of_a_block(tmp_path):
    settings = make_workspace(tmp_path)
    frame = trips(400)
    frame["at"] = frame["at"].to_numpy().reshape(-1, 4)[:, 0].repeat(4)
    frame.to_csv(tmp_path / "trips.csv", index=False)
    rows = gather(settings, MetricsStore.of(settings), TrainingStore(settings.versions_dir))
    for share in (0.1, 0.201, 0.2025):
        blocks = cut(rows, settings.retrain.model_copy(update={"holdout_share": share}), None)
        assert blocks.fit.block().end < blocks.gate.block().start


def test_rows_of_one_single_moment_are_cut_by_their_order_and_trained_on(tmp_path):
    settings = make_workspace(tmp_path)
    trips(400).assign(at="2026-01-01T00:00:00").to_csv(tmp_path / "trips.csv", index=False)
    assert retrainer(settings).retrain("first").promoted
