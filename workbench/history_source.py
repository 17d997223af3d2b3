"""Reads, checks and sorts the labelled history that settings describe: a file, base data with traffic, or the records.

Twice through the source: once for the moments, once for the rows, which are put in order a bucket at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import DataError, SettingsError
from workbench.features import kind_of
from workbench.history_writer import FIRST_MOMENT, HistoryWriter, micros_of, names_of
from workbench.kept_inputs import Keeper, of_settings
from workbench.labelled_history import History
from workbench.labels import Curve
from workbench.moments import EARLIEST
from workbench.records import Kind
from workbench.settings import Settings
from workbench.training_data import MIN_ROWS, moments, read_source

CHUNK, BUCKET = 200_000, 500_000
# What trains the first version is held in memory, however long the history is.
MOST_REFERENCE = 200_000
Chunks = Callable[[], Iterator[pd.DataFrame]]


def prepare(
    folder: Path,
    settings: Settings,
    *,
    recorded: Callable[[], pd.DataFrame],
    curve: Callable[[], Curve],
) -> History:
    """Read, check and sort the history that settings describe, into a folder.

    Parameters
    ----------
    recorded : callable () -> DataFrame
        The labelled predictions on record, with a column `history_writer.KNOWN_AT`.
    curve : callable () -> Curve
        The observed delays of labels.

    Raises
    ------
    DataError, SettingsError
        One line that names the column, what was found there, and what to do.
    """
    source, chunks, start = _source(settings, recorded)
    folder.mkdir(parents=True, exist_ok=True)
    moment = _all_moments(chunks, settings)
    if len(moment) < 2 * MIN_ROWS:
        raise DataError(f"{source} has {len(moment)} rows; a backtest takes {2 * MIN_ROWS} at least")
    if start is None:
        order = np.argsort(moment, kind="stable")
        start = _start(moment[order], settings)
    else:
        order = np.concatenate(
            [np.argsort(moment[:start], kind="stable"), start + np.argsort(moment[start:], kind="stable")]
        )
    if start < MIN_ROWS or len(moment) - start < MIN_ROWS:
        raise DataError(
            f"{source}: {start} rows to train the first version and {len(moment) - start} of traffic; {MIN_ROWS} "
            f"of each are needed (see [backtest] start and reference_share)"
        )
    base = min(start, MOST_REFERENCE)
    drop = start - base
    writer = HistoryWriter(folder, settings, base, curve)
    for frame in _in_order(chunks, order, folder, drop):
        writer.write(frame)
    times = moment[order][drop:]
    writer.close(source, times)
    return History(folder)


def _source(settings: Settings, recorded: Callable[[], pd.DataFrame]) -> tuple[str, Chunks, int | None]:
    """Where the rows come from, in words; the rows; and how many of them come before the traffic, if that is known.

    The rows are as they are kept: what follows writes them to the disk.
    """
    model, told, keeper = settings.model, settings.backtest, of_settings(settings)
    if told.data is not None:
        source = told.data

        def parts() -> Iterator[pd.DataFrame]:
            for part in _chunks(source, settings.root, "--data (or [backtest] data)"):
                yield keeper.frame(part, _kinds(part, keeper))

        return source, parts, None
    base = read_source(model.data, settings.root, "[model] data")
    kinds = _kinds(base, keeper)
    base = keeper.frame(base, kinds)
    if settings.replay.data is not None:
        traffic, name = read_source(settings.replay.data, settings.root, "[replay] data"), settings.replay.data
        traffic = keeper.frame(traffic, kinds)
    else:
        traffic, name = keeper.recorded(recorded(), kinds), "the labelled predictions on record"
    if not len(traffic):
        return model.data, lambda: iter([base]), None
    return f"{model.data}, then {name}", lambda: iter([base, traffic]), len(base)


def _kinds(frame: pd.DataFrame, keeper: Keeper) -> dict[str, Kind]:
    return {name: kind_of(frame[name]) for name in frame.columns if name in keeper.hashed}


def _chunks(source: str, root: Path, setting: str) -> Iterator[pd.DataFrame]:
    """The rows of a source, a part at a time where it is a file."""
    path = root / source
    suffixes = "".join(Path(source).suffixes[-2:]).lower()
    try:
        if suffixes.endswith((".parquet", ".pq")):
            yield from (part.to_pandas() for part in pq.ParquetFile(path).iter_batches(CHUNK))
        elif suffixes.endswith((".csv", ".csv.gz")):
            with pd.read_csv(path, chunksize=CHUNK, low_memory=False) as parts:
                yield from parts
        else:
            yield read_source(source, root, setting)
    except (OSError, EOFError, zlib.error, ValueError, pa.ArrowException) as error:
        raise DataError(f"{setting} = {source!r}: {path} cannot be read: {str(error).strip()}") from error


def _all_moments(chunks: Chunks, settings: Settings) -> np.ndarray:
    """Of every row, in the order of the source; without a time column a minute a row."""
    column, found = settings.model.time, []
    for frame in chunks():
        if column is None:
            found.append(np.zeros(len(frame), dtype=np.int64))
            continue
        if column not in frame.columns:
            raise DataError(
                f"the data have no column {column!r}, which [model] time names; they have {names_of(frame)}"
            )
        times = moments(frame[column], "[model] time")
        if times.isna().any():
            raise DataError(
                f"[model] time = {column!r} is missing in {int(times.isna().sum())} rows; drop or fill them"
            )
        found.append(micros_of(times))
    moment = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
    if column is None:
        return FIRST_MOMENT.value // 1000 + 60_000_000 * np.arange(len(moment), dtype=np.int64)
    if len(moment) and moment.min() < _micros(EARLIEST):
        raise DataError(f"[model] time = {column!r} is before 1900 in some rows; correct or drop them")
    return moment


def _start(moment: np.ndarray, settings: Settings) -> int:
    """The first row of traffic of a history in one file."""
    told = settings.backtest
    if told.start is None:
        return round(len(moment) * told.reference_share)
    try:
        begins = _micros(told.start)
    except ValueError as error:
        raise SettingsError(
            f"[backtest] start = {told.start!r} is no time; 2013-03-01 or 2013-03-01T12:00 are"
        ) from error
    return int(np.searchsorted(moment, begins))


def _in_order(chunks: Chunks, order: np.ndarray, folder: Path, drop: int) -> Iterator[pd.DataFrame]:
    """The rows in order, without the first `drop`, in parts of at most `BUCKET`; what does not fit waits on disk."""
    if len(order) <= BUCKET:
        yield pd.concat(list(chunks()), ignore_index=True).iloc[order[drop:]]
        return
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    buckets: list[list[Path]] = [[] for _ in range(-(-(len(order) - drop) // BUCKET))]
    done = 0
    for frame in chunks():
        place = rank[done : done + len(frame)] - drop
        done += len(frame)
        for k in np.unique(place[place >= 0] // BUCKET):
            inside = (place >= 0) & (place // BUCKET == k)
            path = folder / f"part-{k}-{len(buckets[k])}.pickle"
            frame[inside].assign(_place=place[inside]).to_pickle(path)
            buckets[k].append(path)
    for paths in buckets:
        frame = pd.concat([pd.read_pickle(path) for path in paths], ignore_index=True)
        for path in paths:
            path.unlink()
        yield frame.sort_values("_place", kind="stable").drop(columns="_place")


def _micros(moment: str) -> int:
    """Microseconds since 1970; a moment without a zone is taken as UTC."""
    told = pd.Timestamp(moment)
    return int((told.tz_localize("UTC") if told.tz is None else told).value // 1000)
