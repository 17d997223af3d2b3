"""Records from files to the shared database and back: every line compared on both sides by count and checksum."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import msgspec

from workbench.bars import Progress, silent
from workbench.errors import Busy, WorkbenchError
from workbench.files import replace_whole, sync
from workbench.leadership import leader
from workbench.metrics_store import MetricsStore
from workbench.records import Record, Stamp
from workbench.replica import MOVED_BACK
from workbench.segments import order
from workbench.shared_records import SharedRecords
from workbench.shipping import KINDS
from workbench.tails import Order
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore

if TYPE_CHECKING:
    from psycopg import Cursor

    from workbench.settings import Settings

LIMIT = "select recorded_at, id from deletions where kind = %(kind)s"
ROWS = "select line, recorded_at, id from records where kind = %(kind)s and replica = any(%(replicas)s)"
BY_SEGMENT = """
select id, line, replica from records where kind = %(kind)s and replica = any(%(replicas)s)
order by regexp_replace(id, '-[0-9]*$', ''), recorded_at, id
"""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one kind on both sides: how many, and a checksum of their lines in whatever order.

    Older ones than the last that retention deleted from the database are not counted on either side.
    """

    kind: str
    files: int
    database: int
    checksum_files: str
    checksum_database: str

    @property
    def equal(self) -> bool:
        return (self.files, self.checksum_files) == (self.database, self.checksum_database)


class _Sum:
    """A count and a checksum of lines that does not depend on their order."""

    def __init__(self) -> None:
        self.count = self._total = 0

    def add(self, line: bytes) -> None:
        self.count += 1
        self._total += int.from_bytes(hashlib.sha256(line).digest())

    @property
    def checksum(self) -> str:
        return f"{self._total % (1 << 256):064x}"


def to_database(settings: Settings, progress: Progress = silent) -> list[Moved]:
    """Send everything that lies in the files of a workspace, and the promotion log; nothing is deleted here.

    It may be cut off and called again, and services may run meanwhile.

    Returns
    -------
    list of Moved
        By kind, what is on both sides.

    Raises
    ------
    DatabaseAway
    WorkbenchError
        If a line is not there as it is here.
    """
    shared = _shared(settings)
    for i, kind in enumerate(KINDS):
        progress(kind, i, len(KINDS))
        shared.shipper.ship([kind])
    VersionStore.of(settings).pointer.follow()
    return _compared(shared, [shared.replica])


def to_files(settings: Settings, progress: Progress = silent) -> list[Moved]:
    """Write what all machines recorded into the files of this one, which then needs the database no more.

    Raises
    ------
    DatabaseAway
    Busy
        If somebody still records: a maintainer, here or elsewhere.
    WorkbenchError
        If a line is not here as it is there; called again, it is all written again.
    """
    shared = _shared(settings)
    with _nobody_else(shared):
        shared.shipper.ship()
        VersionStore.of(settings).pointer.follow()
        training = TrainingStore(settings.versions_dir)
        shared.archive_labelled(lambda rows: training.archive(rows, settings.retrain.labelled_rows))
        replicas = _replicas(shared)
        for i, kind in enumerate(KINDS):
            progress(kind, i, len(KINDS))
            _write(shared, kind, replicas)
        moved = _compared(shared, replicas)
        # From now on what others recorded lies here: read from the database as well, it would be there twice.
        replace_whole(shared.folder / MOVED_BACK, b"")
    return moved


def _shared(settings: Settings) -> SharedRecords:
    shared = MetricsStore.of(settings).shared
    if shared is None:
        raise WorkbenchError(
            "there is no database to move records to or from: name one with [metrics] url in workbench.toml, or with "
            "WORKBENCH_METRICS__URL"
        )
    return shared


@contextmanager
def _nobody_else(shared: SharedRecords) -> Iterator[None]:
    """Holds this machine's locks of who records and ships; refuses while another machine maintains."""
    with ExitStack() as held:
        for lock in (filelock.FileLock(shared.folder / "maintainer.lock"), shared.shipping_lock()):
            try:
                held.enter_context(lock.acquire(timeout=1))
            except filelock.Timeout as error:
                raise Busy("a service runs in this workspace; end it first, and those of all machines") from error
        who = leader(shared.database)
        if who is not None:
            raise Busy(f"{who} maintains the workspace; end the services of all machines first")
        yield


def _replicas(shared: SharedRecords) -> list[str]:
    with shared.database.transaction(read_only=True) as cursor:
        return [name for (name,) in cursor.execute("select distinct replica from records")]


def _write(shared: SharedRecords, kind: str, replicas: list[str]) -> None:
    """The segments of a kind, each whole; this machine's own stay as they are where they are there."""
    folder = shared.folder / kind
    folder.mkdir(parents=True, exist_ok=True)
    about = {"kind": kind, "replicas": replicas}
    with shared.database.transaction(read_only=True) as cursor:
        rows = _streamed(cursor, BY_SEGMENT, about)
        for segment, part in groupby(rows, key=lambda row: row[0].rpartition("-")[0]):
            path = folder / f"{segment}.jsonl"
            (first,) = islice(part, 1)
            if first[2] != shared.replica or not path.exists():
                _write_segment(path, (line for _, line, _ in chain([first], part)))
    sync(folder)


def _write_segment(path: Path, lines: Iterable[str]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for line in lines:
            file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def _compared(shared: SharedRecords, replicas: list[str]) -> list[Moved]:
    moved = []
    for kind in KINDS:
        with shared.database.transaction(read_only=True) as cursor:
            limit = cursor.execute(LIMIT, {"kind": kind}).fetchone() or ("", "")
            there = _Sum()
            for line, *at in _streamed(cursor, ROWS, {"kind": kind, "replicas": replicas}):
                if tuple(at) > limit:
                    there.add(line.encode())
        here = _in_files(shared.folder / kind, limit)
        moved.append(
            Moved(
                kind=kind,
                files=here.count,
                database=there.count,
                checksum_files=here.checksum,
                checksum_database=there.checksum,
            )
        )
    for one in moved:
        if not one.equal:
            raise WorkbenchError(
                f"{one.kind}: {one.files:,} records in files, {one.database:,} in the database, and they are not the "
                f"same; nothing was deleted: end what records here and call it again"
            )
    return moved


def _in_files(folder: Path, limit: Order) -> _Sum:
    found, decode = _Sum(), msgspec.json.Decoder(Stamp).decode
    for path in sorted(folder.glob("*.jsonl")):
        for line in _lines(path):
            try:
                record: Record = decode(line)
                line.decode()
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if order(record) > limit:
                found.add(line)
    return found


def _lines(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        for line in file:
            # A torn last line is none.
            if line.endswith(b"\n"):
                yield line[:-1]


def _streamed(cursor: Cursor[Any], query: str, about: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
    with cursor.connection.cursor("moved") as rows:
        rows.itersize = 5_000
        yield from rows.execute(query, about)
