"""A workspace out of an export: all of it or nothing, also if the import is killed.

Unpacked and checked in a folder beside, then moved into place, workbench.toml last: a workspace exists from the moment
that file does. What a killed import has left is taken back by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from workbench.archive import PLACES, unpack
from workbench.errors import Busy, SettingsError, WorkbenchError
from workbench.files import replace_whole, sync
from workbench.settings import FILE, load_settings
from workbench.transfer import Progress

ASIDE, TREE, MOVING = ".workbench-import", "tree", "moving.json"


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was put in place; `notes` say what is to be done by hand."""

    root: str
    model: str
    exported_at: str
    files: int
    bytes: int
    notes: tuple[str, ...]


def import_workspace(
    path: Path | str, root: Path | str, *, progress: Progress = lambda stage, done, total: None
) -> Imported:
    """Make a workspace of an export.

    Models are pickles: whoever made the archive can run code here as soon as one is loaded. Import your own.

    Parameters
    ----------
    root : folder that holds no workspace; made if it is not there

    Raises
    ------
    WorkbenchError
        If a workspace is there, or the archive is foreign, damaged or malicious; then nothing has changed.
    Busy
        If another process imports into the same folder.
    """
    path, root = Path(path), Path(root).resolve()
    try:
        total = path.stat().st_size
        made = not root.exists()
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root):
            try:
                return _import(path, root, lambda done: progress("import", done, total))
            finally:
                _take_back(root)
                if made and not any(root.iterdir()):
                    root.rmdir()
    except OSError as error:
        raise WorkbenchError(f"{path} was not imported into {root}: {error}") from error


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    # The folder itself is what is locked: a file would be something that is there.
    fd = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"another process imports into {root}; wait for it") from error
        yield
    finally:
        os.close(fd)


def _import(path: Path, root: Path, step: Callable[[int], None]) -> Imported:
    _take_back(root)
    _check_free(root, PLACES)
    tree = root / ASIDE / TREE
    tree.mkdir(parents=True)
    head, entries = unpack(path, tree, step=step)
    names = sorted({entry.path.split("/")[0] for entry in entries}, key=FILE.__eq__)
    if names[-1:] != [FILE]:
        raise WorkbenchError(f"{path} holds no {FILE}: it is no export of a workspace; nothing was imported")
    _check_free(root, names)
    for folder, _, _ in os.walk(tree):
        sync(Path(folder))
    replace_whole(root / ASIDE / MOVING, msgspec.json.encode(names))
    for name in names:
        os.rename(tree / name, root / name)
    sync(root)
    return Imported(
        root=str(root),
        model=head.model,
        exported_at=head.exported_at,
        files=len(entries),
        bytes=sum(entry.bytes for entry in entries),
        notes=(*head.left_out, *_readable(root)),
    )


def _check_free(root: Path, names: Iterable[str]) -> None:
    there = [told for name in names if (told := _there(root / name))]
    if there:
        raise WorkbenchError(f"nothing was imported: {root} already holds {', '.join(there)}; name an empty folder")


def _there(path: Path) -> str | None:
    """What stands in the way of a file or folder of this name; an empty folder does not."""
    if path.is_dir():
        count = sum(len(names) for _, _, names in os.walk(path))
        return f"{path.name}/ ({count} files)" if any(path.iterdir()) else None
    return path.name if path.exists() or path.is_symlink() else None


def _readable(root: Path) -> list[str]:
    try:
        load_settings(root)
    except SettingsError as error:
        return [f"the settings cannot be loaded here: {error}"]
    return []


def _take_back(root: Path) -> None:
    """Leave of an import either the workspace or nothing; does nothing where none was killed or failed."""
    aside = root / ASIDE
    if not aside.is_dir():
        return
    moving = aside / MOVING
    if moving.exists() and not (root / FILE).exists():
        for name in msgspec.json.decode(moving.read_bytes(), type=list[str]):
            # What is still in the tree was not moved: what bears its name is somebody else's.
            if (root / name).exists() and not (aside / TREE / name).exists():
                os.rename(root / name, aside / TREE / name)
    shutil.rmtree(aside)
