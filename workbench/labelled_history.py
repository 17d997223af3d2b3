"""A labelled history in time order, on disk: the rows that train the first version, and the traffic after them.

Whatever its size, three numbers a row are mapped into memory (moment, moment at which the actual is known, actual),
and of the features what is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from workbench.features import align
from workbench.records import Label, Schema
from workbench.scores import label_text

# Rows in a group of the file: what is read at once.
GROUP = 20_000
NEVER = np.iinfo(np.int64).max


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a history without reading it.

    `start` is its first row of traffic, `labels` are the classes as their actuals are written, the positive one of two
    last; empty for numbers.
    """

    source: str
    delay: str
    rows: int
    start: int
    schema: Schema
    labels: tuple[Label, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(label_text, self.labels))


@dataclass(frozen=True)
class History:
    """A prepared history; every process opens it by its folder."""

    folder: Path

    @cached_property
    def told(self) -> Told:
        return msgspec.json.decode((self.folder / "history.json").read_bytes(), type=Told)

    @property
    def schema(self) -> Schema:
        return self.told.schema

    @property
    def reference(self) -> Path:
        """The rows before the traffic, as [model] data has them."""
        return self.folder / "reference.parquet"

    @cached_property
    def times(self) -> np.ndarray:
        """Microseconds since 1970, ascending; shape (rows,)."""
        return np.load(self.folder / "times.npy", mmap_mode="r")

    @cached_property
    def due(self) -> np.ndarray:
        """When the actual is known, `NEVER` where it never is; shape (rows,)."""
        return np.load(self.folder / "due.npy", mmap_mode="r")

    @cached_property
    def y(self) -> np.ndarray:
        """Actuals: numbers (NaN: none), or numbers of `told.classes` (-1: none); shape (rows,)."""
        return np.load(self.folder / "y.npy", mmap_mode="r")

    @cached_property
    def _parquet(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.folder / "rows.parquet")

    def frame(self, start: int, end: int) -> pd.DataFrame:
        """The features of some rows, as `features.align` gives them."""
        groups = range(start // GROUP, -(-end // GROUP))
        table = self._parquet.read_row_groups(list(groups)).slice(start - groups.start * GROUP, end - start)
        return align(table.to_pandas(), self.schema)

    def actual(self, row: int) -> Label:
        """As an app would send it."""
        return self.told.labels[self.y[row]] if self.told.labels else float(self.y[row])

    def known(self) -> np.ndarray:
        """The rows that have an actual; shape (rows,), bool."""
        return self.y >= 0 if self.told.labels else np.isfinite(self.y)
