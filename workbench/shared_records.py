"""The records of all machines that share a database: read as if they lay here, sent there, pruned there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import msgspec

from workbench import shared_pruning
from workbench.database import Database
from workbench.errors import DatabaseAway
from workbench.files import replace_whole
from workbench.records import Actual, Prediction
from workbench.replica import replica_name
from workbench.shared_tails import BothFollower, RowFollower
from workbench.shipping import KINDS, Shipper
from workbench.tails import Follower

Pairs = list[tuple[Prediction, Actual]]
# What is rare and asked for elsewhere at once; the rest is left to the process that keeps shipping.
TOLD_AT_ONCE = ("evaluations", "events")
COUNT = "select count(*) from (select from records where kind = 'predictions' and replica <> %s limit %s) as others"
# Labelled predictions that are archived in one file.
AT_ONCE = 5_000


class SharedRecords:
    """What one machine's metrics/ has to do with the shared database.

    Parameters
    ----------
    folder : path of metrics/
    database : Database
    labelled : int
        How many predictions with their actuals outlive their records.
    """

    def __init__(self, folder: Path, database: Database, *, labelled: int = 1_000_000) -> None:
        self.folder = folder
        self.database = database
        self.replica = replica_name(folder)
        self.shipper = Shipper(folder, database, self.replica)
        self._labelled = labelled
        self._archiving = threading.Lock()

    def follow(
        self,
        folder: Path,
        kind: Any,
        only: type | None = None,
        backwards: Callable[[], Callable[[Any], Any]] | None = None,
    ) -> BothFollower[Any]:
        """As `tails.Follower`: what lies in the folder, and what others recorded of the same kind."""
        elsewhere: RowFollower[Any] = RowFollower(self.database, folder.name, kind, only, backwards, mine=self.replica)
        return BothFollower(Follower(folder, kind, only, backwards), elsewhere)

    def count(self, here: int, up_to: int) -> int:
        """Predictions of all machines, `here` of them on this one; no more than `up_to` are counted."""
        try:
            with self.database.transaction(read_only=True) as cursor:
                found = cursor.execute(COUNT, (self.replica, max(up_to - here, 0))).fetchone()
        except DatabaseAway:
            return here
        return min(here + (found[0] if found else 0), up_to)

    def shipping_lock(self) -> filelock.BaseFileLock:
        """Held by the process that keeps shipping what is recorded here."""
        return filelock.FileLock(self.folder / "ship.lock")

    def tell(self) -> None:
        """Send evaluations and events now, unless a process keeps shipping; later if the database is away."""
        try:
            with self.shipping_lock().acquire(blocking=False):
                self.shipper.ship(TOLD_AT_ONCE)
        except (filelock.Timeout, DatabaseAway):
            return

    def prune(self, archive: Callable[[Pairs], None], *, history: int, evaluations: int) -> int:
        """Prune the database, and archive here what was labelled there; returns how many records were deleted.

        `archive` gets each labelled prediction once, whoever deleted its records: what it raises comes again.

        Raises
        ------
        DatabaseAway
        """
        self.shipper.ship(KINDS)
        gone = shared_pruning.prune(self.database, history=history, evaluations=evaluations, labelled=self._labelled)
        self.archive_labelled(archive)
        self.shipper.forget_deleted()
        return gone

    def archive_labelled(self, archive: Callable[[Pairs], None]) -> None:
        """Hand over what was labelled there when its records were deleted, and has not been handed over here."""
        with self._archiving:
            self._archive(archive)

    def _archive(self, archive: Callable[[Pairs], None]) -> None:
        path = self.folder / "archived.json"
        at = msgspec.json.decode(path.read_bytes(), type=int) if path.exists() else 0
        while rows := self._labelled_after(at):
            archive(
                [(msgspec.json.decode(p, type=Prediction), msgspec.json.decode(a, type=Actual)) for _, p, a in rows]
            )
            at = rows[-1][0]
            replace_whole(path, msgspec.json.encode(at))

    def _labelled_after(self, at: int) -> list[tuple[int, str, str]]:
        with self.database.transaction(read_only=True) as cursor:
            query = "select seq, prediction, actual from labelled where seq > %s order by seq limit %s"
            return cursor.execute(query, (at, AT_ONCE)).fetchall()
