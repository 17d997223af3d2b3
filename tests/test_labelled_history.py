"""Any labelled file becomes a history in time order, or one clear line says why not."""

import numpy as np
import pandas as pd
import pytest

from tests.conftest import trips
from tests.histories import workspace
from workbench import history_source
from workbench.errors import DataError, SettingsError
from workbench.history_source import prepare
from workbench.labelled_history import NEVER

HOUR = 3_600_000_000


def made(folder, frame, extra="", curve=None, **options):
    settings = workspace(folder / "ws", frame, extra=extra, **options)
    told = settings.backtest.model_copy(update={"data": "history.csv"})
    settings = settings.model_copy(update={"backtest": told})
    return prepare(
        folder / "history", settings, recorded=pd.DataFrame, curve=lambda: curve or (np.zeros(0), np.zeros(0))
    )


def test_rows_are_put_in_order_of_time_and_cut_where_the_traffic_begins(tmp_path):
    frame = trips(500)
    history = made(tmp_path, frame.sample(frac=1, random_state=0))
    assert (history.told.rows, history.told.start) == (500, 100)
    assert (np.diff(history.times) == HOUR).all()
    assert history.frame(137, 142)["km"].tolist() == frame["km"][137:142].tolist()
    assert [history.actual(row) for row in range(137, 142)] == frame["minutes"][137:142].tolist()
    assert (history.due - history.times == 6 * HOUR).all()
    assert len(pd.read_parquet(history.reference)) == 100


def test_a_history_larger_than_memory_should_hold_is_the_same_in_parts(tmp_path, monkeypatch):
    frame = trips(1000).sample(frac=1, random_state=1)
    whole = made(tmp_path / "whole", frame)
    monkeypatch.setattr(history_source, "CHUNK", 130)
    monkeypatch.setattr(history_source, "BUCKET", 300)
    parts = made(tmp_path / "parts", frame)
    assert (whole.times == parts.times).all()
    assert (whole.y == parts.y).all()
    pd.testing.assert_frame_equal(whole.frame(0, 1000), parts.frame(0, 1000))
    assert not list((tmp_path / "parts" / "history").glob("part-*"))


def test_a_parquet_file_is_read_like_a_csv(tmp_path):
    settings = workspace(tmp_path / "ws", trips(300))
    trips(300).to_parquet(tmp_path / "ws" / "history.parquet")
    told = settings.backtest.model_copy(update={"data": "history.parquet"})
    history = prepare(
        tmp_path / "h", settings.model_copy(update={"backtest": told}), recorded=pd.DataFrame, curve=lambda: None
    )
    assert history.frame(0, 300)["stops"].tolist() == trips(300)["stops"].tolist()


def test_rows_of_one_moment_keep_their_order(tmp_path):
    frame = trips(300).assign(at="2026-01-01T00:00:00")
    assert made(tmp_path, frame).frame(0, 300)["km"].tolist() == frame["km"].tolist()


def test_a_missing_actual_never_comes(tmp_path):
    frame = trips(300)
    frame.loc[[120, 250], "minutes"] = np.nan
    history = made(tmp_path, frame)
    assert np.flatnonzero(history.due == NEVER).tolist() == [120, 250]
    assert np.flatnonzero(~history.known()).tolist() == [120, 250]


def test_classes_keep_their_form_and_the_positive_one_is_last(tmp_path):
    frame = trips(300).assign(slow=lambda f: np.where(f["slow"] == 1, "yes", "no"))
    history = made(tmp_path, frame, task="classification", target="slow")
    assert history.told.classes == ("no", "yes")
    assert [history.actual(row) for row in range(5)] == frame["slow"][:5].tolist()
    numbers = made(tmp_path / "numbers", trips(300), task="classification", target="slow")
    assert numbers.told.labels == (0, 1)


def test_labels_come_when_a_column_says_so(tmp_path):
    frame = trips(300)
    known = pd.to_datetime(frame["at"]) + pd.Timedelta("3h")
    frame["known"] = known.astype(str)
    frame.loc[200, "known"] = None
    settings = workspace(tmp_path / "ws", frame)
    told = settings.backtest.model_copy(update={"data": "history.csv", "delay": "known"})
    history = prepare(
        tmp_path / "h", settings.model_copy(update={"backtest": told}), recorded=pd.DataFrame, curve=lambda: None
    )
    late = history.due - history.times
    assert (np.delete(late, 200) == 3 * HOUR).all()
    assert history.due[200] == NEVER
    assert "known" not in history.schema.names


def test_labels_come_as_they_were_observed_to(tmp_path):
    settings = workspace(tmp_path / "ws", trips(2000))
    told = settings.backtest.model_copy(update={"data": "history.csv", "delay": "observed"})
    settings = settings.model_copy(update={"backtest": told})
    curve = np.array([60.0, 7200.0]), np.array([0.25, 1.0])
    history = prepare(tmp_path / "h", settings, recorded=pd.DataFrame, curve=lambda: curve)
    late = history.due - history.times
    assert set(late) == {60_000_000, 2 * HOUR}
    assert (late == 60_000_000).mean() == pytest.approx(0.25, abs=0.04)
    with pytest.raises(SettingsError, match="no label is on record yet"):
        prepare(tmp_path / "h2", settings, recorded=pd.DataFrame, curve=lambda: (np.zeros(0), np.zeros(0)))


def test_a_history_without_times_is_one_row_a_minute(tmp_path):
    settings = workspace(tmp_path / "ws", trips(300))
    settings = settings.model_copy(
        update={
            "model": settings.model.model_copy(update={"time": None}),
            "backtest": settings.backtest.model_copy(update={"data": "history.csv"}),
        }
    )
    history = prepare(tmp_path / "h", settings, recorded=pd.DataFrame, curve=lambda: None)
    assert set(np.diff(history.times)) == {60_000_000}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: f.drop(columns="km"), "no column 'km'"),
        (lambda f: f.drop(columns="minutes"), "no column 'minutes'"),
        (lambda f: f.drop(columns="at"), "no column 'at', which .model. time names"),
        (lambda f: f.assign(at="soon"), "cannot be read as times"),
        (lambda f: f.assign(at=np.arange(len(f))), "holds numbers"),
        (lambda f: f.assign(at=f["at"].where(f.index != 7)), "is missing in 1 rows"),
        (lambda f: f.assign(at=f["at"].str.replace("2026", "1826")), "before 1900"),
        (lambda f: f.assign(km=f["km"].astype(object).where(f.index != 250, "far")), "column 'km' must hold numbers"),
        (lambda f: f.assign(minutes=f["minutes"].astype(object).where(f.index != 9, "long")), "must hold numbers"),
        (lambda f: f.head(60), "60 rows; a backtest takes 100"),
        (lambda f: f.head(120), "24 rows to train the first version"),
    ],
)
def test_a_file_that_cannot_be_used_gives_one_line(tmp_path, change, told):
    with pytest.raises(DataError, match=told) as caught:
        made(tmp_path, change(trips(300)))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_gives_one_line(tmp_path):
    settings = workspace(tmp_path / "ws", trips(300))
    (tmp_path / "ws" / "broken.parquet").write_bytes(b"not this")
    for name in ("broken.parquet", "absent.csv"):
        told = settings.backtest.model_copy(update={"data": name})
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            prepare(
                tmp_path / "h",
                settings.model_copy(update={"backtest": told}),
                recorded=pd.DataFrame,
                curve=lambda: None,
            )


def test_a_delay_that_is_neither_duration_nor_column_is_named(tmp_path):
    settings = workspace(tmp_path / "ws", trips(300))
    told = settings.backtest.model_copy(update={"data": "history.csv", "delay": "1 fortnight"})
    with pytest.raises(SettingsError, match="is no duration like 1D"):
        prepare(
            tmp_path / "h", settings.model_copy(update={"backtest": told}), recorded=pd.DataFrame, curve=lambda: None
        )
