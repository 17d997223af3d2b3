"""Which version is live, and how it came to be: live.json, replaced whole, and promotions.jsonl, appended to."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import filelock
import msgspec

from workbench.errors import Busy, CorruptVersion
from workbench.files import replace_whole
from workbench.moments import utc_now, utc_text
from workbench.records import Pointer, Promotion

logger = logging.getLogger("workbench.versions")


class LivePointer:
    """The pointer of one workspace; every switch holds a lock, replaces the file and then appends to the log."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.path = folder / "live.json"
        self.log_path = folder / "promotions.jsonl"
        self._lock_path = folder / "switch.lock"
        self._clock = clock

    def read(self) -> Pointer | None:
        """The pointer, or None if nothing has gone live yet.

        Raises
        ------
        CorruptVersion
            If the file is damaged, or gone although the log knows that something has gone live.
        """
        if self.path.exists() and not self.path.is_file():
            # A pipe, say, would be waited for.
            raise CorruptVersion(f"{self.path} is no plain file; delete it, then {self._remedy()}")
        try:
            pointer = msgspec.json.decode(self.path.read_bytes(), type=Pointer)
        except FileNotFoundError:
            if self.log():
                raise CorruptVersion(f"{self.path} is gone; {self._remedy()}") from None
            return None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CorruptVersion(f"{self.path} is damaged ({error}); {self._remedy()}") from error
        if pointer.checksum != _checksum(pointer):
            raise CorruptVersion(f"{self.path} does not match its checksum; {self._remedy()}")
        return pointer

    def stamp(self) -> tuple[int, int] | None:
        """Changes with every switch; costs one stat. None while the file cannot be looked at: `read` says why."""
        try:
            stat = os.stat(self.path)
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    @contextmanager
    def held(self) -> Iterator[Pointer | None]:
        """The pointer, or None if nothing has gone live yet; nobody switches while the block lasts.

        Raises
        ------
        Busy, CorruptVersion
        """
        with self._alone():
            yield self.read()

    def copy(self) -> dict[str, bytes]:
        """Pointer and log as they were at one moment, by the names of their files; without one that is not there."""
        with self._alone():
            there = [path for path in (self.path, self.log_path) if path.is_file()]
            return {path.name: path.read_bytes() for path in there}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = filelock.FileLock(self._lock_path).acquire(timeout=30)
        except filelock.Timeout as error:
            raise Busy("another process is switching, and has been for 30 s; try again") from error
        with lock:
            yield

    def switch(
        self,
        version_id: str,
        *,
        by: str,
        reason: str,
        generation: int | None = None,
        still: Callable[[], object] = lambda: None,
    ) -> Promotion:
        """Point at another version; the one that was live becomes `previous`.

        Parameters
        ----------
        still : callable
            Called when nobody else can switch or prune any more; raises if the version is not there.

        Raises
        ------
        Busy
            If the pointer is no longer of this generation: somebody else has switched.
        """
        with self._alone():
            still()
            before, sound = self._before()
            found = before.generation if before else 0
            if generation is not None and found != generation:
                live = before.version_id if before else "nothing"
                raise Busy(f"not switched: {live} has gone live meanwhile, by somebody else")
            if sound and before is not None and before.version_id == version_id:
                return self.log()[-1]
            pointer = Pointer(
                version_id=version_id,
                generation=before.generation + 1 if before else 1,
                activated_at=utc_text(self._clock()),
                previous=other_than(version_id, before),
            )
            self._point(pointer)
            promotion = promotion_of(pointer, by, reason)
            try:
                self._append(promotion)
            except OSError:
                # It is live: whoever is told otherwise would do it again.
                logger.exception("%s is live; the next switch writes that into %s", version_id, self.log_path.name)
            return promotion

    def follow(self) -> None:
        """Catch up with other machines; there are none here."""

    def _point(self, pointer: Pointer) -> None:
        sealed = msgspec.structs.replace(pointer, checksum=_checksum(pointer))
        replace_whole(self.path, msgspec.json.format(msgspec.json.encode(sealed), indent=2))

    def log(self) -> list[Promotion]:
        """All promotions, oldest first; a torn last line is left out."""
        if not self.log_path.is_file():
            return []
        lines = self.log_path.read_bytes().split(b"\n")[:-1]
        promotions = []
        for line in lines:
            try:
                promotions.append(msgspec.json.decode(line, type=Promotion))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return promotions

    def live_at(self, moment: datetime) -> str | None:
        """The version that was live at a moment."""
        before = [p for p in self.log() if p.activated_at <= utc_text(moment)]
        return before[-1].version_id if before else None

    def _before(self) -> tuple[Pointer | None, bool]:
        """The pointer, and whether its file is sound; if a process died before its log line, that is written first."""
        try:
            pointer = self.read()
        except CorruptVersion:
            # Activating a version is the remedy for a damaged pointer; the log knows where it stood.
            log = self.log()
            if not log:
                return None, False
            return pointer_of(log[-1]), False
        log = self.log()
        if pointer is not None and (not log or log[-1].generation < pointer.generation):
            self._append(promotion_of(pointer, "recovered", "the switch was cut off before it was logged"))
        return pointer, True

    def _append(self, promotion: Promotion) -> None:
        fd = os.open(self.log_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(fd, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            # A torn last line stays a line of its own.
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            file.write((b"\n" if torn else b"") + msgspec.json.encode(promotion) + b"\n")
            file.flush()
            os.fsync(fd)

    def _remedy(self) -> str:
        log = self.log()
        last = log[-1].version_id if log else "ID"
        return f"make a version live again with `python main.py activate {last}`"


def promotion_of(pointer: Pointer, by: str, reason: str) -> Promotion:
    return Promotion(
        version_id=pointer.version_id,
        previous=pointer.previous,
        generation=pointer.generation,
        activated_at=pointer.activated_at,
        by=by,
        reason=reason,
    )


def pointer_of(promotion: Promotion) -> Pointer:
    """What the pointer says after a promotion; without its checksum."""
    return Pointer(
        version_id=promotion.version_id,
        generation=promotion.generation,
        activated_at=promotion.activated_at,
        previous=promotion.previous,
    )


def other_than(version_id: str, before: Pointer | None) -> str | None:
    """What to go back to: the version before, which for a mended pointer is not the mended version itself."""
    if before is None:
        return None
    return before.previous if before.version_id == version_id else before.version_id


def _checksum(pointer: Pointer) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(pointer, checksum=""))).hexdigest()
