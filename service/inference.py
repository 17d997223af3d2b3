"""The version this worker answers with."""

from __future__ import annotations

import logging
import threading
import time

from workbench.errors import WorkbenchError
from workbench.served_version import ServedVersion
from workbench.version_store import VersionStore

log = logging.getLogger("workbench.service")
RETRY_S = 5.0


class Serving:
    """Follows the pointer: a new version is loaded beside the old one, which serves until the new one is proven.

    The live version and the one before stay in memory, so that going back costs nothing.
    """

    def __init__(self, versions: VersionStore) -> None:
        self.versions = versions
        self.current: ServedVersion | None = None
        self.error: str | None = None
        self._loaded: dict[str, ServedVersion] = {}
        self._stamp: tuple[int, int] | None = None
        self._retry_at = 0.0
        self._loading = threading.Lock()

    def follow(self) -> None:
        """Look at the pointer; costs a stat unless it has moved. A new version is loaded by a thread of its own."""
        moved = self.versions.pointer.stamp() != self._stamp
        again = self.error is not None and time.monotonic() >= self._retry_at
        if (moved or again) and self._loading.acquire(blocking=False):
            threading.Thread(target=self._load, name="load-version", daemon=True).start()

    def loaded(self, version_id: str) -> ServedVersion | None:
        """A version that is in memory, live or the one before; None if it is not."""
        return self._loaded.get(version_id)

    def ids(self) -> list[str]:
        """What is in memory, the live version last."""
        return list(self._loaded)

    def settle(self, timeout_s: float) -> None:
        """Wait until no version is being loaded, at most so long."""
        if self._loading.acquire(timeout=timeout_s):
            self._loading.release()

    def _without_pointer(self) -> str | None:
        """Nothing has gone live yet, or all that told it is gone since."""
        if self.current is None:
            return None
        return (
            f"{self.versions.folder}/ no longer tells which version is live; {self.current.id} goes on answering; "
            f"restore that folder from a copy, or make a version live with `python main.py activate ID`"
        )

    def _load(self) -> None:
        try:
            self._stamp = self.versions.pointer.stamp()
            live = self.versions.live()
            if live is None:
                self.error = self._without_pointer()
                return
            version = self._loaded.get(live.version_id) or self.versions.serve(live.version_id)
            before, self.current, self.error = self.current, version, None
            self._loaded = {v.id: v for v in (before, version) if v is not None}
            if self.versions.shelf is not None:
                self.versions.shelf.keep(self._loaded)
        except (WorkbenchError, OSError) as error:
            log.exception("the live version cannot be loaded")
            self.error, self._retry_at = f"the live version cannot be loaded: {error}", time.monotonic() + RETRY_S
        finally:
            self._loading.release()
