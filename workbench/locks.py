"""Which process holds a lock file: asked of the kernel's own table, so that looking takes no lock from anybody."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

import psutil

from workbench.findings import Lock

TABLE = Path("/proc/locks")
LOCKS = {
    "versions/retrain.lock": "a retrain",
    "versions/switch.lock": "a switch",
    "versions/prune.lock": "a prune, or an export",
    "metrics/maintainer.lock": "the maintainer",
    "metrics/prune.lock": "the pruning of records, or an export",
    "metrics/ship.lock": "the sending of records to the shared database",
    "metrics/actuals.lock": "the taking in of actuals",
    "metrics/backtests/backtest.lock": "a backtest",
    "metrics/aside.lock": "a what-if or a comparison for the service",
    "metrics/jobs/start.lock": "the start of a retrain job",
}


def look(root: Path) -> list[Lock]:
    """Every lock of a workspace that is there, held or free."""
    return [_look(root, name, what) for name, what in LOCKS.items() if (root / name).is_file()]


def is_held(path: Path) -> bool:
    """Whether some process, this one included, holds a lock on a file."""
    return path.is_file() and _holder(path)[0]


def _look(root: Path, name: str, what: str) -> Lock:
    held, pid = _holder(root / name)
    return Lock(path=name, what=what, held=held, pid=pid, command=_command(pid) if pid else "")


def _holder(path: Path) -> tuple[bool, int | None]:
    """Whether a file is locked, and by whom; None where that cannot be seen from here."""
    device = _device(path.parent)
    if device is not None:
        holders = [pid for inode, pid in _table() if inode == f"{device}:{path.stat().st_ino}"]
        return bool(holders), next((pid for pid in holders if pid > 0), None)
    # No such table, or none of this file system: try it, for an instant, and not alone.
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True, None
    finally:
        os.close(fd)
    return False, None


def _device(folder: Path) -> str | None:
    """How the table writes the device of a folder; None if it does not show this process's own lock on it."""
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        own = [inode for inode, pid in _table() if pid == os.getpid()]
        inode = str(os.fstat(fd).st_ino)
    except OSError:
        return None
    finally:
        os.close(fd)
    return next((place.rpartition(":")[0] for place in own if place.rpartition(":")[2] == inode), None)


def _table() -> list[tuple[str, int]]:
    """(device:inode, pid) of each lock that is held; without those that are waited for."""
    try:
        lines = [line.split() for line in TABLE.read_text().splitlines()]
    except OSError:
        return []
    return [(words[5], int(words[4])) for words in lines if len(words) > 5 and words[1] != "->"]


def _command(pid: int) -> str:
    with suppress(psutil.Error):
        return " ".join(psutil.Process(pid).cmdline())[:200]
    return ""


def stopped(pid: int) -> bool:
    """Whether a process was halted, and keeps what it holds for as long as that lasts."""
    with suppress(psutil.Error):
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    return False
