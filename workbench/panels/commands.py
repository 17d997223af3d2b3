"""A command line run as a process of its own and looked at now and then; a callback never waits for it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    output: str
    errors: str


class Running(Protocol):
    """A command under way."""

    def poll(self) -> Result | None:
        """How it ended; None while it goes on."""


Run = Callable[[Sequence[str]], Running]


def door(root: Path, *arguments: str) -> list[str]:
    """The command line a person would type for this workspace."""
    return [sys.executable, "-m", "workbench.cli", "--root", str(root), *arguments]


class Command:
    """Starts a command, without a shell."""

    def __init__(self, argv: Sequence[str]) -> None:
        # Files, not pipes: a pipe that nobody empties stops the writer.
        self._folder = tempfile.TemporaryDirectory(prefix="workbench-")
        self._paths = [Path(self._folder.name) / name for name in ("output", "errors")]
        with open(self._paths[0], "wb") as output, open(self._paths[1], "wb") as errors:
            self._process = subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=errors)

    def poll(self) -> Result | None:
        code = self._process.poll()
        if code is None:
            return None
        output, errors = (path.read_text(encoding="utf-8", errors="replace").strip() for path in self._paths)
        self._folder.cleanup()
        return Result(code, output, errors)
