"""How many lines the segments of a folder hold, for the cost of what was appended since the last time it was asked."""

from __future__ import annotations

import os
from pathlib import Path

CHUNK = 1 << 20


class LineCount:
    """Counts whole lines; holds two numbers a segment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Of a segment: its inode, the bytes that were looked at, and their lines.
        self._counted: dict[str, tuple[int, int, int]] = {}

    def now(self) -> int:
        """Lines of all segments as they are now."""
        counted = {}
        for path in self._segments():
            try:
                counted[path.name] = self._count(path)
            except FileNotFoundError:
                continue  # deleted since it was listed
        self._counted = counted
        return sum(lines for _, _, lines in counted.values())

    def _segments(self) -> list[Path]:
        return list(self.folder.glob("*.jsonl")) if self.folder.is_dir() else []

    def _count(self, path: Path) -> tuple[int, int, int]:
        with open(path, "rb") as file:
            told = os.fstat(file.fileno())
            inode, size, lines = self._counted.get(path.name, (told.st_ino, 0, 0))
            if inode != told.st_ino or told.st_size < size:
                # Another file by the same name, or one that was cut.
                size, lines = 0, 0
            file.seek(size)
            while chunk := file.read(min(CHUNK, told.st_size - size)):
                size += len(chunk)
                lines += chunk.count(b"\n")
        return told.st_ino, size, lines
