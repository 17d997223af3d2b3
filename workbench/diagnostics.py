"""Where is a model wrong? Confusion, ROC and calibration of a classifier, residuals of a regressor.

Pure, and numpy alone: whoever looks at recorded answers does not load scikit-learn for it, which is the oracle of the
tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.scores import Sample

# Of an interval of 95 %.
Z = 1.959964
BINS = 10
# Rows that a part of the predictions needs for its quantiles to say something.
LEAST_ROWS = 20


@dataclass(frozen=True)
class Roc:
    """True positives won for false positives paid, from the highest threshold to the lowest; shares, ascending."""

    false_positive: np.ndarray
    true_positive: np.ndarray
    auc: float
    positives: int


@dataclass(frozen=True)
class Calibration:
    """Bins of forecast probability that hold a row: what was forecast, what came (with 95 %), and how many rows.

    `middle` is of the bin, `forecast` the mean of its rows.
    """

    middle: np.ndarray
    forecast: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Residuals:
    """Prediction minus actual, row by row; `center`, `low`, `middle` and `high` are of parts of equally many rows.

    `low`, `middle` and `high` are the 5 %, 50 % and 95 % quantiles of the residuals about a prediction of `center`.
    """

    predicted: np.ndarray
    residual: np.ndarray
    center: np.ndarray
    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray


def confusion(sample: Sample) -> np.ndarray:
    """Rows by actual class (first axis) and answered class (second).

    Returns
    -------
    array of int, shape (classes, classes)

    Examples
    --------
    >>> confusion(Sample("classification", np.array([0, 0, 1]), np.array([0, 1, 1]), ("no", "yes"))).tolist()
    [[1, 1], [0, 1]]
    """
    k = len(sample.classes)
    return np.bincount(sample.y_true * k + sample.y_pred, minlength=k * k).reshape(k, k)


def most_frequent(matrix: np.ndarray, classes: tuple[str, ...], most: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """A confusion matrix of no more than `most` classes: the rarest ones become one, "others".

    >>> most_frequent(np.diag([5, 1, 9, 2]), ("a", "b", "c", "d"), 3)[1]
    ('a', 'c', 'others')
    """
    if len(classes) <= most:
        return matrix, classes
    frequent = np.sort(np.argsort(-(matrix.sum(0) + matrix.sum(1)), kind="stable")[: most - 1])
    place = np.full(len(classes), most - 1)
    place[frequent] = np.arange(most - 1)
    merged = np.zeros((most, most), dtype=matrix.dtype)
    np.add.at(merged, (place[:, None], place[None, :]), matrix)
    return merged, (*(classes[i] for i in frequent), "others")


def roc(positive: np.ndarray, score: np.ndarray) -> Roc | None:
    """The curve of a score against the truth.

    Parameters
    ----------
    positive : array of bool, shape (n,)
    score : array of float, shape (n,)
        Higher where it is surer of positive.

    Returns
    -------
    Roc or None
        A point a different score, after the origin. None without rows of both kinds.
    """
    positives = int(positive.sum())
    if not 0 < positives < len(positive):
        return None
    order = np.argsort(-score, kind="stable")
    hit, ordered = positive[order], score[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    won = np.append(0, np.cumsum(hit)[last])
    paid = np.append(0, last + 1) - won
    true, false = won / positives, paid / (len(positive) - positives)
    return Roc(false, true, float(np.trapezoid(true, false)), positives)


def calibration(happened: np.ndarray, forecast: np.ndarray, bins: int = BINS) -> Calibration:
    """Did what was forecast with 70 % happen in 70 of 100 cases?

    Parameters
    ----------
    happened : array of bool, shape (n,)
    forecast : array of float, shape (n,)
        Probabilities.
    bins : int
        Equally wide; those without a row are left out.
    """
    where = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], forecast)
    rows = np.bincount(where, minlength=bins)
    held = rows > 0
    n = rows[held]
    share = np.bincount(where, weights=happened, minlength=bins)[held] / n
    mean = np.bincount(where, weights=forecast, minlength=bins)[held] / n
    low, high = wilson(share, n)
    return Calibration((np.flatnonzero(held) + 0.5) / bins, mean, share, low, high, n)


def wilson(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of shares of n rows each (Wilson 1927).

    >>> [round(float(bound), 3) for bound in wilson(np.array(0.5), np.array(100))]
    [0.404, 0.596]
    """
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return middle - half, middle + half


def residuals(sample: Sample, parts: int = BINS) -> Residuals:
    """How far off a regressor is, and whether that depends on what it says.

    Parameters
    ----------
    parts : int
        Of equally many rows, ordered by prediction; fewer where they would hold less than 20.
    """
    order = np.argsort(sample.y_pred, kind="stable")
    predicted = sample.y_pred[order]
    residual = predicted - sample.y_true[order]
    cut = min(parts, len(order) // LEAST_ROWS)
    pieces = [] if cut < 1 else np.array_split(np.arange(len(order)), cut)
    center = np.array([predicted[piece].mean() for piece in pieces])
    quantiles = np.array([np.quantile(residual[piece], [0.05, 0.5, 0.95]) for piece in pieces]).reshape(-1, 3)
    return Residuals(predicted, residual, center, *quantiles.T)
