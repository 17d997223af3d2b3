"""Each metric as a mean over rows: what one row adds to the loss, and what that says of the metric's sampling error.

MSE, MAE, accuracy, log loss and Brier score are means of something. Precision, recall and F1 are shares, and a share
is below v exactly if the mean of v * denominator - numerator is above 0. ROC AUC and R2 are means to first order (the
influence function; for ROC AUC that of DeLong et al. 1988). So one test for means, and one closed form, serve all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from workbench.autocorrelation import dependence
from workbench.records import METRICS
from workbench.scores import Sample, own

SHARES = ("accuracy", "precision", "recall", "f1", "roc_auc")
POSITIVE = ("mse", "rmse", "mae", "log_loss", "brier")
Z_95 = 1.959964
ROUNDS = 60
Constants = Mapping[str, tuple[float, float]]


def constants(sample: Sample, metric: str) -> dict[str, tuple[float, float]]:
    """Of precision, recall and F1, for each class that counts: the share, and the mean of its denominator."""
    if metric not in ("precision", "recall", "f1"):
        return {}
    found = {}
    for c in _counted(sample):
        numerator, denominator = _parts(sample, metric, c)
        total = float(denominator.mean()) if len(sample) else 0.0
        found[sample.classes[c]] = (float(numerator.mean() / total) if total else 0.0, total)
    return found


def row_losses(sample: Sample, metric: str, at: Constants) -> np.ndarray | None:
    """What each row adds to the loss; its mean over some rows is larger exactly if the metric is worse there.

    Parameters
    ----------
    metric : str
    at : constants of the sample to compare with

    Returns
    -------
    array of float, shape (n,), or None for a metric that is no mean of this kind (ROC AUC, R2, one's own)
    """
    if sample.task == "regression":
        error = sample.y_pred - sample.y_true
        return {"mae": np.abs(error), "mse": error**2, "rmse": error**2}.get(metric)
    if metric == "accuracy":
        return (sample.y_pred != sample.y_true).astype(float)
    if metric in ("log_loss", "brier"):
        return None if sample.chances is None else _of_chances(sample, sample.chances, metric)
    if metric in ("precision", "recall", "f1"):
        return _of_shares(sample, metric, at)
    return None


def weight(sample: Sample, metric: str, at: Constants) -> float:
    """How large the denominators of shares are here, as a multiple of those of `at`; 1 for all other metrics.

    The mean loss of rows with few positives is small though their recall is far off: by this factor.
    """
    found = []
    for name, (_, denominator) in at.items():
        if name in sample.classes and denominator:
            _, below = _parts(sample, metric, sample.classes.index(name))
            found.append(float(below.mean()) / denominator)
    return float(np.mean(found)) if found else 1.0


def influence(sample: Sample, metric: str) -> np.ndarray | None:
    """How much each row moves the metric's value for the worse, to first order; mean 0.

    Returns
    -------
    array of float, shape (n,), or None where the metric is undefined here or is one's own
    """
    if metric == "bias":
        error = sample.y_pred - sample.y_true
        return error - error.mean()
    if metric == "r2":
        return _of_r2(sample)
    if metric == "roc_auc":
        return _of_auc(sample)
    losses = row_losses(sample, metric, constants(sample, metric))
    if losses is None:
        return None
    centred = losses - losses.mean()
    return centred / (2 * math.sqrt(losses.mean()) or 1.0) if metric == "rmse" else centred


def standard_error(sample: Sample, metric: str) -> float | None:
    """Of the metric over these rows, which depend on each other as their losses in this order do.

    Of one's own metrics by a bootstrap of neighbouring rows (Kuensch 1989); of all others in closed form.
    """
    if len(sample) < 2:
        return None
    moved = influence(sample, metric)
    if moved is not None:
        return float(math.sqrt(dependence(moved) * moved.var() / len(moved)))
    if metric in METRICS[sample.task]:
        return None
    rng, n = np.random.default_rng(0), len(sample)
    size = min(max(10, round(2 * n ** (1 / 3))), n)
    starts = rng.integers(0, n - size + 1, size=(ROUNDS, -(-n // size)))
    rounds = [own(sample.take((row[:, None] + np.arange(size)).ravel()[:n]), metric) for row in starts]
    known = np.array([value for value in rounds if math.isfinite(value)])
    return float(known.std(ddof=1)) if len(known) > ROUNDS / 2 else None


def interval(metric: str, value: float | None, error: float | None, n: int) -> tuple[float, float] | None:
    """The 95 % interval of a metric from its standard error, within what the metric can be.

    Shares: Wilson's, for as many rows as the error tells of (`n` where no row tells of any: all right, or all wrong).
    Means of what cannot be negative: normal in the logarithm. Others: normal.

    >>> [round(bound, 3) for bound in interval("accuracy", 0.9, 0.03, 100)]
    [0.826, 0.945]
    """
    if value is None or error is None:
        return None
    if metric in SHARES:
        rows = value * (1 - value) / error**2 if error > 0 else float(n)
        middle = (value + Z_95**2 / (2 * rows)) / (1 + Z_95**2 / rows)
        half = Z_95 * math.sqrt(value * (1 - value) / rows + Z_95**2 / (4 * rows**2)) / (1 + Z_95**2 / rows)
        return max(middle - half, 0.0), min(middle + half, 1.0)
    if metric in POSITIVE and value > 0:
        factor = math.exp(Z_95 * error / value)
        return value / factor, value * factor
    return value - Z_95 * error, value + Z_95 * error


def _counted(sample: Sample) -> list[int]:
    """The classes a share is of: the last of two, else all that occur."""
    k = len(sample.classes)
    if k <= 2:
        return [k - 1] if k else []
    return sorted(set(np.unique(sample.y_true)) | set(np.unique(sample.y_pred)))


def _parts(sample: Sample, metric: str, c: int) -> tuple[np.ndarray, np.ndarray]:
    """Numerator and denominator of a class's share, row by row."""
    true, said = sample.y_true == c, sample.y_pred == c
    both = (true & said).astype(float)
    if metric == "f1":
        return 2 * both, true.astype(float) + said
    return both, (true if metric == "recall" else said).astype(float)


def _of_shares(sample: Sample, metric: str, at: Constants) -> np.ndarray:
    total = np.zeros(len(sample))
    for name, (share, denominator) in at.items():
        if name in sample.classes and denominator:
            numerator, below = _parts(sample, metric, sample.classes.index(name))
            total += (share * below - numerator) / denominator
    return total / max(len(at), 1)


def _of_chances(sample: Sample, chances: np.ndarray, metric: str) -> np.ndarray:
    whole = chances / np.maximum(chances.sum(1, keepdims=True), 1e-12)
    hit = np.arange(chances.shape[1]) == sample.y_true[:, None]
    if metric == "brier":
        return ((whole - hit) ** 2).sum(1) / (2 if chances.shape[1] == 2 else 1)
    return -np.log(np.maximum(whole[hit], np.finfo(float).eps))


def _of_r2(sample: Sample) -> np.ndarray | None:
    error = (sample.y_pred - sample.y_true) ** 2
    apart = (sample.y_true - sample.y_true.mean()) ** 2
    spread = apart.mean()
    return (error - error.mean() / spread * apart) / spread if spread else None


def _of_auc(sample: Sample) -> np.ndarray | None:
    if sample.chances is None:
        return None
    counted = _counted(sample)
    parts = [_of_one_auc(sample.chances[:, c], sample.y_true == c) for c in counted]
    told = [part for part in parts if part is not None]
    return np.mean(told, axis=0) if told else None


def _of_one_auc(score: np.ndarray, positive: np.ndarray) -> np.ndarray | None:
    if positive.all() or not positive.any():
        return None
    ups, downs = np.sort(score[positive]), np.sort(score[~positive])
    below = (np.searchsorted(downs, score, "left") + np.searchsorted(downs, score, "right")) / (2 * len(downs))
    above = 1 - (np.searchsorted(ups, score, "left") + np.searchsorted(ups, score, "right")) / (2 * len(ups))
    share = positive.mean()
    area = below[positive].mean()
    return np.where(positive, (area - below) / share, (area - above) / (1 - share))
