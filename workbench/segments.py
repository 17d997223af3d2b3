"""JSON Lines in segments: every writer appends to files of its own, which readers follow (tails.py).

A segment has one writer for life and is named `<utc>-<pid>-<random>`; a record's id is its segment and line, so that
ordering by (recorded_at, id) is ordering by (recorded_at, segment, line). A torn last line is never appended to and
never read.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from workbench.files import sync
from workbench.moments import utc_now, utc_text
from workbench.records import Record
from workbench.segment_file import SegmentFile, sync_and_close

log = logging.getLogger("workbench.store")
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


def read_line(decoder: msgspec.json.Decoder[Any], line: bytes) -> Any:
    """A stored line as the record it is.

    Raises
    ------
    ValueError
        If it is none, or one without an id or with times that are none: readers would stumble over it later.
    """
    if not line.isascii():
        # The decoder does not look into names of fields that it does not know.
        line.decode()
    record = decoder.decode(line)
    if not record.id:
        raise ValueError("the record has no id")
    datetime.fromisoformat(record.recorded_at)
    happened = getattr(record, "event_time", "")
    if happened:
        datetime.fromisoformat(happened)
    return record


def _plain(value: Any) -> Any:
    """A numpy scalar as the number it is; callers of the library pass what models return."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be recorded; JSON numbers, texts, booleans and null can")


class Writer:
    """Appends records to this process's segment of a folder.

    A record is handed to the kernel before `append` returns. If the disk refuses, the lines wait in memory (at most
    `KEPT_IN_MEMORY`, then the oldest are lost and counted) and are written by the next append that can; `trouble` says
    meanwhile what the disk says. A segment that was deleted, moved or changed by another hand is not written to again.

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
        self.trouble: str | None = None
        self._rows = segment_rows
        self._fsync = fsync
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._encode = msgspec.json.Encoder(enc_hook=_plain).encode
        self._last_stamp = ""
        self._begun = datetime.min.replace(tzinfo=UTC)
        self._file: SegmentFile | None = None
        # Holds a part of what is going to be written again.
        self._spoilt: SegmentFile | None = None
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
            if self._waiting and self._pid == os.getpid():
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
            present = [os.dup(self._file.fd)] if self._dirty and self._file is not None else []
            self._dirty = False
        sync_and_close([*rolled, *present])
        if rolled or present:
            sync(self.folder)

    def close(self) -> None:
        """Write what can be written; what the disk refuses to the end is lost, counted and told in the log."""
        if self._pid != os.getpid():
            return  # Of the process that this one was forked from.
        if not self.flush():
            with self._lock:
                log.error("%s: %d records are lost: %s", self.folder, len(self._waiting), self.trouble)
                self.lost += len(self._waiting)
                self._waiting.clear()
        if self._fsync == "later":
            try:
                self.sync()
            except OSError:
                log.exception("%s: what was recorded last may not be on the disk", self.folder)
        with self._lock:
            for file in (self._file, self._spoilt):
                if file is not None:
                    os.close(file.fd)
            self._file = self._spoilt = None
            self._segment = ""

    def _roll(self) -> None:
        if self._pid != os.getpid():
            # Of the process that this one was forked from, which syncs what it wrote and writes what waits.
            self._rolled, self._dirty, self._spoilt = [], False, None
            self._waiting.clear()
        elif self._file is not None:
            self._let_go(self._file)
        self._file = None
        self._pid = os.getpid()
        self._name_segment()

    def _let_go(self, file: SegmentFile) -> None:
        """Close a segment that is not written to any more, or leave that to `sync`."""
        if self._dirty:
            self._rolled.append(file.fd)
            self._dirty = False
        else:
            os.close(file.fd)

    def _write_waiting(self) -> None:
        """In parts, so that a disk that is still full costs little to ask, and one that has little room takes some."""
        while self._waiting and self._written(islice(self._waiting, AT_ONCE)):
            for _ in range(min(AT_ONCE, len(self._waiting))):
                self._waiting.popleft()
        self._forget_oldest()

    def _written(self, lines: Iterable[bytes]) -> bool:
        """Whether the kernel took them all; a segment that fails is given up and one more is tried."""
        data = b"\n".join(lines) + b"\n"
        trouble = None
        for _ in range(2):
            try:
                self._take_back()
                if self._file is None:
                    self._file = SegmentFile(self.folder / f"{self._segment}.jsonl", durable=self._fsync == "always")
                self._file.write(data)
            except OSError as error:
                # Not swallowed: `trouble`, `deferred` and `lost` tell, and the service reports itself degraded.
                trouble = error.strerror or str(error)
                self._give_up_segment()
            else:
                self._dirty = self._fsync == "later"
                if self.trouble is not None:
                    log.warning("%s can be written again", self.folder)
                self.trouble = None
                return True
        if self.trouble is None:
            log.error("%s cannot be written, records wait in memory: %s", self.folder, trouble)
        self.trouble = trouble
        return False

    def _forget_oldest(self) -> None:
        while len(self._waiting) > KEPT_IN_MEMORY:
            self._waiting.popleft()
            self.lost += 1

    def _give_up_segment(self) -> None:
        """Ids of waiting lines keep naming the segment they were meant for; they are written to the next one."""
        if self._file is not None:
            self._file, self._spoilt = None, self._file
            # Otherwise before the next line is written.
            with suppress(OSError):
                self._take_back()
        self._name_segment()

    def _take_back(self) -> None:
        """Nothing may be written again before it is gone from where it was."""
        if self._spoilt is not None:
            self._spoilt.take_back()
            self._let_go(self._spoilt)
            self._spoilt = None

    def _name_segment(self) -> None:
        """Names of one writer grow even if the clock does not: they order records of the same instant."""
        self._begun = max(self._clock(), self._begun + timedelta(microseconds=1))
        self._segment, self._line = segment_name(self._begun), 0


def _unstamped(record: Record) -> Record:
    return msgspec.structs.replace(record, id="", recorded_at="") if record.id or record.recorded_at else record
