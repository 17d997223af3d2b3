import numpy as np
import pandas as pd
import pytest

from tests.conftest import make_workspace, trips
from workbench.blocks import cut, recipes, seen_until
from workbench.errors import DataError, SettingsError
from workbench.metrics_store import MetricsStore
from workbench.records import Actual, Prediction
from workbench.settings import load_settings
from workbench.training_data import gather, read_source
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore


def rows_of(settings):
    return gather(settings, MetricsStore.of(settings), TrainingStore(settings.versions_dir))


def label(settings, frame, *, start: int = 0) -> list[tuple[Prediction, Actual]]:
    """Record a frame's rows as predictions whose actuals have come."""
    store = MetricsStore.of(settings)
    pairs = []
    for row in frame.itertuples():
        inputs = {"km": row.km, "stops": row.stops, "to": row.to}
        (done,) = store.append(
            Prediction(event_time=f"{row.at}.000000Z", version="first", inputs=inputs, output=0.0, response_s=0.0)
        )
        pairs.append((done, store.append(Actual(prediction_id=done.id, actual=row.minutes))[0]))
    store.close()
    return pairs


def test_rows_are_base_data_and_labelled_predictions_in_event_time(settings):
    label(settings, trips(30, seed=1, start="2026-02-01"))
    rows = rows_of(settings)
    assert (len(rows), rows.labelled_predictions) == (430, 30)
    assert rows.frame["event_time"].is_monotonic_increasing


def test_an_archived_row_that_is_also_on_record_counts_once(settings):
    pairs = label(settings, trips(30, seed=1, start="2026-02-01"))
    TrainingStore(settings.versions_dir).archive(pairs[:10], keep_rows=1000)
    assert rows_of(settings).labelled_predictions == 30


def test_archived_rows_are_learnt_from_when_their_records_are_gone(settings):
    pairs = label(settings, trips(30, seed=1, start="2026-02-01"))
    TrainingStore(settings.versions_dir).archive(pairs, keep_rows=1000)
    for path in (settings.metrics_dir / "predictions").iterdir():
        path.unlink()
    kept = rows_of(settings)
    assert kept.labelled_predictions == 30
    assert kept.frame["km"].iloc[-1] == pairs[-1][0].inputs["km"]


def test_the_archive_is_bounded_oldest_first(tmp_path, clock):
    store = TrainingStore(tmp_path, clock=clock)
    for i in range(4):
        prediction = Prediction(id=f"p-{i}", event_time="", version="v", inputs={}, output=0.0, response_s=0.0)
        store.archive([(prediction, Actual(prediction_id=f"p-{i}", actual=1.0))], keep_rows=2)
        clock.forward(seconds=1)
    assert [row[0] for row in store.labelled()] == ["p-2", "p-3"]


def test_a_key_makes_rows_unique_and_the_latest_stays(tmp_path):
    settings = make_workspace(tmp_path)
    label(settings, trips(1).assign(minutes=-1.0))
    text = (tmp_path / "workbench.toml").read_text()
    (tmp_path / "workbench.toml").write_text(text.replace("[model]", '[model]\nkey = ["event_time"]'))
    rows = rows_of(load_settings(tmp_path))
    assert len(rows) == 400
    assert rows.y[0] == -1.0


def test_blocks_are_disjoint_contiguous_and_ordered(trained):
    label(trained, trips(120, seed=1, start="2026-02-01"))
    champion = VersionStore(trained.versions_dir).metadata("first")
    blocks = cut(rows_of(trained), trained.retrain, seen_until(champion))
    assert [len(b) for b in (blocks.fit, blocks.select, blocks.gate)] == [430, 30, 60]
    ends = [b.block() for b in (blocks.fit, blocks.select, blocks.gate)]
    assert ends[0].end < ends[1].start
    assert ends[1].end < ends[2].start
    assert ends[1].start > seen_until(champion)


def test_without_a_champion_the_newest_share_is_the_holdout(settings):
    blocks = cut(rows_of(settings), settings.retrain, None)
    assert [len(b) for b in (blocks.fit, blocks.select, blocks.gate)] == [320, 0, 80]


def test_recipes_that_come_to_the_same_rows_are_one(settings):
    rows = rows_of(settings)
    assert list(recipes(rows, settings.retrain)) == ["recent"]
    short = settings.retrain.model_copy(update={"recent_days": 5})
    assert {name: len(r) for name, r in recipes(rows, short).items()} == {"recent": 121, "everything": 400}


def test_rows_without_a_target_are_dropped_and_counted(settings):
    frame = trips(400)
    frame.loc[:9, "minutes"] = np.nan
    frame.to_csv(settings.root / "trips.csv", index=False)
    assert (len(rows_of(settings)), rows_of(settings).dropped_without_target) == (390, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.head(30), "30 rows have a target 'minutes'; 50 are needed"),
        (lambda f: f.assign(minutes=5.0), "target 'minutes' is 5.0 in every row"),
        (lambda f: f.drop(columns="km"), "no column 'km'; they have at, stops"),
        (lambda f: f.assign(minutes="long"), "target 'minutes' must hold numbers"),
        (lambda f: f.assign(at="some day"), r"time = 'at' cannot be read as times"),
        (lambda f: f.assign(at=[None, *f["at"][1:]]), "time = 'at' is missing in 1 rows"),
        (lambda f: f.head(0), "gave no rows"),
        (lambda f: f.assign(km=[np.inf, -np.inf, *f["km"][2:]]), "column 'km' is infinite in 2 rows"),
        (lambda f: f.assign(minutes=[np.inf, *f["minutes"][1:]]), "column 'minutes' is infinite in 1 rows"),
        (lambda f: f.assign(at=np.arange(len(f)) + 1_700_000_000), "time = 'at' holds numbers, which may be seconds"),
    ],
    ids=["few", "constant", "column", "text", "times", "gap", "empty", "inputs", "target", "seconds"],
)
def test_data_that_cannot_be_learnt_from_are_an_error_that_says_why(settings, change, message):
    change(trips(400)).to_csv(settings.root / "trips.csv", index=False)
    with pytest.raises(DataError, match=message):
        rows_of(settings)


def test_an_all_missing_column_is_learnt_around_and_noted(settings):
    trips(400).assign(stops=np.nan).to_csv(settings.root / "trips.csv", index=False)
    rows = rows_of(settings)
    assert len(rows) == 400
    assert rows.notes == ("stops has no value in any row: it is learnt around, and told when it has one",)


def test_moments_that_come_twice_are_noted(settings):
    frame = trips(400)
    frame.loc[1, "at"] = frame.loc[0, "at"]
    frame.to_csv(settings.root / "trips.csv", index=False)
    assert rows_of(settings).notes[0].startswith("2 rows share their moment with another")


def test_classes_that_are_a_quantity_are_an_error(tmp_path):
    with pytest.raises(DataError, match=r'different numbers.* is \[model\] task = "regression" meant'):
        rows_of(make_workspace(tmp_path, "classification", "minutes"))


def test_a_column_that_has_become_another_kind_names_the_predictions_on_record(settings):
    label(settings, trips(5, start="2026-02-01"))
    trips(400).assign(to=lambda f: f["km"]).to_csv(settings.root / "trips.csv", index=False)
    with pytest.raises(DataError, match=r"predictions on record no longer fit the base data: .*'to'"):
        rows_of(settings)


def test_times_with_zones_are_put_on_one_clock(settings):
    frame = trips(400)
    frame["at"] = frame["at"] + "+02:00"
    frame.to_csv(settings.root / "trips.csv", index=False)
    assert rows_of(settings).block().start == "2025-12-31T22:00:00.000000Z"


def test_parquet_csv_and_functions_are_sources(tmp_path):
    frame = trips(60)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    for source in ("t.parquet", "t.csv.gz"):
        pd.testing.assert_frame_equal(read_source(source, tmp_path, "data"), frame)
    assert len(read_source("workbench.demo:reference", tmp_path, "data")) == 5203


@pytest.mark.parametrize("source", ["missing.csv", "no.such:module", "workbench.demo"])
def test_a_source_that_cannot_be_read_is_named(tmp_path, source):
    with pytest.raises((DataError, SettingsError), match=r"\[model\] data = '"):
        read_source(source, tmp_path, "[model] data")


def test_equal_training_rows_are_kept_once_and_damage_is_found(tmp_path):
    store, frame = TrainingStore(tmp_path), trips(60)
    digest = store.save(frame)
    assert store.save(frame.copy()) == digest
    pd.testing.assert_frame_equal(store.load(digest), frame)
    path = tmp_path / "training_data" / f"{digest}.parquet"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    path.write_bytes(path.read_bytes()[:-1])
    from workbench.errors import CorruptVersion

    with pytest.raises(CorruptVersion, match="missing or changed"):
        store.load(digest)


def test_rows_to_fit_that_are_all_of_one_class_are_an_error_before_training(tmp_path):
    settings = make_workspace(tmp_path, "classification", "slow")
    trips(400).assign(slow=lambda f: (np.arange(len(f)) >= 330).astype(int)).to_csv(tmp_path / "trips.csv", index=False)
    with pytest.raises(DataError, match=r"all 320 rows that are left to fit, up to 2026-01-14.* have the target 0"):
        cut(rows_of(settings), settings.retrain, None)


def test_a_column_that_is_there_twice_is_named(settings, monkeypatch):
    frame = trips(400)
    frame.insert(1, "km", 0.0, allow_duplicates=True)
    monkeypatch.setattr("workbench.training_data.read_source", lambda *_: frame)
    with pytest.raises(DataError, match="more than one column 'km'"):
        rows_of(settings)


def test_times_of_several_zones_are_put_on_one_clock(settings):
    frame = trips(400)
    frame["at"] = frame["at"] + np.where(np.arange(400) % 2, "+02:00", "Z")
    frame.to_csv(settings.root / "trips.csv", index=False)
    rows = rows_of(settings)
    assert rows.frame["event_time"].is_monotonic_increasing
    assert str(rows.frame["event_time"].dt.tz) == "UTC"
