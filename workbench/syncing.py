"""Syncing every so often: what was written is on the disk within some seconds, and nobody who writes waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("workbench.store")


class Syncer:
    """Calls a function twice in a span of time, from a thread of its own that begins when it is first needed.

    Parameters
    ----------
    sync : callable
        Puts on the disk what was written before it was called; may raise OSError.
    every_s : float
        Twice: what is written right after one call has had the next whole one within this time.
    """

    def __init__(self, sync: Callable[[], None], *, every_s: float) -> None:
        self.trouble: str | None = None
        self._sync = sync
        self._every_s = every_s
        self._starting = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def run_beside(self) -> None:
        """Begin, unless it runs; a forked process has none of its parent's threads and begins anew."""
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._ended.clear()
                    self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
                    self._thread.start()

    def end(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None

    def _run(self) -> None:
        while not self._ended.wait(self._every_s / 2):
            self.once()

    def once(self) -> None:
        """Sync now; what the disk refuses is told, and tried again with what is written next."""
        try:
            self._sync()
        except OSError as error:
            if self.trouble is None:
                log.exception("what was recorded is not on the disk")
            self.trouble = str(error)
        else:
            self.trouble = None
