"""What an error model is made of: inputs as numbers, a regression of the loss, a calibration of probabilities.

Small and quick: a holdout has about a thousand rows. scikit-learn is imported when something is fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd

from workbench.records import LARGEST, Schema

FREQUENT = 20
# How far beyond the holdout's range an input is told apart, in standard deviations.
BEYOND = 1.0
PENALTIES = np.logspace(0, 4, 9)
# No loss is expected to be smaller than this share of the mean.
FLOOR = 0.05
# How much inputs may say beside the probabilities: from nothing to a lot.
SAY = (0.0, 0.1, 0.3)
Ask = Callable[[np.ndarray], np.ndarray]
Folds = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Scaling:
    """One column of numbers around 0, in standard deviations, kept near the range it had; beside it whether missing."""

    fill: float
    mean: float
    std: float
    low: float
    high: float

    def columns(self, column: np.ndarray) -> np.ndarray:
        missing = np.isnan(column)
        filled = np.where(missing, self.fill, column.clip(-LARGEST, LARGEST))
        return np.column_stack([((filled - self.mean) / self.std).clip(self.low, self.high), missing])


def scaling(column: np.ndarray) -> Scaling:
    finite = column[np.isfinite(column)].clip(-LARGEST, LARGEST)
    if not len(finite):
        return Scaling(0.0, 0.0, 1.0, -BEYOND, BEYOND)
    mean, std = float(finite.mean()), float(finite.std()) or 1.0
    low, high = (finite.min() - mean) / std - BEYOND, (finite.max() - mean) / std + BEYOND
    return Scaling(float(np.median(finite)), mean, std, float(low), float(high))


class Inputs:
    """The features of a holdout as numbers; of texts the frequent ones, each its own column."""

    def __init__(self, frame: pd.DataFrame, schema: Schema) -> None:
        self.numbers: dict[str, Scaling] = {}
        self.texts: dict[str, list[str]] = {}
        for feature in schema.features:
            if feature.kind == "categorical":
                counts = frame[feature.name].value_counts()
                self.texts[feature.name] = sorted(counts.index[counts >= FREQUENT])
            else:
                self.numbers[feature.name] = scaling(frame[feature.name].to_numpy(dtype=float))

    def columns(self, frame: pd.DataFrame) -> np.ndarray:
        """Shape (rows, columns)."""
        numbers = [scaling.columns(frame[name].to_numpy(dtype=float)) for name, scaling in self.numbers.items()]
        texts = [
            (frame[name].to_numpy(dtype=object)[:, None] == np.array(kept, dtype=object)).astype(float)
            for name, kept in self.texts.items()
            if kept
        ]
        return np.hstack([*numbers, *texts])


class Losses:
    """The expected loss of a row: linear, and small trees on what that leaves; from a floor above 0 to `most`."""

    def __init__(self, columns: np.ndarray, lost: np.ndarray, *, most: float) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.linear_model import RidgeCV

        self.low, self.most = FLOOR * float(lost.mean()), most
        self.linear = RidgeCV(PENALTIES).fit(columns, lost)
        trees = HistGradientBoostingRegressor(
            max_iter=60,
            learning_rate=0.06,
            max_leaf_nodes=8,
            min_samples_leaf=25,
            l2_regularization=5.0,
            early_stopping=False,
            random_state=0,
        )
        self.trees = trees.fit(columns, lost - self.linear.predict(columns))

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Shape (rows,)."""
        return (self.linear.predict(columns) + self.trees.predict(columns)).clip(self.low, self.most)


class Chances:
    """The chances of the classes: logistic in the first `certain` columns, and in the others as far as they may say."""

    def __init__(self, columns: np.ndarray, y: np.ndarray, *, classes: int, certain: int, say: float) -> None:
        from sklearn.linear_model import LogisticRegression

        self.classes, self.certain, self.say = classes, certain, say
        self.logistic = LogisticRegression(C=10.0, max_iter=1_000).fit(self._weighed(columns), y)

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Shape (rows, classes)."""
        found = np.zeros((len(columns), self.classes))
        found[:, self.logistic.classes_] = self.logistic.predict_proba(self._weighed(columns))
        return found

    def _weighed(self, columns: np.ndarray) -> np.ndarray:
        if not self.say:
            return columns[:, : self.certain]
        return np.hstack([columns[:, : self.certain], self.say * columns[:, self.certain :]])


def calibration(
    columns: np.ndarray, y: np.ndarray, folds: Folds, *, classes: int, certain: int
) -> Callable[[np.ndarray, np.ndarray], Ask]:
    """How to fit Chances: with the say of the inputs that foretells best out of fold."""

    def missed(say: float) -> float:
        total = 0.0
        for rest, fold in folds:
            fitted = Chances(columns[rest], y[rest], classes=classes, certain=certain, say=say)
            told = fitted(columns[fold])[np.arange(len(fold)), y[fold]]
            total -= float(np.log(told.clip(1e-3, 1.0)).sum())
        return total

    return partial(Chances, classes=classes, certain=certain, say=min(SAY, key=missed))


def folds(n: int, k: int) -> Folds:
    """Contiguous parts, each with the rows of the others: (others, part)."""
    edges = np.linspace(0, n, k + 1).astype(int)
    return [(np.r_[0:start, end:n], np.arange(start, end)) for start, end in pairwise(edges)]
