"""Writes a history whose rows come in order: features as a model takes them, actuals as numbers, moments of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import DataError, SettingsError
from workbench.features import align, infer_schema
from workbench.files import replace_whole
from workbench.labelled_history import GROUP, NEVER, Told
from workbench.labels import Curve
from workbench.records import Label, Schema
from workbench.scores import label_text, natural
from workbench.settings import Settings
from workbench.training_data import MAX_CLASSES, moments

KNOWN_AT = "_known_at"
FIRST_MOMENT = pd.Timestamp("2000-01-01", tz="UTC")


class HistoryWriter:
    """Writes rows that come in order: features as a model takes them, actuals as numbers."""

    def __init__(self, folder: Path, settings: Settings, base: int, curve: Callable[[], Curve]) -> None:
        self.folder = folder
        self.settings = settings
        self.base = base
        self.curve = curve
        self.schema: Schema | None = None
        self._file: pq.ParquetWriter | None = None
        self._left = pd.DataFrame()
        self._targets: list[pd.Series] = []
        self._known_at: list[np.ndarray] = []

    def write(self, frame: pd.DataFrame) -> None:
        model, told = self.settings.model, self.settings.backtest
        if self.schema is None:
            first = frame.iloc[: self.base]
            if (told.data or "").lower().endswith((".csv", ".csv.gz")):
                first = numbers_where_they_are(first)
            held_back = [c for c in (model.target, model.time, KNOWN_AT, self._delay_column()) if c]
            features = model.features or [c for c in first.columns if c not in held_back]
            features = [name for name in features if self.settings.store.get(name) != "none"]
            self.schema = infer_schema(first, task=model.task, target=model.target, time=model.time, features=features)
            columns = [*self.schema.names, model.target, *([model.time] if model.time else [])]
            _plain_texts(first[columns]).to_parquet(self.folder / "reference.parquet", index=False)
        if model.target not in frame.columns:
            raise DataError(f"the traffic has no column {model.target!r}, the target; it has {names_of(frame)}")
        self._targets.append(frame[model.target])
        self._known_at.append(self._label_moments(frame, told.delay))
        self._rows(align(frame, self.schema).reset_index(drop=True))

    def close(self, source: str, times: np.ndarray) -> None:
        assert self.schema is not None
        self._rows(None)
        if self._file is not None:
            self._file.close()
        y, labels = _actuals(self._targets, self.schema)
        known = np.isfinite(y) if not labels else y >= 0
        delay = self._delays(times)
        due = np.where(known & (delay != NEVER), times + np.where(delay == NEVER, 0, delay), NEVER)
        if (due < times).any():
            raise DataError(
                f"[backtest] delay = {self.settings.backtest.delay!r}: some actuals are known before their rows"
            )
        for name, array in (("times", times), ("due", due), ("y", y)):
            np.save(self.folder / f"{name}.npy", array)
        told = Told(
            source=source,
            delay=self.settings.backtest.delay,
            rows=len(times),
            start=self.base,
            schema=self.schema,
            labels=tuple(labels),
        )
        replace_whole(self.folder / "history.json", msgspec.json.encode(told))

    def _rows(self, frame: pd.DataFrame | None) -> None:
        """Whole groups of rows, so that a row's number tells its group; the rest at the end."""
        assert self.schema is not None
        held = self._left if frame is None else pd.concat([self._left, frame], ignore_index=True)
        whole = len(held) if frame is None else len(held) // GROUP * GROUP
        if whole:
            kinds = {f.name: pa.string() if f.kind == "categorical" else pa.float64() for f in self.schema.features}
            table = pa.Table.from_pandas(held.iloc[:whole], pa.schema(list(kinds.items())), preserve_index=False)
            if self._file is None:
                self._file = pq.ParquetWriter(self.folder / "rows.parquet", table.schema)
            self._file.write_table(table, row_group_size=GROUP)
        self._left = held.iloc[whole:]

    def _delay_column(self) -> str | None:
        delay = self.settings.backtest.delay
        return None if delay == "observed" or _duration(delay) is not None else delay

    def _label_moments(self, frame: pd.DataFrame, delay: str) -> np.ndarray:
        """When each actual was known, where a column tells; else -1."""
        name = self._delay_column()
        if name is not None and name not in frame.columns and KNOWN_AT not in frame.columns:
            raise SettingsError(
                f'[backtest] delay = {delay!r} is no duration like 1D, not "observed", and no column of the data '
                f"({names_of(frame)})"
            )
        column = KNOWN_AT if KNOWN_AT in frame.columns else name
        if column is None or column not in frame.columns:
            return np.full(len(frame), -1, dtype=np.int64)
        known = moments(frame[column], "[backtest] delay")
        # Rows that do not tell (those of the base data) are taken as the setting has it.
        there = known.notna().to_numpy()
        fallback = NEVER if column == name else -1
        return np.where(there, micros_of(known.fillna(FIRST_MOMENT)), fallback)

    def _delays(self, times: np.ndarray) -> np.ndarray:
        """Microseconds from row to actual."""
        told = np.concatenate(self._known_at)
        delay = np.where((told >= 0) & (told != NEVER), told - times, told)
        open_ = delay == -1
        if open_.any():
            delay[open_] = self._drawn(int(open_.sum()))
        return delay

    def _drawn(self, n: int) -> np.ndarray:
        setting = self.settings.backtest.delay
        constant = _duration(setting)
        if constant is None and setting != "observed":
            constant = pd.Timedelta(0)
        if constant is not None:
            return np.full(n, constant.value // 1000, dtype=np.int64)
        seconds, share = self.curve()
        if not len(seconds):
            raise SettingsError(
                '[backtest] delay = "observed", but no label is on record yet; write a duration like "1D"'
            )
        drawn = np.random.default_rng(self.settings.retrain.seed).uniform(size=n)
        return (seconds[np.searchsorted(share, drawn).clip(max=len(seconds) - 1)] * 1e6).astype(np.int64)


def _actuals(targets: Sequence[pd.Series], schema: Schema) -> tuple[np.ndarray, list[Label]]:
    """Numbers, or numbers of classes in natural order, the positive one of two last; and the classes as written."""
    column = pd.concat(targets, ignore_index=True)
    if schema.task == "regression":
        try:
            return pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan), []
        except (TypeError, ValueError) as error:
            raise DataError(f"target {schema.target!r} must hold numbers for regression: {error}") from error
    kinds = column.dropna().unique()
    if len(kinds) > MAX_CLASSES and pd.api.types.is_numeric_dtype(column):
        raise DataError(
            f"target {schema.target!r} has {len(kinds)} different numbers; classification takes up to {MAX_CLASSES} "
            f'classes: is [model] task = "regression" meant?'
        )
    numbers = not any(isinstance(kind, str) for kind in kinds)
    written = {label_text(kind): _plain(kind) if numbers else label_text(kind) for kind in kinds}
    names = sorted(written, key=natural)
    number = {kind: names.index(label_text(kind)) for kind in kinds}
    return column.map(number).fillna(-1).to_numpy(dtype=np.int64), [written[name] for name in names]


def numbers_where_they_are(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts that are all numbers as these: one wrong value far below makes texts of a whole column of a CSV file.

    >>> numbers_where_they_are(pd.DataFrame({"a": ["1.5", None], "b": ["1.5", "far"]})).dtypes["a"]
    dtype('float64')
    """
    found = {}
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_string_dtype(column) and column.notna().any():
            number = pd.to_numeric(column, errors="coerce")
            if (number.notna() == column.notna()).all():
                found[name] = number
    return frame.assign(**found)


def _plain_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of mixed values as texts, which a file can hold."""
    mixed = {
        c: frame[c].map(label_text, na_action="ignore")
        for c in frame.columns
        if frame[c].dtype == object and len({type(v) for v in frame[c].dropna()}) > 1
    }
    return frame.assign(**mixed)


def _plain(kind: Any) -> Any:
    value = kind.item() if isinstance(kind, np.generic) else kind
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _duration(text: str) -> pd.Timedelta | None:
    try:
        found = pd.Timedelta(text)
    except ValueError:
        return None
    return found if found >= pd.Timedelta(0) else None


def micros_of(times: pd.Series) -> np.ndarray:
    """Moments in UTC as microseconds since 1970."""
    return times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)


def names_of(frame: pd.DataFrame) -> str:
    return ", ".join(map(str, frame.columns[:20])) + (", ..." if len(frame.columns) > 20 else "")
