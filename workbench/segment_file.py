"""One file that lines are appended to, by one writer: all of what is given at once, or nothing of it.

What was written in part, or is going to be written again elsewhere, is cut off: readers would find it twice. A file
that was deleted, moved or changed by another hand is not appended to: half a line that somebody left would spoil ours.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.files import sync


class SegmentFile:
    """A new file, open and locked for as long as it may still be written to.

    Parameters
    ----------
    path : Path
        Its folder is made if need be.
    durable : bool
        Whether what is written, and the name of the file, are on the disk before a call returns.

    Raises
    ------
    OSError
        If the disk refuses; no file is left then.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.path = path
        self._name = str(path)
        self._durable = durable
        path.parent.mkdir(parents=True, exist_ok=True)
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._inode, self._size = os.fstat(self.fd).st_ino, 0
        # Where that begins which is going to be written again.
        self._spoilt: int | None = None
        try:
            # Held for as long as this may still be written to: the pruner leaves it alone.
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            if durable:
                # Lines that are on the disk are lost all the same if the name of their file is not.
                sync(path.parent)
        except OSError:
            try:
                self.take_back()
            finally:
                os.close(self.fd)
            raise

    def write(self, data: bytes) -> None:
        """Append.

        Raises
        ------
        OSError
            If the disk does not take it all, or the file is no longer what this wrote; then `take_back` it.
        """
        written = None
        try:
            written = os.write(self.fd, data)
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            there = os.stat(self._name)
            if there.st_ino != self._inode:
                raise OSError(errno.ESTALE, f"{self.path.name} was moved or replaced")
            if there.st_size != self._size + written:
                raise OSError(errno.ESTALE, f"{self.path.name} was changed by another hand")
            if self._durable:
                os.fsync(self.fd)
        except OSError:
            # A write that fails may have lengthened the file all the same.
            self._spoilt = self._size if written is None else os.fstat(self.fd).st_size - written
            raise
        self._size += written

    def take_back(self) -> None:
        """Cut off what a failed `write` left, and leave no empty file.

        Raises
        ------
        OSError
            If the disk refuses that, too; what was to be written must not be written elsewhere before.
        """
        keep = self._size if self._spoilt is None else self._spoilt
        if os.fstat(self.fd).st_size > keep:
            os.ftruncate(self.fd, keep)
        if keep == 0 and self._is_there():
            self.path.unlink()

    def _is_there(self) -> bool:
        try:
            return os.stat(self._name).st_ino == self._inode
        except (FileNotFoundError, NotADirectoryError):
            return False


def sync_and_close(descriptors: list[int]) -> None:
    """All of them are closed, and the first trouble is told."""
    troubles = []
    for fd in descriptors:
        try:
            os.fsync(fd)
        except OSError as error:
            troubles.append(error)
        finally:
            os.close(fd)
    if troubles:
        raise troubles[0]


@contextmanager
def closed_segment(path: Path) -> Iterator[bool]:
    """Whether no process writes to a segment any more; none will begin to while the block lasts."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
