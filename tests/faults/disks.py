"""Disks that can be broken and mended again, as real as this machine allows; each says what it is."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

MB = 1 << 20
# Of <linux/loop.h>: the call, the size of what it takes, and where in it the end of the device stands.
LOOP_SET_STATUS64, LOOP_GET_STATUS64, LOOP_INFO_SIZE, SIZE_LIMIT = 0x4C04, 0x4C05, 232, 32
BLOCK, TAIL_BLOCKS = 4096, 1024


class Disk(Protocol):
    """`folder` lies on it; while it is broken, writes fail with one of what it `says`."""

    folder: Path
    kind: str
    says: tuple[str, ...]

    def break_it(self) -> None: ...

    def mend(self) -> None: ...


class SmallDisk:
    """A tmpfs that a ballast fills to the last page."""

    says = ("No space left on device",)

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self.kind = f"a tmpfs of {megabytes} MB"
        self._ballast = folder / ".ballast"

    def break_it(self) -> None:
        with open(self._ballast, "ab", buffering=0) as ballast, suppress(OSError):
            for size in (MB, BLOCK, 1):
                with suppress(OSError):
                    while ballast.write(b"\0" * size) == size:
                        pass

    def mend(self) -> None:
        self._ballast.unlink()


class LimitedFiles:
    """No disk at all: this process may not lengthen any file. Where nothing can be mounted."""

    says = ("File too large",)
    kind = "RLIMIT_FSIZE (EFBIG)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def break_it(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, self._before[1]))

    def mend(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


class CutShort:
    """An ext4 on a loop device whose end is moved before every block that is still free: a new one answers EIO.

    Its last blocks are kept from everybody but in between, so that nothing which was written lies behind the new end.
    """

    # Of a block of data, and of a block of a folder.
    says = ("Input/output error", "Cannot allocate memory")
    kind = "EIO of a loop device that was cut short"

    def __init__(self, folder: Path, device: str) -> None:
        self.folder = folder
        self._device = device
        self._ballast, self._tail = folder / ".ballast", folder / ".tail"
        self._first_of_tail = os.statvfs(folder).f_blocks - TAIL_BLOCKS
        self._take_all(self._tail)
        for logical, physical, count in self._pieces(self._tail):
            below = min(count, self._first_of_tail - physical)
            if below > 0:
                place = f"--offset={logical * BLOCK}", f"--length={below * BLOCK}"
                run("fallocate", "--punch-hole", *place, str(self._tail))

    def break_it(self) -> None:
        self._take_all(self._ballast)
        os.truncate(self._tail, 0)
        self._end_at(self._first_of_tail * BLOCK)

    def mend(self) -> None:
        self._end_at(0)
        self._take_all(self._tail)
        self._ballast.unlink()

    def _take_all(self, path: Path) -> None:
        """Give a file every block that is free; some go into the table of its own pieces."""
        with open(path, "ab") as file:
            step = os.statvfs(self.folder).f_bfree
            while step:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step * BLOCK)
                except OSError:
                    step //= 2
                else:
                    step = min(step, os.statvfs(self.folder).f_bfree)

    def _pieces(self, path: Path) -> list[tuple[int, int, int]]:
        """Of each stretch of a file: its block in the file, that on the device, and how many there are."""
        rows = [
            line.replace(":", " ").replace("..", " ").split() for line in run("filefrag", "-v", str(path)).splitlines()
        ]
        return [(int(row[1]), int(row[3]), int(row[5])) for row in rows if row and row[0].isdigit()]

    def _end_at(self, size: int) -> None:
        fd = os.open(self._device, os.O_RDWR)
        try:
            info = bytearray(LOOP_INFO_SIZE)
            fcntl.ioctl(fd, LOOP_GET_STATUS64, info)
            struct.pack_into("Q", info, SIZE_LIMIT, size)
            fcntl.ioctl(fd, LOOP_SET_STATUS64, info)
        finally:
            os.close(fd)


class Moved:
    """A folder that somebody moves away, and back; whoever went on in its place is joined with it then."""

    says = ()
    kind = "mv"

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._here, self._there = folder / name, folder / f"{name}.moved"

    def break_it(self) -> None:
        self._here.rename(self._there)

    def mend(self) -> None:
        if self._here.exists():
            shutil.copytree(self._here, self._there, dirs_exist_ok=True)
            shutil.rmtree(self._here)
        self._there.rename(self._here)


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def small_disk(folder: Path, megabytes: int = 24) -> Iterator[Disk]:
    """A disk that can be full: a tmpfs, or else a limit on this process's files."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError):
        yield from _restored(LimitedFiles(folder))
        return
    try:
        yield SmallDisk(folder, megabytes)
    finally:
        run("umount", "--lazy", str(folder))


@contextmanager
def failing_disk(folder: Path, megabytes: int = 48) -> Iterator[Disk]:
    """A disk that answers EIO: a loop device, or else a limit on this process's files."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_name(f"{folder.name}.image")
    with open(image, "wb") as file:
        file.truncate(megabytes * MB)
    try:
        run(
            "mkfs.ext4",
            "-q",
            "-F",
            "-b",
            str(BLOCK),
            "-N",
            "1024",
            "-m",
            "0",
            "-O",
            "^has_journal,^resize_inode",
            str(image),
        )
        device = run("losetup", "--find", "--show", str(image))
    except (OSError, subprocess.CalledProcessError):
        yield from _restored(LimitedFiles(folder))
        return
    try:
        run("mount", "-o", "sync,nodelalloc", device, str(folder))
        try:
            # Blocks that small files have in advance could be written to all the same.
            with suppress(OSError):
                Path("/sys/fs/ext4", Path(device).name, "mb_group_prealloc").write_text("1")
            yield CutShort(folder, device)
        finally:
            run("umount", "--lazy", str(folder))
    finally:
        run("losetup", "--detach", device)
        image.unlink()


def _restored(disk: LimitedFiles) -> Iterator[Disk]:
    try:
        yield disk
    finally:
        disk.mend()
