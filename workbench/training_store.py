"""versions/training_data and versions/labelled: the rows versions are made from, apart from the versions themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow.parquet as pq

from workbench.errors import CorruptVersion
from workbench.files import sha256, sync
from workbench.moments import utc_now
from workbench.records import Actual, Label, Prediction, Value


class TrainingStore:
    """Snapshots of training rows by content, and labelled predictions that outlive their records.

    Parameters
    ----------
    folder : path
        `versions/` of the workspace.
    """

    def __init__(self, folder: Path | str, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.folder = Path(folder)
        self.clock = clock

    def save(self, frame: pd.DataFrame) -> str:
        """Keep training rows under the sha256 of their Parquet file; equal rows are kept once."""
        folder = self.folder / "training_data"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = folder / f".{os.getpid()}.building"
        try:
            frame.to_parquet(aside, index=False)
            digest = sha256(aside)
            sync(aside)
            os.replace(aside, folder / f"{digest}.parquet")
        except OSError:
            # What a full disk took of it would keep it full.
            aside.unlink(missing_ok=True)
            raise
        return digest

    def load(self, digest: str) -> pd.DataFrame:
        """The rows of a snapshot.

        Raises
        ------
        CorruptVersion
            If the file is not there or does not have this sha256.
        """
        path = self.folder / "training_data" / f"{digest}.parquet"
        if not path.exists() or sha256(path) != digest:
            raise CorruptVersion(f"training data {path} are missing or changed; restore them from a copy")
        return pd.read_parquet(path)

    def archive(self, rows: list[tuple[Prediction, Actual]], keep_rows: int) -> None:
        """Keep labelled predictions whose records are about to be pruned: what the next retrain learns from."""
        if not rows:
            return
        table = pd.DataFrame(
            {
                "prediction_id": [p.id for p, _ in rows],
                "event_time": [p.event_time for p, _ in rows],
                "actual": [msgspec.json.encode(a.actual).decode() for _, a in rows],
                "inputs": [msgspec.json.encode(p.inputs).decode() for p, _ in rows],
            }
        )
        folder = self.folder / "labelled"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{self.clock():%Y%m%dT%H%M%S%fZ}-{rows[0][0].id[-7:]}.parquet"
        aside = folder / f".{name}"
        try:
            table.to_parquet(aside, index=False)
            sync(aside)
            os.replace(aside, folder / name)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        self._bound(keep_rows)

    def labelled(self) -> list[tuple[str, str, dict[str, Value], Label]]:
        """Archived labelled predictions, oldest file first: id, event time, inputs, actual."""
        decode = msgspec.json.decode
        return [
            (row.prediction_id, row.event_time, decode(row.inputs), decode(row.actual))
            for path in sorted((self.folder / "labelled").glob("[!.]*.parquet"))
            for row in pd.read_parquet(path).itertuples(index=False)
        ]

    def _bound(self, keep_rows: int) -> None:
        held = 0
        for path in sorted((self.folder / "labelled").glob("[!.]*.parquet"), reverse=True):
            if held >= keep_rows:
                path.unlink()
            else:
                held += pq.read_metadata(path).num_rows
