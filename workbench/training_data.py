"""Which rows a version learns from: base data plus labelled predictions, in event time; and what is wrong with them."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from workbench.errors import DataError
from workbench.features import align, infer_schema
from workbench.functions import import_function
from workbench.joining import join
from workbench.kept_inputs import Keeper, asked_kinds, of_settings
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_text
from workbench.records import Block, Schema
from workbench.scores import label_text
from workbench.sections import ModelSettings
from workbench.settings import Settings
from workbench.training_store import TrainingStore

TIME = "event_time"
PREDICTION_ID = "prediction_id"
MIN_ROWS = 50
# More different numbers are a quantity, and no classes.
MAX_CLASSES = 100


@dataclass(frozen=True)
class Rows:
    """Training rows in event-time order: features as a model takes them, target, time, origin."""

    frame: pd.DataFrame
    schema: Schema
    dropped_without_target: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def X(self) -> pd.DataFrame:
        return self.frame[self.schema.names]

    @property
    def y(self) -> np.ndarray:
        return self.frame[self.schema.target].to_numpy()

    @property
    def labelled_predictions(self) -> int:
        return int(self.frame[PREDICTION_ID].notna().sum())

    @property
    def stamps(self) -> list[str]:
        """Event times as they are stored."""
        return [_stamp(moment) for moment in self.frame[TIME]]

    def part(self, start: int, end: int) -> Rows:
        return Rows(self.frame.iloc[start:end], self.schema)

    def since(self, moment: pd.Timestamp) -> Rows:
        return Rows(self.frame[self.frame[TIME] >= moment], self.schema)

    def block(self) -> Block:
        if not len(self):
            return Block(rows=0)
        times = self.frame[TIME]
        return Block(rows=len(self), start=_stamp(times.iloc[0]), end=_stamp(times.iloc[-1]))


def between(snapshot: pd.DataFrame, block: Block) -> pd.DataFrame:
    """The rows of a stored snapshot that lie in a block of event time, both ends included."""
    if block.start is None or block.end is None:
        return snapshot.iloc[:0]
    start, end = (pd.Timestamp(moment) for moment in (block.start, block.end))
    return snapshot[(snapshot[TIME] >= start) & (snapshot[TIME] <= end)]


def read_source(source: str, root: Path, setting: str) -> pd.DataFrame:
    """The frame a data setting names.

    Parameters
    ----------
    source : "module:function", or the path of a CSV or Parquet file
        A relative path is relative to `root`.
    setting : str
        Named in errors.

    Raises
    ------
    SettingsError, DataError
        If it cannot be read, or is no DataFrame with rows.
    """
    suffixes = "".join(Path(source).suffixes[-2:]).lower()
    if suffixes.endswith((".csv", ".csv.gz", ".parquet", ".pq")):
        path = root / source
        try:
            frame = pd.read_parquet(path) if suffixes.endswith((".parquet", ".pq")) else pd.read_csv(path)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise DataError(f"{setting} = {source!r}: {path} cannot be read: {str(error).strip()}") from error
    else:
        frame = import_function(source, setting)()
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{setting} = {source!r} gave a {type(frame).__name__}, not a DataFrame")
    if frame.empty:
        raise DataError(f"{setting} = {source!r} gave no rows")
    return frame


def gather(settings: Settings, metrics: MetricsStore, training: TrainingStore) -> Rows:
    """Base data and every labelled prediction still known, in event-time order, without duplicates, as they are kept.

    Raises
    ------
    DataError
        If columns are missing, the time cannot be read, or too few rows have a target.
    """
    model = settings.model
    base = read_source(model.data, settings.root, "[model] data")
    asked = infer_schema(base, task=model.task, target=model.target, time=model.time, features=model.features)
    keeper = of_settings(settings)
    base = keeper.frame(base, asked_kinds(asked))
    schema = keeper.schema(asked, base)
    frame = pd.concat([_base_rows(base, schema), _labelled_rows(schema, keeper, metrics, training)], ignore_index=True)
    frame[schema.target] = _target(frame[schema.target], schema)
    known = frame[schema.target].notna()
    frame = frame[known].sort_values(TIME, kind="stable")
    if model.key:
        absent = [column for column in model.key if column not in frame.columns]
        if absent:
            raise DataError(f"[model] key names {absent[0]!r}; it takes features, and {TIME!r} for the event time")
        frame = frame.drop_duplicates(list(model.key), keep="last")
    rows = Rows(
        frame.reset_index(drop=True),
        schema,
        dropped_without_target=int((~known).sum()),
        notes=tuple(_notes(frame, schema)),
    )
    _check(rows, model)
    return rows


def _notes(frame: pd.DataFrame, schema: Schema) -> Iterator[str]:
    """What was unusual and has been dealt with."""
    for name in schema.names:
        if frame[name].isna().all():
            yield f"{name} has no value in any row: it is learnt around, and told when it has one"
    shared = int(frame[TIME].duplicated(keep=False).sum())
    if shared:
        yield f"{shared} rows share their moment with another; their order is that of the data"


def _base_rows(base: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    frame = align(base, schema)
    frame[schema.target] = base[schema.target].astype(object)
    frame[TIME] = _times(base, schema)
    frame[PREDICTION_ID] = None
    return frame


def _labelled_rows(schema: Schema, keeper: Keeper, metrics: MetricsStore, training: TrainingStore) -> pd.DataFrame:
    live = [(p.id, p.event_time, p.inputs, a.actual) for p, a in join(metrics.history(), metrics.actuals())]
    # A prune that was cut off leaves rows both archived and on record; the id tells.
    first: dict[str, tuple[Any, ...]] = {}
    for row in (*training.labelled(), *live):
        first.setdefault(row[0], row)
    labelled = list(first.values())
    inputs = keeper.recorded(pd.DataFrame([row[2] for row in labelled], columns=schema.names), asked_kinds(schema))
    try:
        frame = align(inputs, schema)
    except DataError as error:
        raise DataError(
            f"predictions on record no longer fit the base data: {error}; give the changed column another name, "
            f"or start a workspace of its own for it"
        ) from error
    frame[schema.target] = pd.Series([row[3] for row in labelled], dtype=object)
    frame[TIME] = pd.to_datetime([row[1] for row in labelled], format="ISO8601", utc=True).as_unit("us")
    frame[PREDICTION_ID] = [row[0] for row in labelled]
    return frame


def _target(column: pd.Series, schema: Schema) -> Any:
    if schema.task == "classification":
        there = column.notna()
        # Numbers stay numbers, so that 0 and 1 come back as 0 and 1; texts stay texts, so that "01" does.
        if not any(isinstance(v, str) for v in column[there]):
            return pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
        return np.array(
            [label_text(v) if known else None for v, known in zip(column, there, strict=True)], dtype=object
        )
    try:
        return pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"target {schema.target!r} must hold numbers for regression: {error}") from error


def _times(base: pd.DataFrame, schema: Schema) -> Any:
    if schema.time is None:
        # Without times the order of the rows is the order of events, all before any traffic.
        return pd.Timestamp(0, tz="UTC") + pd.to_timedelta(np.arange(len(base)), unit="us")
    times = moments(base[schema.time], "[model] time")
    if times.isna().any():
        raise DataError(
            f"[model] time = {schema.time!r} is missing in {int(times.isna().sum())} rows; drop or fill them"
        )
    return times.array


def moments(column: pd.Series, setting: str) -> pd.Series:
    """A column of times in UTC, to the microsecond.

    Parameters
    ----------
    setting : str
        That names the column; for errors.

    Raises
    ------
    DataError
    """
    if pd.api.types.is_numeric_dtype(column) and column.notna().any():
        raise DataError(
            f"{setting} = {column.name!r} holds numbers, which may be seconds or anything else; "
            f"write times like 2026-01-31T10:42:00Z (`pandas.to_datetime(column, unit='s')` reads seconds since 1970)"
        )
    try:
        with warnings.catch_warnings():
            # Of times that have no format in common; those that are none end in an error.
            warnings.filterwarnings("ignore", message="Could not infer format")
            return pd.to_datetime(column, utc=True).dt.as_unit("us")
    except (TypeError, ValueError) as error:
        # The first sentence names the value; the rest is advice to those who call pandas.
        said = str(error).partition("\n")[0].partition(". You might")[0]
        raise DataError(f"{setting} = {column.name!r} cannot be read as times: {said}") from error


def _check(rows: Rows, model: ModelSettings) -> None:
    if len(rows) < MIN_ROWS:
        raise DataError(f"{len(rows)} rows have a target {model.target!r}; {MIN_ROWS} are needed at least")
    kinds = pd.unique(rows.y)
    if len(kinds) < 2:
        raise DataError(f"target {model.target!r} is {rows.y[0]} in every row; there is nothing to learn")
    for name in (*(f.name for f in rows.schema.features if f.kind != "categorical"), model.target):
        column = rows.frame[name]
        infinite = int(np.isinf(column.to_numpy(dtype=float)).sum()) if is_numeric_dtype(column) else 0
        if infinite:
            raise DataError(f"column {name!r} is infinite in {infinite} rows; drop them, or leave the value out")
    if model.task == "classification" and len(kinds) > MAX_CLASSES and is_numeric_dtype(rows.frame[model.target]):
        raise DataError(
            f"target {model.target!r} has {len(kinds)} different numbers; classification takes up to {MAX_CLASSES} "
            f'classes (or texts): is [model] task = "regression" meant?'
        )


def _stamp(moment: pd.Timestamp) -> str:
    return utc_text(moment.to_pydatetime())
