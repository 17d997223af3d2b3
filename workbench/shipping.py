"""From the segments of this machine to the shared database: in batches, at least once, each record there once.

What was sent is noted in the same transaction as the records; a record that comes again is known by its id.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from workbench.database import Database
from workbench.records import Stamp

KINDS = ("predictions", "actuals", "refused", "service", "evaluations", "events")
# What one transaction takes at most; a single line may be longer.
BATCH_BYTES, BATCH_ROWS = 4 << 20, 10_000
Row = tuple[str, str, str, str | None, str, str]

STAGING = """
create temp table if not exists staging
(kind text, id text, recorded_at text, prediction_id text, replica text, line text) on commit delete rows
"""
TAKE_IN = """
insert into records (kind, id, recorded_at, prediction_id, replica, line)
select * from staging order by recorded_at collate "C", id collate "C"
on conflict do nothing
"""
NOTE = """
insert into shipped (segment, kind, replica, bytes) values (%s, %s, %s, %s)
on conflict (segment) do update set bytes = greatest(shipped.bytes, excluded.bytes), shipped_at = now()
"""


class _Told(Stamp, frozen=True, kw_only=True):
    """What the database has a column for."""

    prediction_id: str | None = None


@dataclass(frozen=True)
class _Part:
    """Whole lines of a segment, and the offset behind them."""

    segment: str
    end: int
    rows: list[Row]


class Shipper:
    """Sends what is appended to the segments of one folder; safe to share among threads, and to run in several
    processes.

    Parameters
    ----------
    folder : path of metrics/
    database : Database
    replica : str
        The name of this folder among those that share the database.

    Attributes
    ----------
    damaged : int
        Lines that are no records and stay where they are.
    """

    def __init__(self, folder: Path, database: Database, replica: str) -> None:
        self.folder = folder
        self.database = database
        self.replica = replica
        self.damaged = 0
        self._decode = msgspec.json.Decoder(_Told).decode
        self._lock = threading.Lock()
        # Of each segment: the offset up to which it is in the database, and its size when it was looked at last.
        self._sent: dict[str, int] | None = None
        self._looked: dict[str, int] = {}

    def ship(self, kinds: Iterable[str] = KINDS, between: Callable[[], object] = lambda: None) -> int:
        """Send everything that is on the disk now and not in the database.

        Parameters
        ----------
        between : callable
            Called after each batch; raises to end early, with nothing lost.

        Returns
        -------
        int
            Records sent.

        Raises
        ------
        DatabaseAway
            If the database cannot be reached; what was not sent is sent next time.
        """
        sent = 0
        with self._lock:
            for kind in kinds:
                for batch in self._batches(kind):
                    self._send(kind, batch)
                    sent += sum(len(part.rows) for part in batch)
                    between()
        return sent

    def is_shipped(self, path: Path) -> bool:
        """Whether every whole line of a segment is in the database."""
        with self._lock:
            try:
                return self._looked.get(path.stem) == os.stat(path).st_size
            except FileNotFoundError:
                return True

    def forget_deleted(self) -> None:
        """Let the database forget how far segments were sent that are no longer here."""
        with self._lock:
            here = [path.stem for kind in KINDS for path in (self.folder / kind).glob("*.jsonl")]
            with self.database.transaction() as cursor:
                cursor.execute("delete from shipped where replica = %s and not segment = any(%s)", (self.replica, here))
            self._looked = {name: self._looked[name] for name in here if name in self._looked}
            if self._sent is not None:
                self._sent = {name: self._sent[name] for name in here if name in self._sent}

    def _batches(self, kind: str) -> Iterator[list[_Part]]:
        batch: list[_Part] = []
        weight = rows = 0
        for part in self._parts(kind):
            batch.append(part)
            rows += len(part.rows)
            weight += sum(len(row[5]) for row in part.rows)
            if weight >= BATCH_BYTES or rows >= BATCH_ROWS:
                yield batch
                batch, weight, rows = [], 0, 0
        if batch:
            yield batch

    def _parts(self, kind: str) -> Iterator[_Part]:
        """What is new in the segments of a kind, piece by piece, in the order of the segments' names."""
        known = self._known()
        for path in sorted((self.folder / kind).glob("*.jsonl")):
            name = path.stem
            try:
                size = os.stat(path).st_size
                if size == self._looked.get(name):
                    continue
                start = known.get(name, 0)
                while start < size and (data := _whole_lines(path, start, size)):
                    start += len(data)
                    yield _Part(name, start, list(self._rows(kind, data)))
            except FileNotFoundError:
                continue  # deleted since it was listed
            self._looked[name] = size

    def _known(self) -> dict[str, int]:
        if self._sent is None:
            with self.database.transaction(read_only=True) as cursor:
                found = cursor.execute("select segment, bytes from shipped where replica = %s", (self.replica,))
                self._sent = dict(found.fetchall())
        return self._sent

    def _rows(self, kind: str, data: bytes) -> Iterator[Row]:
        for line in data.split(b"\n")[:-1]:
            try:
                told, text = self._decode(line), line.decode()
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.damaged += 1
                continue
            yield kind, told.id, told.recorded_at, told.prediction_id, self.replica, text

    def _send(self, kind: str, batch: list[_Part]) -> None:
        ends = {part.segment: part.end for part in batch}
        try:
            with self.database.transaction() as cursor:
                cursor.execute(STAGING)
                with cursor.copy("copy staging from stdin") as copy:
                    for part in batch:
                        for row in part.rows:
                            copy.write_row(row)
                # From here to the commit nobody else adds records of this kind: `seq` is in the order of commits.
                cursor.execute("select pg_advisory_xact_lock(%s)", (self.database.key(f"append {kind}"),))
                cursor.execute(TAKE_IN)
                cursor.executemany(NOTE, [(name, kind, self.replica, end) for name, end in ends.items()])
        except BaseException:
            # It may or may not have been committed: asked anew.
            self._sent, self._looked = None, {}
            raise
        assert self._sent is not None
        self._sent.update(ends)


def _whole_lines(path: Path, start: int, size: int) -> bytes:
    """Lines of a file from an offset on, about a batch of them; nothing if there is no whole one."""
    step = BATCH_BYTES
    with open(path, "rb") as file:
        while True:
            file.seek(start)
            data = file.read(min(step, size - start))
            end = data.rfind(b"\n") + 1
            if end or start + step >= size:
                return data[:end]
            step *= 2
