"""JSON Lines in segments: every writer appends to files of its own, which readers follow (tails.py).

A segment has one writer for life and is named `<utc>-<pid>-<random>`; a record's id is its segment and line, so that
ordering by (recorded_at, id) is ordering by (recorded_at, segment, line). A torn last line is never appended to and
never read.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from workbench.files import sync
from workbench.moments import utc_now, utc_text
from workbench.records import Record

R = TypeVar("R", bound=Record)
KEPT_IN_MEMORY = 10_000
# Lines that are written in one go, in well under a millisecond: for so long other threads may have to wait.
AT_ONCE = 500
# How a record is encoded whose id and time are not filled in; the first such text in a line is its own.
BLANK = b'"id":"","recorded_at":""'
Fsync = Literal["never", "always", "later"]


def segment_name(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%S%fZ}-{os.getpid()}-{secrets.token_hex(3)}"


def segment_start(record_id: str) -> str:
    """When the segment that a record id names was begun, as UTC text; empty if it is no such id.

    >>> segment_start("20261122T001500123456Z-42-a1b2c3-0000007")
    '2026-11-22T00:15:00.123456Z'
    """
    try:
        return utc_text(datetime.strptime(record_id.split("-")[0], "%Y%m%dT%H%M%S%fZ"))
    except ValueError:
        return ""


def order(record: Record) -> tuple[str, str]:
    return record.recorded_at, record.id


def _plain(value: Any) -> Any:
    """A numpy scalar as the number it is; callers of the library pass what models return."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be recorded; JSON numbers, texts, booleans and null can")


class Writer:
    """Appends records to this process's segment of a folder.

    A record is handed to the kernel before `append` returns. If the disk refuses, the lines wait in memory (at most
    `KEPT_IN_MEMORY`, then the oldest are lost and counted) and are written by the next append that can.

    Parameters
    ----------
    folder : Path
    segment_rows : int
        A segment rolls over at this many lines.
    fsync : "never", "always" or "later"
        Whether each append waits for the disk, or somebody calls `sync` every so often.
    clock : callable returning an aware datetime
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_rows: int = 5_000,
        fsync: Fsync = "never",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.folder = folder
        self.lost = 0
        self._rows = segment_rows
        self._fsync = fsync
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._encode = msgspec.json.Encoder(enc_hook=_plain).encode
        self._last_stamp = ""
        self._begun = datetime.min.replace(tzinfo=UTC)
        self._fd: int | None = None
        # Descriptors of segments that were rolled over and are not on the disk for certain, and whether the present
        # one has lines that are not.
        self._rolled: list[int] = []
        self._dirty = False
        self._pid = -1
        self._segment = ""
        self._line = 0

    @property
    def deferred(self) -> int:
        """Lines that wait in memory for the disk."""
        return len(self._waiting)

    def append(self, records: Sequence[R]) -> list[R]:
        """Stamp records with id and time and write them; `deferred` tells if they have to wait."""
        ids: list[tuple[str, str]] = []
        for names, stamp in self._in_parts(records):
            ids += [(name, stamp) for name in names]
        return [
            msgspec.structs.replace(record, id=name, recorded_at=stamp)
            for record, (name, stamp) in zip(records, ids, strict=True)
        ]

    def put(self, records: Iterable[Record]) -> list[str]:
        """As `append`, for who needs no more than the ids."""
        parts = self._in_parts(records)
        names = parts[0][0]
        for part, _ in parts[1:]:
            names += part
        return names

    def _in_parts(self, records: Iterable[Record]) -> list[tuple[list[str], str]]:
        """Write records; of each part, its ids and its time."""
        # Encoded before anybody else has to wait, and before any is written: one that cannot be is an error of all.
        lines = [self._encode(_unstamped(record)) for record in records]
        # One moment for all: what came together is told together.
        now = utc_text(self._clock())
        if len(lines) <= AT_ONCE:
            return [self._stamp_and_write(lines, now)]
        return [self._stamp_and_write(lines[start : start + AT_ONCE], now) for start in range(0, len(lines), AT_ONCE)]

    def _stamp_and_write(self, lines: list[bytes], now: str) -> tuple[list[str], str]:
        """Ids and time of lines that have them blank."""
        with self._lock:
            if not self._segment or self._line >= self._rows or self._pid != os.getpid():
                self._roll()
            segment, stamp, first = self._segment, max(now, self._last_stamp), self._line
            self._line, self._last_stamp = first + len(lines), stamp
            names, stamped = [], []
            for number, line in enumerate(lines, first):
                name = f"{segment}-{number:07d}"
                names.append(name)
                stamped.append(line.replace(BLANK, f'"id":"{name}","recorded_at":"{stamp}"'.encode(), 1))
            if self._waiting:
                self._waiting.extend(stamped)
                self._write_waiting()
            elif not self._written(stamped):
                self._waiting.extend(stamped)
                self._forget_oldest()
            return names, stamp

    def flush(self) -> bool:
        """Try to write what waits; whether nothing waits any more."""
        with self._lock:
            if self._waiting:
                self._write_waiting()
            return not self._waiting

    def sync(self) -> None:
        """Wait until what was written before this call is on the disk; nobody who appends meanwhile waits.

        Raises
        ------
        OSError
            If the disk refuses.
        """
        with self._lock:
            rolled, self._rolled = self._rolled, []
            # A descriptor of its own: this one may be closed while the disk is waited for.
            present = [os.dup(self._fd)] if self._dirty and self._fd is not None else []
            self._dirty = False
        _sync_and_close([*rolled, *present])
        if rolled or present:
            sync(self.folder)

    def close(self) -> None:
        if self._fsync == "later":
            self.sync()
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
            self._fd, self._segment = None, ""

    def _roll(self) -> None:
        mine = self._pid == os.getpid()
        if not mine:
            # Of the process that this one was forked from, which syncs what it wrote.
            self._rolled, self._dirty = [], False
        elif self._fd is not None:
            self._let_go(self._fd)
        self._fd = None
        self._pid = os.getpid()
        self._name_segment()

    def _let_go(self, fd: int) -> None:
        """Close a segment that is not written to any more, or leave that to `sync`."""
        if self._dirty:
            self._rolled.append(fd)
            self._dirty = False
        else:
            os.close(fd)

    def _write_waiting(self) -> None:
        if self._written(self._waiting):
            self._waiting.clear()
        else:
            self._forget_oldest()

    def _written(self, lines: Iterable[bytes]) -> bool:
        """Whether the kernel took them all; a segment that fails is given up and one more is tried."""
        data = b"\n".join(lines) + b"\n"
        for _ in range(2):
            try:
                self._write_to(self._open(), data)
            except OSError:
                # Not swallowed: `deferred` and `lost` tell, and the service reports itself degraded.
                self._give_up_segment()
            else:
                return True
        return False

    def _forget_oldest(self) -> None:
        while len(self._waiting) > KEPT_IN_MEMORY:
            self._waiting.popleft()
            self.lost += 1

    def _write_to(self, fd: int, data: bytes) -> None:
        written = os.write(fd, data)
        after = os.fstat(fd)
        if not after.st_nlink:
            raise FileNotFoundError(f"{self._segment} was deleted")
        if written < len(data):
            os.ftruncate(fd, after.st_size - written)
            raise OSError("the disk took a part of the lines only")
        if self._fsync == "always":
            os.fsync(fd)
        self._dirty = self._fsync == "later"

    def _open(self) -> int:
        if self._fd is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{self._segment}.jsonl"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            # Held for as long as this may still be written to: the pruner leaves it alone.
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if self._fsync == "always":
                # Lines that are on the disk are lost all the same if the name of their file is not.
                sync(self.folder)
        return self._fd

    def _give_up_segment(self) -> None:
        """Ids of waiting lines keep naming the segment they were meant for; they are written to the next one."""
        if self._fd is not None:
            if not os.fstat(self._fd).st_size:
                # A full disk must not leave one empty file an attempt.
                (self.folder / f"{self._segment}.jsonl").unlink(missing_ok=True)
            self._let_go(self._fd)
        self._fd = None
        self._name_segment()

    def _name_segment(self) -> None:
        """Names of one writer grow even if the clock does not: they order records of the same instant."""
        self._begun = max(self._clock(), self._begun + timedelta(microseconds=1))
        self._segment, self._line = segment_name(self._begun), 0


def _unstamped(record: Record) -> Record:
    return msgspec.structs.replace(record, id="", recorded_at="") if record.id or record.recorded_at else record


def _sync_and_close(descriptors: list[int]) -> None:
    """All of them are closed, and the first trouble is told."""
    troubles = []
    for fd in descriptors:
        try:
            os.fsync(fd)
        except OSError as error:
            troubles.append(error)
        finally:
            os.close(fd)
    if troubles:
        raise troubles[0]


@contextmanager
def closed_segment(path: Path) -> Iterator[bool]:
    """Whether no process writes to a segment any more; none will begin to while the block lasts."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
