"""Following segments: the last records of all writers in one order, for the cost of what was appended since."""

from __future__ import annotations

import logging
import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from workbench.records import Record
from workbench.segments import order, read_line

log = logging.getLogger("workbench.store")
R = TypeVar("R", bound=Record)
# What is read at once from the end of a file: a few lines first, since often the last one is enough, then more.
FIRST, CHUNK = 1 << 11, 1 << 16
Order = tuple[str, str]
BEFORE_ALL: Order = ("", "")
AFTER_ALL: Order = ("~", "")


class Follows(Protocol[R]):
    """What a Tail asks of whoever reads for it."""

    @property
    def damaged(self) -> int: ...

    @property
    def away(self) -> bool:
        """Whether there may be more than could be read now."""
        ...

    def news(self, keep: int | None = None) -> tuple[Order, list[R]]: ...

    def forget(self) -> None: ...


class Follower(Generic[R]):
    """Reads what is appended to the segments of a folder, each line once, and holds none of it.

    Lines that are no valid record are skipped and counted in `damaged`; of a folder of several kinds, `only` those of
    one are read. `backwards` makes what is done with each record of a segment that is read from its end, the newest
    first.
    """

    def __init__(
        self,
        folder: Path,
        kind: Any,
        only: type | None = None,
        backwards: Callable[[], Callable[[R], R]] | None = None,
    ) -> None:
        self.folder = folder
        self.damaged = 0
        self.away = False
        self._decoder = msgspec.json.Decoder(kind)
        self._only = only or object
        self._backwards = backwards
        self._offsets: dict[str, int] = {}
        self._inodes: dict[str, int] = {}
        self._newest: dict[str, Order] = {}

    def news(self, keep: int | None = None) -> tuple[Order, list[R]]:
        """What was appended since the last call, in order; the first time no more than the last `keep` records.

        Returns
        -------
        lost : (recorded_at, id)
            Up to where records that were read may be gone since, because a segment was deleted, replaced or cut. Who
            holds such a one holds what may no longer lie there: `forget`, and read all anew.
        fresh : list of records
        """
        sizes = self._sizes()
        lost = BEFORE_ALL
        for name in self._offsets.keys() - sizes.keys():
            lost = max(lost, self._newest.get(name, BEFORE_ALL))
            self._drop(name)
        if any(sizes[name][0] < end or sizes[name][1] != self._inodes[name] for name, end in self._offsets.items()):
            return AFTER_ALL, []
        before = self.damaged
        fresh = self._appended(sizes) if self._offsets or keep is None else self._cold(sizes, keep)
        if self.damaged > before:
            what = "%s: %d lines are no valid record and are left out; `python main.py doctor` tells where"
            log.warning(what, self.folder, self.damaged)
        return lost, sorted(fresh, key=order)

    def forget(self) -> None:
        """Read everything anew next time."""
        for name in list(self._offsets):
            self._drop(name)

    def _drop(self, name: str) -> None:
        del self._offsets[name], self._inodes[name]
        self._newest.pop(name, None)

    def last(self, name: str) -> R | None:
        """The last record of a segment."""
        found = self._last_records(name, os.stat(self.folder / name).st_size, 1)[0]
        return found[-1] if found else None

    def _sizes(self) -> dict[str, tuple[int, int]]:
        try:
            with os.scandir(self.folder) as entries:
                found = [e for e in entries if e.name.endswith(".jsonl")]
        except FileNotFoundError:
            return {}
        sizes = {}
        for entry in found:
            try:
                stat = os.stat(entry.path)
            except FileNotFoundError:
                continue
            sizes[entry.name] = (stat.st_size, stat.st_ino)
        return sizes

    def _appended(self, sizes: dict[str, tuple[int, int]]) -> list[R]:
        fresh: list[R] = []
        for name, (size, inode) in sizes.items():
            offset = self._offsets.get(name, 0)
            self._inodes[name] = inode
            if size > offset:
                data = self._between(name, offset, size)
                end = data.rfind(b"\n") + 1
                records = list(self._decode(data[:end].split(b"\n")[:-1]))
                fresh.extend(records)
                offset += end
                if records:
                    self._newest[name] = order(records[-1])
            self._offsets[name] = offset
        return fresh

    def _cold(self, sizes: dict[str, tuple[int, int]], keep: int) -> list[R]:
        """The last `keep` records, reading only segments that can hold one of them, from their ends."""
        ends = []
        for name, (size, inode) in sizes.items():
            self._inodes[name] = inode
            last, end = self._last_records(name, size, 1)
            self._offsets[name] = end
            if last:
                self._newest[name] = order(last[-1])
                ends.append((order(last[-1]), name, end))
        # A damaged line is counted when its segment is read to be held, not when its end is looked at.
        self.damaged = 0
        held: list[R] = []
        for newest, name, end in sorted(ends, reverse=True):
            if len(held) >= keep and newest < order(held[0]):
                break
            held = merge(self._last_records(name, end, keep)[0], held)[-keep:]
        return held

    def _last_records(self, name: str, size: int, count: int) -> tuple[list[R], int]:
        """The last `count` records of a segment and the offset behind its last whole line."""
        end, lines = self._lines_from_end(name, size)
        # Damaged lines do not count: they are gone before the records are counted.
        found = self._decode(lines)
        each = self._backwards() if self._backwards else None
        return list(islice(map(each, found) if each else found, count))[::-1], end

    def _lines_from_end(self, name: str, size: int) -> tuple[int, Iterator[bytes]]:
        """The offset behind the last whole line, and the lines up to there, the last first."""
        pieces = self._backwards_from(name, size)
        for start, data in pieces:
            at = data.rfind(b"\n")
            if at >= 0:
                return start + at + 1, _split(data[:at], pieces)
        return 0, iter(())

    def _backwards_from(self, name: str, end: int) -> Iterator[tuple[int, bytes]]:
        """What a file has before an offset, piece by piece from there, each with its own offset."""
        step = FIRST
        while end > 0:
            start = max(end - step, 0)
            yield start, self._between(name, start, end)
            end, step = start, min(4 * step, CHUNK)

    def _between(self, name: str, start: int, end: int) -> bytes:
        try:
            fd = os.open(f"{self.folder}/{name}", os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            data = os.pread(fd, end - start, start)
            while len(data) < end - start and (more := os.pread(fd, end - start - len(data), start + len(data))):
                data += more
            return data
        finally:
            os.close(fd)

    def _decode(self, lines: Iterable[bytes]) -> Iterator[R]:
        for line in lines:
            try:
                record = read_line(self._decoder, line)
            except ValueError:
                self.damaged += 1
            else:
                wanted = isinstance(record, self._only)
                if wanted:
                    yield record


def _split(last: bytes, pieces: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """The lines of a piece and those before it, the last first; no more than a piece of them is in memory."""
    begun, *lines = last.split(b"\n")
    yield from reversed(lines)
    for _, data in pieces:
        begun, *lines = (data + begun).split(b"\n")
        yield from reversed(lines)
    yield begun


@dataclass(frozen=True)
class Thin(Generic[R]):
    """How records are held that need not be whole: never are all of them in memory at once.

    `backwards` is for reading from the end (see `Follower`), `held` for those that are held, in order.
    """

    backwards: Callable[[], Callable[[R], R]]
    held: Callable[[Sequence[R]], list[R]]


class Tail(Generic[R]):
    """Follows all segments of a folder and holds the last `keep` records in order (all of them, if None).

    Each `read` costs what was appended since the one before, and a copy of pointers.

    Parameters
    ----------
    thin : Thin, optional
        Takes from records that are held what is needed no more.
    follow : callable
        Makes who reads for it, given what `Follower` is.
    """

    def __init__(
        self,
        folder: Path,
        kind: Any,
        keep: int | None,
        only: type | None = None,
        thin: Thin[R] | None = None,
        follow: Callable[..., Follows[R]] = Follower,
    ) -> None:
        self.keep = keep
        self._thin = thin.held if thin else list
        self.records: list[R] = []
        self._follower = follow(folder, kind, only, thin.backwards if thin else None)
        self._lock = threading.Lock()

    @property
    def damaged(self) -> int:
        return self._follower.damaged

    def read(self) -> list[R]:
        """The last `keep` records now on disk, oldest first; the very same list while nothing is new."""
        with self._lock:
            lost, fresh = self._follower.news(self.keep)
            held = self._joined(self.records, fresh) if fresh else self.records
            if lost >= oldest(held):
                self._follower.forget()
                held = self._joined([], self._follower.news(self.keep)[1])
            self.records = held
            return self.records

    def _joined(self, held: list[R], fresh: list[R]) -> list[R]:
        merged = merge(held, fresh)
        return self._thin(merged if self.keep is None else merged[-self.keep :])


def oldest(held: Sequence[Record]) -> Order:
    """Where records that are held in order begin; after all else if there are none."""
    return order(held[0]) if held else AFTER_ALL


def merge(held: list[R], fresh: list[R]) -> list[R]:
    """Two lists in order as one; cheap where the second follows on the first.

    >>> a, b, c = (Record(id=text) for text in "abc")
    >>> [record.id for record in merge([a, c], [b])]
    ['a', 'b', 'c']
    """
    cut = bisect_right(held, order(fresh[0]), key=order) if fresh else len(held)
    later = held[cut:]
    return held[:cut] + (sorted(later + fresh, key=order) if later else fresh)
