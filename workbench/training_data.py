"""Which rows a version learns from: base data plus labelled predictions, cut into blocks of event time.

fit | select | gate, oldest to newest: candidates are fitted on the first, compete on the second, and the winner alone
meets the champion on the third, whose rows are newer than anything either has learnt or been chosen from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.features import align, infer_schema
from workbench.functions import import_function
from workbench.metrics_store import MetricsStore, join
from workbench.records import Block, Event, Metadata, Schema, utc_text
from workbench.scores import label_text
from workbench.sections import ModelSettings, RetrainSettings
from workbench.settings import Settings
from workbench.training_store import TrainingStore

TIME = "event_time"
PREDICTION_ID = "prediction_id"
MIN_ROWS = 50


@dataclass(frozen=True)
class Rows:
    """Training rows in event-time order: features as a model takes them, target, time, origin."""

    frame: pd.DataFrame
    schema: Schema
    dropped_without_target: int = 0

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


@dataclass(frozen=True)
class Blocks:
    fit: Rows
    select: Rows
    gate: Rows

    @property
    def holdout(self) -> Rows:
        """What the winner has not learnt from."""
        return Rows(pd.concat([self.select.frame, self.gate.frame]), self.gate.schema)


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
        except (OSError, ValueError) as error:
            raise DataError(f"{setting} = {source!r}: {path} cannot be read: {error}") from error
    else:
        frame = import_function(source, setting)()
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{setting} = {source!r} gave a {type(frame).__name__}, not a DataFrame")
    if frame.empty:
        raise DataError(f"{setting} = {source!r} gave no rows")
    return frame


def gather(settings: Settings, metrics: MetricsStore, training: TrainingStore) -> Rows:
    """Base data and every labelled prediction still known, in event-time order, without duplicates.

    Raises
    ------
    DataError
        If columns are missing, the time cannot be read, or too few rows have a target.
    """
    model = settings.model
    base = read_source(model.data, settings.root, "[model] data")
    schema = infer_schema(base, task=model.task, target=model.target, time=model.time, features=model.features)
    frame = pd.concat([_base_rows(base, schema), _labelled_rows(schema, metrics, training)], ignore_index=True)
    frame[schema.target] = _target(frame[schema.target], schema)
    known = frame[schema.target].notna()
    frame = frame[known].sort_values(TIME, kind="stable")
    if model.key:
        absent = [column for column in model.key if column not in frame.columns]
        if absent:
            raise DataError(f"[model] key names {absent[0]!r}; it takes features, and {TIME!r} for the event time")
        frame = frame.drop_duplicates(list(model.key), keep="last")
    rows = Rows(frame.reset_index(drop=True), schema, dropped_without_target=int((~known).sum()))
    _check(rows, model)
    return rows


def _base_rows(base: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    frame = align(base, schema)
    frame[schema.target] = base[schema.target].astype(object)
    frame[TIME] = _times(base, schema)
    frame[PREDICTION_ID] = None
    return frame


def _labelled_rows(schema: Schema, metrics: MetricsStore, training: TrainingStore) -> pd.DataFrame:
    live = [(p.id, p.event_time, p.inputs, a.actual) for p, a in join(metrics.history(), metrics.actuals())]
    # A prune that was cut off leaves rows both archived and on record; the id tells.
    first: dict[str, tuple[Any, ...]] = {}
    for row in (*training.labelled(), *live):
        first.setdefault(row[0], row)
    labelled = list(first.values())
    inputs = pd.DataFrame([row[2] for row in labelled], columns=schema.names)
    frame = align(inputs, schema)
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
    try:
        times = pd.to_datetime(base[schema.time], utc=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"[model] time = {schema.time!r} cannot be read as times: {error}") from error
    if times.isna().any():
        raise DataError(
            f"[model] time = {schema.time!r} is missing in {int(times.isna().sum())} rows; drop or fill them"
        )
    return times.dt.as_unit("us").array


def _check(rows: Rows, model: ModelSettings) -> None:
    if len(rows) < MIN_ROWS:
        raise DataError(f"{len(rows)} rows have a target {model.target!r}; {MIN_ROWS} are needed at least")
    if len(pd.unique(rows.y)) < 2:
        raise DataError(f"target {model.target!r} is {rows.y[0]} in every row; there is nothing to learn")


def cut(rows: Rows, settings: RetrainSettings, seen_until: str | None, several: bool = True) -> Blocks:
    """The blocks of a training, in event time.

    Without a champion the gate block is the newest `holdout_share` of the rows, and a select block is cut only where
    there are several candidates. With one, gate and select are the newest rows that it has neither learnt nor been
    chosen from; where these are fewer than `gate_min_rows` the gate is what there is, and will say that it cannot tell.
    A few rows of one moment stay together.

    Parameters
    ----------
    seen_until : ISO text, optional
        The event time of the newest row the champion knows, as `seen_until` gives it; None without a champion.
    several : bool
        Whether more than one candidate will compete.

    Raises
    ------
    DataError
        If nothing is left to fit.
    """
    n = len(rows)
    if seen_until is None:
        gate = max(1, round(n * settings.holdout_share))
        select = (
            min(settings.select_rows, gate) if several and len(recipes(rows.part(0, n - gate), settings)) > 1 else 0
        )
    else:
        unseen = int((rows.frame[TIME] > pd.Timestamp(seen_until)).sum())
        gate = min(settings.gate_rows, unseen)
        select = min(settings.select_rows, unseen - gate)
        if not gate:
            # Nothing is newer than the champion: judged like a first version, and kept out as "cannot tell".
            gate = max(1, round(n * settings.holdout_share))
    begin_gate = _first_of_moment(rows, n - gate, gate)
    begin_select = _first_of_moment(rows, max(begin_gate - select, 0), select) if select else begin_gate
    if begin_select < MIN_ROWS:
        raise DataError(
            f"{begin_select} of {n} rows are left to fit after {begin_gate - begin_select} to select and "
            f"{n - begin_gate} for the gate; too few"
        )
    blocks = Blocks(rows.part(0, begin_select), rows.part(begin_select, begin_gate), rows.part(begin_gate, n))
    if len(pd.unique(blocks.fit.y)) < 2:
        raise DataError(
            f"all {len(blocks.fit)} rows that are left to fit, up to {blocks.fit.block().end}, have the target "
            f"{blocks.fit.y[0]}; there is nothing to learn before the newest rows, which are held out"
        )
    return blocks


def _first_of_moment(rows: Rows, at: int, size: int) -> int:
    """The first row of the same moment as row `at`: a moment that is cut in two would be on both sides of a block.

    Where a moment has a large part of the block's rows (a batch that was asked at once), their order has to do.
    """
    times = rows.frame[TIME]
    first = int(times.searchsorted(times.iloc[at])) if at < len(times) else at
    return first if at - first <= max(1, size // 10) else at


def seen_until(version: Metadata, events: Iterable[Event] = ()) -> str:
    """The event time of the newest row a version has learnt or been chosen from; also when it was gone back to."""
    data = version.training_data
    chosen = [str(e.data.get("chosen_until") or "") for e in events if e.version == version.version_id]
    return max([block.end or "" for block in (data.fit, data.select, data.gate)] + chosen)


def recipes(fit: Rows, settings: RetrainSettings) -> dict[str, Rows]:
    """The rows each recipe would fit, without those recipes that come to the same rows as an earlier one."""
    made: dict[str, Rows] = {}
    for recipe in settings.recipes:
        rows = fit
        if recipe == "recent":
            rows = fit.since(fit.frame[TIME].iloc[-1] - pd.Timedelta(days=settings.recent_days))
        enough = len(rows) >= MIN_ROWS and len(pd.unique(rows.y)) > 1
        # Rows with weights are others than the same without.
        if enough and (recipe == "decay" or all(len(rows) != len(r) for name, r in made.items() if name != "decay")):
            made[recipe] = rows
    return made or {"everything": fit}


def weights(recipe: str, rows: Rows, settings: RetrainSettings) -> np.ndarray | None:
    """How much each row counts: for `decay` half as much with each half-life that it is older than the newest."""
    if recipe != "decay":
        return None
    times = rows.frame[TIME]
    age = (times.iloc[-1] - times) / pd.Timedelta(days=settings.half_life_days)
    return np.asarray(0.5 ** age.to_numpy(dtype=float))


def _stamp(moment: pd.Timestamp) -> str:
    return utc_text(moment.to_pydatetime())
