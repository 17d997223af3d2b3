"""Files that are whole or not there: replaced by rename, synced, named by their content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def for_owner_alone() -> None:
    """From now on, what this process and its children make is for their user alone, whatever the shell would allow.

    Versions hold training data, records inputs; and whoever can write a model's file has what it runs.
    """
    os.umask(0o077)


def replace_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old content or the new, never a part: temp, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # Through no link: whoever may write here must not choose what else is overwritten.
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
