"""A workspace in one file: a gzipped tar that begins with what it is and ends with the sha256 of every file in it.

Written aside and renamed whole. Read in one pass into an empty folder, of which nothing counts until all hashes agree.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

import msgspec

from workbench.errors import WorkbenchError
from workbench.files import sync

FORMAT = 1
KIND = "model workbench workspace"
HEAD, FILES = "archive.json", "files.json"
CHUNK = 1 << 20
# Of the folders that a workspace always has; its other files are base data, which the head names.
PLACES = ("workbench.toml", "versions", "metrics")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive is; `data` are the files of base data in it, `left_out` says what is not, and why."""

    kind: Literal["model workbench workspace"] = "model workbench workspace"
    format: int = FORMAT
    exported_at: str
    model: str
    records: bool
    data: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an archive; the path is relative to the workspace."""

    path: str
    sha256: str
    bytes: int
    mtime_ns: int


class ArchiveWriter:
    """Takes files into an archive; `writing` makes one."""

    def __init__(self, tar: tarfile.TarFile, step: Callable[[int], None]) -> None:
        self.entries: list[Entry] = []
        self._tar, self._step, self._done = tar, step, 0

    def add(self, name: str, source: Path, *, whole_lines: bool = False) -> Entry | None:
        """Take a file as it is now, up to its last whole line if so asked; None if it is gone, or no plain file."""
        if not source.is_file() or not is_plain(name):
            return None
        try:
            with open(source, "rb") as file:
                stat = os.fstat(file.fileno())
                size = _whole_lines(file, stat.st_size) if whole_lines else stat.st_size
                return self._add(name, file, size, stat.st_mtime_ns)
        except FileNotFoundError:
            return None

    def add_bytes(self, name: str, data: bytes) -> Entry:
        return self._add(name, io.BytesIO(data), len(data), time.time_ns())

    def _add(self, name: str, file: IO[bytes], size: int, mtime_ns: int) -> Entry:
        entry = Entry(path=name, sha256=self.put(name, file, size, mtime_ns), bytes=size, mtime_ns=mtime_ns)
        self.entries.append(entry)
        self._done += size
        self._step(self._done)
        return entry

    def put(self, name: str, file: IO[bytes], size: int, mtime_ns: int) -> str:
        """A member that is on no list of files; returns its sha256."""
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, mtime_ns // 10**9, 0o600
        hashing = _Hashing(file)
        self._tar.addfile(member, hashing)
        return hashing.digest.hexdigest()


@contextmanager
def writing(path: Path, head: Head, *, step: Callable[[int], None] = lambda done: None) -> Iterator[ArchiveWriter]:
    """An archive that is there, whole, once the block has ended without an error; `step` hears of bytes done."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # Training rows and records are nobody else's business.
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with (
            os.fdopen(fd, "wb") as file,
            gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, filename="") as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            writer = ArchiveWriter(tar, step)
            _put_json(writer, HEAD, head)
            yield writer
            _put_json(writer, FILES, writer.entries)
        sync(aside)
        os.rename(aside, path)
        sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def is_plain(name: str) -> bool:
    """Whether a name can be that of a workspace's file: relative, without `..`, nothing hidden.

    >>> [is_plain(n) for n in ("metrics/a.jsonl", "../a", "/a", "a/./b", ".workbench-token", "", "a\\\\b")]
    [True, False, False, False, False, False, False]
    """
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or "\\" in part for part in path.parts)
    return bool(path.parts) and str(path) == name and not path.is_absolute() and not hidden and name.isprintable()


def _put_json(writer: ArchiveWriter, name: str, told: object) -> None:
    data = msgspec.json.format(msgspec.json.encode(told), indent=1)
    writer.put(name, io.BytesIO(data), len(data), time.time_ns())


def unpack(path: Path, into: Path, *, step: Callable[[int], None] = lambda done: None) -> tuple[Head, list[Entry]]:
    """Read an archive into an empty folder; what lies there counts only if this returns.

    Raises
    ------
    WorkbenchError
        If the file is no such archive, of a newer format, damaged, or would write where it may not.
    """
    try:
        with open(path, "rb") as file, gzip.GzipFile(fileobj=file) as plain:
            with tarfile.open(fileobj=plain, mode="r|") as archive:
                head, entries, found = _unpack(archive, path, into, lambda: step(file.tell()))
            # What gzip itself has to say stands at the very end.
            while plain.read(CHUNK):
                pass
    except (gzip.BadGzipFile, tarfile.ReadError) as error:
        raise WorkbenchError(f"{path} is no export of a workspace, or damaged ({error}); {_REMEDY}") from error
    except (EOFError, zlib.error, tarfile.TarError) as error:
        raise WorkbenchError(f"{path} is damaged or was cut off ({error}); {_REMEDY}") from error
    if entries is None:
        raise WorkbenchError(f"{path} was cut off: its list of files is missing; {_REMEDY}")
    wrong = sorted({e.path for e in entries} ^ set(found)) or [e.path for e in entries if found[e.path] != e.sha256]
    if wrong:
        raise WorkbenchError(f"{path} is damaged: {wrong[0]} is not what its list of files says; {_REMEDY}")
    for entry in entries:
        os.utime(into / entry.path, ns=(entry.mtime_ns, entry.mtime_ns))
    return head, entries


_REMEDY = "nothing was imported; take another copy, made by `python main.py export`"


def _unpack(
    archive: tarfile.TarFile, path: Path, into: Path, step: Callable[[], None]
) -> tuple[Head, list[Entry] | None, dict[str, str]]:
    head: Head | None = None
    entries: list[Entry] | None = None
    found: dict[str, str] = {}
    for member in archive:
        if entries is not None or (head is None) != (member.name == HEAD):
            raise WorkbenchError(f"{path} is no export of a workspace ({member.name[:80]!r}); {_REMEDY}")
        if head is None:
            head = _head(_content(archive, member), path)
        elif member.name == FILES:
            entries = _decoded(_content(archive, member), list[Entry], path)
        else:
            _check(member, head, into, path)
            found[member.name] = _extract(archive, member, into / member.name, path)
        step()
    if head is None:
        raise WorkbenchError(f"{path} is no export of a workspace: it is empty; {_REMEDY}")
    return head, entries, found


def _head(data: bytes, path: Path) -> Head:
    told = _decoded(data, dict, path)
    if told.get("kind") != KIND:
        raise WorkbenchError(f"{path} is no export of a workspace; {_REMEDY}")
    if told.get("format") != FORMAT:
        raise WorkbenchError(
            f"{path} is of format {told.get('format')!r}, this release reads {FORMAT}; import it with the release "
            f"that exported it"
        )
    head: Head = _decoded(data, Head, path)
    return head


def _check(member: tarfile.TarInfo, head: Head, into: Path, path: Path) -> None:
    """Raise unless a member is a plain file of a workspace."""
    trick = not member.isreg() or member.issparse() or not is_plain(member.name)
    trick = trick or not (member.name.split("/")[0] in PLACES or member.name in head.data)
    try:
        tarfile.data_filter(member, str(into))
    except tarfile.FilterError:
        trick = True
    if trick:
        raise WorkbenchError(f"{path} holds {member.name[:80]!r}, which is no plain file of a workspace; {_REMEDY}")


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, path: Path) -> str:
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except (FileExistsError, NotADirectoryError) as error:
        raise WorkbenchError(f"{path} holds {member.name!r} twice; {_REMEDY}") from error
    with os.fdopen(fd, "wb") as file:
        content = archive.extractfile(member)
        while content is not None and (data := content.read(CHUNK)):
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member) if member.isreg() else None
    return content.read() if content is not None else b""


def _decoded(data: bytes, kind: Any, path: Path) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WorkbenchError(f"{path} is no export of a workspace, or damaged ({error}); {_REMEDY}") from error


def _whole_lines(file: IO[bytes], size: int) -> int:
    """Up to where a file of so many bytes consists of whole lines; its position is the beginning again."""
    end = size
    while end:
        start = max(0, end - CHUNK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    file.seek(0)
    return end


class _Hashing(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data
