"""The thread that keeps a machine and the shared database of one mind: what is recorded here goes there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import filelock
import msgspec

from workbench.errors import DatabaseAway
from workbench.files import replace_whole
from workbench.shared_records import SharedRecords

log = logging.getLogger("workbench.sharing")


class Sharing:
    """Ships every so often, from a thread of its own, until the block ends; then once more.

    Parameters
    ----------
    shared : SharedRecords
    every_s : float
    also : callable
        Done after each time; what it raises is told as trouble.
    """

    def __init__(self, shared: SharedRecords, *, every_s: float, also: Callable[[], object] = lambda: None) -> None:
        self._shared = shared
        self._every_s = every_s
        self._also = also
        self._told: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sharing", daemon=True)

    def __enter__(self) -> Sharing:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        lock = self._shared.shipping_lock()
        while not self._ended.is_set():
            try:
                with lock.acquire(timeout=1):
                    self._keep_on()
            except filelock.Timeout:
                continue

    def _keep_on(self) -> None:
        note_trouble(self._shared.folder, None)
        while not self._ended.wait(self._every_s):
            self._once()
        self._once()

    def _once(self) -> None:
        trouble: str | None = None
        try:
            self._shared.shipper.ship()
            self._also()
        except DatabaseAway as error:
            # It is in the log already.
            trouble = str(error)
        except Exception as error:
            trouble = f"{type(error).__name__}: {error}"
            if trouble != self._told:
                log.exception("what is recorded here is not shared")
        if trouble != self._told:
            self._told = trouble
            note_trouble(self._shared.folder, trouble)


class _Noted(msgspec.Struct, kw_only=True):
    trouble: str | None


def note_trouble(folder: Path, trouble: str | None) -> None:
    """Tell the other processes of this machine why nothing is shared; None if all is well."""
    try:
        replace_whole(folder / "sharing.json", msgspec.json.encode(_Noted(trouble=trouble)))
    except OSError:
        log.exception("it cannot be noted whether records are shared")


def trouble_here(folder: Path) -> str | None:
    """Why what is recorded here is not shared now; None if it is, or if nobody tries."""
    try:
        return msgspec.json.decode((folder / "sharing.json").read_bytes(), type=_Noted).trouble
    except (FileNotFoundError, msgspec.DecodeError):
        return None
