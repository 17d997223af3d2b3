"""Fits that are shared by their content: the same estimator on the same rows is fitted once, whoever asks for it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from workbench import ensemble
from workbench.bars import Progress, silent


class SharedFits:
    """Takes the place of `ensemble.fit`.

    `spent_s` is what the fits took, also where somebody else had done them before; `asked` how many there were.

    Parameters
    ----------
    folder : path
        Where fits are kept; several processes may share it.
    """

    def __init__(self, folder: Path) -> None:
        self._fit = joblib.Memory(folder, verbose=0).cache(_timed, ignore=["progress"])
        self.spent_s = 0.0
        self.asked = 0

    def __call__(
        self, estimator: Any, X: pd.DataFrame, y: np.ndarray, progress: Progress = silent, weights: Any = None
    ) -> Any:
        # Where rows come from is no part of what is learnt from them.
        fitted, took_s = self._fit(estimator, X.reset_index(drop=True), y, weights, progress)
        self.spent_s += took_s
        self.asked += 1
        return fitted


def _timed(estimator: Any, X: pd.DataFrame, y: np.ndarray, weights: Any, progress: Progress) -> tuple[Any, float]:
    begun = time.perf_counter()
    fitted = ensemble.fit(estimator, X, y, progress, weights)
    return fitted, time.perf_counter() - begun
