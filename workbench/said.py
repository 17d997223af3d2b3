"""What was answered to each row of a history, by which version: arrays on disk that are written as the play goes on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from workbench.answers import Answers
from workbench.labelled_history import History
from workbench.scores import Sample, label_text

# Metrics of the answers alone: what needs no probabilities need not keep them.
OF_CLASSES = ("accuracy", "precision", "recall", "f1")


class Said:
    """Answers to a history's traffic.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    chances : bool
        Whether the probabilities are kept, too.
    """

    def __init__(self, folder: Path, history: History, *, chances: bool) -> None:
        self.folder = folder
        self.history = history
        self.offset = history.told.start
        self.n = history.told.rows - self.offset
        self._chances = chances and bool(history.told.classes)
        folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def values(self) -> np.memmap:
        """Numbers, or numbers of classes; NaN where nothing was answered. Shape (rows of traffic,)."""
        return self._array("values", np.float64, (self.n,), np.nan)

    @cached_property
    def versions(self) -> np.memmap:
        """The number of the version that answered, as `names` has it; -1: none."""
        return self._array("versions", np.int32, (self.n,), -1)

    @cached_property
    def chances(self) -> np.memmap:
        """Shape (rows of traffic, classes)."""
        return self._array("chances", np.float64, (self.n, len(self.history.told.classes)), 0.0)

    @property
    def names(self) -> list[str]:
        """The versions that answered, by number."""
        path = self.folder / "versions.txt"
        return path.read_text().split() if path.exists() else []

    def write(self, rows: Sequence[int] | np.ndarray, said: Answers, version: str) -> None:
        """Answers to some rows of the history."""
        at = np.asarray(rows) - self.offset
        if self.history.told.classes:
            number = {name: i for i, name in enumerate(self.history.told.classes)}
            self.values[at] = [number[label_text(label)] for label in said.predictions]
            if self._chances and said.probabilities:
                for name, i in number.items():
                    self.chances[at, i] = [row.get(name, 0.0) for row in said.probabilities]
        else:
            self.values[at] = said.predictions
        self.versions[at] = self._number(version)

    def sample(self, rows: np.ndarray) -> Sample:
        """Answers and actuals of some rows of traffic (a mask or their numbers), all with both."""
        history, told = self.history, self.history.told
        y = np.asarray(history.y[self.offset :])[rows]
        if not told.classes:
            return Sample("regression", y, np.asarray(self.values)[rows])
        chances = np.asarray(self.chances)[rows] if self._chances else None
        return Sample("classification", y, np.asarray(self.values)[rows].astype(int), told.classes, chances)

    def flush(self) -> None:
        for array in (self.values, self.versions, *([self.chances] if self._chances else [])):
            array.flush()

    def _number(self, version: str) -> int:
        names = self.names
        if version not in names:
            names.append(version)
            (self.folder / "versions.txt").write_text("\n".join(names))
        return names.index(version)

    def _array(self, name: str, kind: type, shape: tuple[int, ...], empty: float) -> np.memmap:
        path = self.folder / f"{name}.npy"
        if path.exists():
            return np.lib.format.open_memmap(path, mode="r+")
        aside = path.with_suffix(".making.npy")
        array = np.lib.format.open_memmap(aside, mode="w+", dtype=kind, shape=shape)
        array[:] = empty
        array.flush()
        aside.rename(path)
        return np.lib.format.open_memmap(path, mode="r+")
