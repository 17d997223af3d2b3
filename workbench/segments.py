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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from workbench.records import Record, utc_now, utc_text

R = TypeVar("R", bound=Record)
KEPT_IN_MEMORY = 10_000


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
    fsync : bool
        Whether each append waits for the disk.
    clock : callable returning an aware datetime
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_rows: int = 5_000,
        fsync: bool = False,
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
        self._pid = -1
        self._segment = ""
        self._line = 0

    @property
    def deferred(self) -> int:
        """Lines that wait in memory for the disk."""
        return len(self._waiting)

    def append(self, records: Sequence[R]) -> list[R]:
        """Stamp records with id and time and write them, all in one go; `deferred` tells if they have to wait."""
        with self._lock:
            if not self._segment or self._line >= self._rows or self._pid != os.getpid():
                self._roll()
            stamp = max(utc_text(self._clock()), self._last_stamp)
            self._last_stamp = stamp
            stamped = [
                msgspec.structs.replace(r, id=f"{self._segment}-{self._line + i:07d}", recorded_at=stamp)
                for i, r in enumerate(records)
            ]
            lines = [self._encode(r) + b"\n" for r in stamped]
            self._line += len(stamped)
            self._waiting.extend(lines)
            self._write()
            return stamped

    def flush(self) -> bool:
        """Try to write what waits; whether nothing waits any more."""
        with self._lock:
            if self._waiting:
                self._write()
            return not self._waiting

    def close(self) -> None:
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
            self._fd, self._segment = None, ""

    def _roll(self) -> None:
        if self._fd is not None and self._pid == os.getpid():
            os.close(self._fd)
        self._fd = None
        self._pid = os.getpid()
        self._name_segment()

    def _write(self) -> None:
        """Write all that waits; a segment that fails is given up and one more is tried."""
        data = b"".join(self._waiting)
        for _ in range(2):
            try:
                self._write_to(self._open(), data)
            except OSError:
                # Not swallowed: `deferred` and `lost` tell, and the service reports itself degraded.
                self._give_up_segment()
            else:
                self._waiting.clear()
                return
        while len(self._waiting) > KEPT_IN_MEMORY:
            self._waiting.popleft()
            self.lost += 1

    def _write_to(self, fd: int, data: bytes) -> None:
        before = os.fstat(fd)
        if not before.st_nlink:
            raise FileNotFoundError(f"{self._segment} was deleted")
        if os.write(fd, data) < len(data):
            os.ftruncate(fd, before.st_size)
            raise OSError("the disk took a part of the lines only")
        if self._fsync:
            os.fsync(fd)

    def _open(self) -> int:
        if self._fd is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{self._segment}.jsonl"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            # Held for as long as this may still be written to: the pruner leaves it alone.
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        return self._fd

    def _give_up_segment(self) -> None:
        """Ids of waiting lines keep naming the segment they were meant for; they are written to the next one."""
        if self._fd is not None:
            if not os.fstat(self._fd).st_size:
                # A full disk must not leave one empty file an attempt.
                (self.folder / f"{self._segment}.jsonl").unlink(missing_ok=True)
            os.close(self._fd)
        self._fd = None
        self._name_segment()

    def _name_segment(self) -> None:
        """Names of one writer grow even if the clock does not: they order records of the same instant."""
        self._begun = max(self._clock(), self._begun + timedelta(microseconds=1))
        self._segment, self._line = segment_name(self._begun), 0


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
