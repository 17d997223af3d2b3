"""Following segments: the last records of all writers in one order, for the cost of what was appended since."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from workbench.records import Record
from workbench.segments import order

R = TypeVar("R", bound=Record)
CHUNK = 1 << 16


class Tail(Generic[R]):
    """Follows all segments of a folder and holds the last `keep` records in order (all of them, if None).

    Each `read` costs what was appended since the one before. Lines that are no valid record are skipped and counted
    in `damaged`; of a folder of several kinds, `only` those of one are held.
    """

    def __init__(self, folder: Path, kind: Any, keep: int | None, only: type | None = None) -> None:
        self.folder = folder
        self.keep = keep
        self.damaged = 0
        self.records: list[R] = []
        self._decoder = msgspec.json.Decoder(kind)
        self._only = only or object
        self._offsets: dict[str, int] = {}
        self._inodes: dict[str, int] = {}
        self._lock = threading.Lock()

    def read(self) -> list[R]:
        """The last `keep` records now on disk, oldest first."""
        with self._lock:
            sizes = self._sizes()
            if self._offsets.keys() - sizes.keys() or any(
                sizes[name][0] < offset or sizes[name][1] != self._inodes[name]
                for name, offset in self._offsets.items()
            ):
                self._forget()
            if not self._offsets and self.keep is not None:
                fresh = self._cold(sizes)
            else:
                fresh = self._appended(sizes)
            if fresh:
                merged = sorted(chain(self.records, fresh), key=order)
                self.records = merged if self.keep is None else merged[-self.keep :]
            return self.records

    def _forget(self) -> None:
        """A segment was pruned, replaced or cut: what is held may no longer be what lies there."""
        self._offsets, self._inodes, self.records = {}, {}, []

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
                fresh.extend(self._decode(data[:end].split(b"\n")[:-1]))
                offset += end
            self._offsets[name] = offset
        return fresh

    def _cold(self, sizes: dict[str, tuple[int, int]]) -> list[R]:
        """The last `keep` records, reading only segments that can hold one of them, from their ends."""
        assert self.keep is not None
        ends = []
        for name, (size, inode) in sizes.items():
            self._inodes[name] = inode
            last, end = self._last_records(name, size, 1)
            self._offsets[name] = end
            if last:
                ends.append((order(last[-1]), name, end))
        # A damaged line is counted when its segment is read to be held, not when its end is looked at.
        self.damaged = 0
        held: list[R] = []
        for newest, name, end in sorted(ends, reverse=True):
            if len(held) >= self.keep and newest < order(held[0]):
                break
            records, _ = self._last_records(name, end, self.keep)
            held = sorted([*held, *records], key=order)[-self.keep :]
        return held

    def _last_records(self, name: str, size: int, count: int) -> tuple[list[R], int]:
        """The last `count` records of a segment and the offset behind its last whole line."""
        start, data, end = size, b"", None
        while True:
            step = min(max(CHUNK, len(data)), start)
            start -= step
            data = self._between(name, start, start + step) + data
            if end is None and b"\n" in data:
                end = start + data.rfind(b"\n") + 1
            lines = data.split(b"\n")[:-1]
            whole = lines if start == 0 else lines[1:]
            # Damaged lines do not count, so decode before deciding that enough was read.
            damaged, records = self.damaged, list(self._decode(whole))
            if start == 0 or len(records) >= count:
                return records[-count:], end or 0
            self.damaged = damaged

    def _between(self, name: str, start: int, end: int) -> bytes:
        try:
            with open(self.folder / name, "rb") as file:
                file.seek(start)
                return file.read(end - start)
        except FileNotFoundError:
            return b""

    def _decode(self, lines: Sequence[bytes]) -> Iterator[R]:
        for line in lines:
            try:
                record: Any = self._decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.damaged += 1
            else:
                wanted = isinstance(record, self._only)
                if wanted:
                    yield record
