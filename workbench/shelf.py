"""Arrays of checked bytes, mapped from copies that no hand and no disk changes; the workers of a service share them.

A file of a version that is mapped itself would change under those who answer from it: a flipped byte would be a wrong
answer, and a cut-off end would kill the process that reads there.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

import numpy as np

log = logging.getLogger("workbench.versions")


class Shelf:
    """Copies in a folder of this service alone, best one in memory.

    Parameters
    ----------
    folder : Path
        Made if need be. Several processes may use it at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def array(self, data: bytes, version_id: str) -> np.ndarray:
        """The array that the content of a .npy file is; read-only, and in this process alone if there is no room."""
        path = self.folder / f"{version_id}-{sha256(data).hexdigest()}.npy"
        try:
            if not path.exists():
                self._put(path, data)
            mapped: np.ndarray = np.load(path, mmap_mode="r")
        except OSError:
            log.exception("%s is not shared between workers", version_id)
            return of_bytes(data)
        return mapped

    def keep(self, version_ids: Collection[str]) -> None:
        """Forget copies of all other versions; whoever still answers from one goes on."""
        for path in self.folder.glob("*.npy"):
            if path.stem.rpartition("-")[0] not in version_ids:
                path.unlink(missing_ok=True)

    def _put(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = path.with_suffix(f".{os.getpid()}")
        try:
            aside.write_bytes(data)
            os.replace(aside, path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise


def of_bytes(data: bytes) -> np.ndarray:
    """The array that the content of a .npy file is.

    Raises
    ------
    ValueError
        If it is none, or holds objects.
    """
    array: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
    return array
