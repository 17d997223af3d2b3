"""What lies in a workspace that nothing refers to any more: unused snapshots, halves of killed processes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from workbench.version_store import BUILDING as BEING_BUILT
from workbench.version_store import VersionStore

# What files.replace_whole and TrainingStore.save write aside, and TrainingStore.archive.
ASIDE = re.compile(r"\..+\.(\d+)\.tmp")
BUILDING = re.compile(r"\.(\d+)\.building")
ARCHIVING = re.compile(r"\..+\.parquet")
# Longer than any write takes, also of a process that cannot be seen from here.
LONG_AGO_S = 3600.0


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder that can go; the path is relative to the workspace."""

    path: str
    bytes: int
    why: str


def leftovers(root: Path, versions: VersionStore) -> list[Leftover]:
    """What killed processes left; only for the holder of the retrain lock: a retrain in its midst looks alike."""
    models = versions.folder / "models"
    unpublished = (
        path
        for name in versions.unpublished()
        for path in (models / name, models / f".{name}{BEING_BUILT}")
        if path.exists()
    )
    found = [_leftover(root, path, "left by a training or a prune that was killed") for path in unpublished]
    return found + [_leftover(root, path, "left by a process that was killed") for path in abandoned(root)]


def unused_snapshots(root: Path, versions: VersionStore, *, going: frozenset[str] = frozenset()) -> list[Leftover]:
    """Training rows that no version uses, as if those of `going` were gone already; for the holder of that lock, too.

    Raises
    ------
    WorkbenchError
        If a version's metadata cannot be read: which snapshot it uses is then not known.
    """
    used = {versions.metadata(n).training_data.sha256 for n in versions.files.names() if n not in going}
    snapshots = sorted((versions.folder / "training_data").glob("[!.]*.parquet"))
    return [_leftover(root, path, "training rows that no version uses") for path in snapshots if path.stem not in used]


def _leftover(root: Path, path: Path, why: str) -> Leftover:
    return Leftover(path=str(path.relative_to(root)), bytes=size(path), why=why)


def abandoned(root: Path) -> Iterator[Path]:
    """Files that a process was writing aside when it ended; right for the holder of the retrain lock."""
    folders = [root, *(root / name for name in ("versions", "metrics"))]
    folders += [child for folder in folders[1:] if folder.is_dir() for child in folder.iterdir() if child.is_dir()]
    for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())):
        if not path.is_file() or path.is_symlink():
            continue
        aside, building = ASIDE.fullmatch(path.name), BUILDING.fullmatch(path.name)
        if building and path.parent.name == "training_data":
            gone = _ended(int(building[1]), path)
        elif aside:
            gone = _ended(int(aside[1]), path) and _old(path)
        else:
            gone = path.parent.name == "labelled" and ARCHIVING.fullmatch(path.name) is not None and _old(path)
        if gone:
            yield path


def _ended(pid: int, path: Path) -> bool:
    """Whether the process that wrote a file is gone; its number may have been given out again since."""
    try:
        return bool(psutil.Process(pid).create_time() > path.stat().st_mtime + 1)
    except psutil.NoSuchProcess:
        return True
    except (psutil.AccessDenied, FileNotFoundError):
        return False


def _old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > LONG_AGO_S
    except FileNotFoundError:
        return False


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what vanishes meanwhile does not count."""
    if not path.is_dir():
        return _bytes(path)
    return sum(_bytes(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
