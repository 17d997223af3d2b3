"""The backtests of a workspace on disk: the record of each that came to its end, and how far the one under way is.

Read by pages, too, so nothing is imported here that plays one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from workbench.backtest_result import BacktestResult
from workbench.errors import WorkbenchError
from workbench.files import replace_whole
from workbench.processes import alive, born, end
from workbench.settings import Settings

UNDERWAY = "underway"
EVERY_S = 0.5


class Underway(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest that is being played: rows done of all rows of all courses, and the time left by their pace.

    `total` is 0 while the history is being read. `before` were done already when this one went on. `alone`: its process
    does nothing else, so that it may be ended; one that is played in a notebook's kernel must not be.
    """

    pid: int
    pid_created: float
    policies: tuple[str, ...]
    alone: bool = False
    done: int = 0
    total: int = 0
    before: int = 0
    left_s: float | None = None

    @property
    def share(self) -> float:
        """Of all rows, from 0 to 1."""
        return self.done / self.total if self.total else 0.0

    @property
    def stage(self) -> str:
        """What it does, and how far it is, in words.

        >>> told = Underway(pid=1, pid_created=0.0, policies=("policy",), done=300, total=1200, left_s=95)
        >>> told.stage
        'playing: 25 %, about 2 min left'
        """
        if not self.total:
            return "reading the history"
        if self.done >= self.total:
            return "scoring"
        return f"playing: {100 * self.share:.0f} %{_left(self.left_s)}"


def _left(left_s: float | None) -> str:
    if left_s is None:
        return ""
    return f", about {left_s:.0f} s left" if left_s < 60 else f", about {left_s / 60:.0f} min left"


def folder(settings: Settings) -> Path:
    return settings.metrics_dir / "backtests"


def ids(settings: Settings) -> list[str]:
    """Of all that came to their end, oldest first."""
    return sorted(path.stem for path in folder(settings).glob("[!.]*.json"))


def read(settings: Settings, backtest_id: str) -> BacktestResult:
    """One record.

    Raises
    ------
    WorkbenchError
        If there is none of that id, or it is damaged.
    """
    path = folder(settings) / f"{backtest_id}.json"
    if backtest_id not in ids(settings):
        raise WorkbenchError(f"no backtest {backtest_id[:80]!r}; there are {', '.join(ids(settings)[-5:]) or 'none'}")
    try:
        return msgspec.json.decode(path.read_bytes(), type=BacktestResult)
    except msgspec.DecodeError as error:
        raise WorkbenchError(f"{path} is no backtest result: {error}; delete it") from error


def results(settings: Settings) -> list[BacktestResult]:
    """The backtests of a workspace that came to their end, oldest first."""
    return [read(settings, backtest_id) for backtest_id in ids(settings)]


def underway(settings: Settings) -> Underway | None:
    """The one that is being played now, whoever began it."""
    try:
        told = msgspec.json.decode((folder(settings) / UNDERWAY).read_bytes(), type=Underway)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return told if alive(told.pid, told.pid_created) else None


def stop(settings: Settings) -> Underway | None:
    """Ask the one under way to end; it goes on where it was when it is called again. None if there is none to end."""
    told = underway(settings)
    return told if told and told.alone and end(told.pid, told.pid_created) else None


class Teller:
    """Writes down how far a backtest is, not more often than a page looks.

    Parameters
    ----------
    place : where results are kept
    policies : their names
    alone : whether this process does nothing else
    """

    def __init__(self, place: Path, policies: tuple[str, ...], *, alone: bool) -> None:
        self._path = place / UNDERWAY
        self._told = Underway(pid=os.getpid(), pid_created=born(os.getpid()), policies=policies, alone=alone)
        self._begun = self._written = -EVERY_S
        self._write()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._told.total:
            self._begun = now
            self._told = msgspec.structs.replace(self._told, before=done)
        elif now - self._written < EVERY_S and done < total:
            return
        before = self._told.before
        left = (now - self._begun) * (total - done) / (done - before) if done > before else None
        self._told = msgspec.structs.replace(self._told, done=done, total=total, left_s=left)
        self._written = now
        self._write()

    def _write(self) -> None:
        replace_whole(self._path, msgspec.json.encode(self._told))


@contextmanager
def telling(place: Path, policies: tuple[str, ...], *, alone: bool) -> Iterator[Teller]:
    """Tells of one backtest, and no longer than that."""
    try:
        yield Teller(place, policies, alone=alone)
    finally:
        (place / UNDERWAY).unlink(missing_ok=True)
