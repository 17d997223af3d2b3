"""How far does a score go by chance alone, when window and reference are draws of the same thing?

Pure functions on arrays. Every one counts the error of both samples: the window's n rows and the reference's m. Sizes
need not be whole numbers: rows that depend on each other count for less.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import chdtrc, chdtri, gammaln, ndtr, ndtri, rel_entr

STEPS = np.array([0.3, 0.8, 1.3, 1.8, 2.3, 2.8, 3.3, 3.8, 4.3, 4.8, 5.4, 6.5, 9, 14])
MIN_EXPECTED = 8.0
P_95 = 0.05
# Standard deviations from the middle of a count beyond which nothing is left that a float could hold beside the rest.
FAR = 40


@lru_cache(maxsize=10_000)
def threshold(p: float) -> float:
    """Standard deviations of a normal that are exceeded on either side with this chance.

    >>> round(threshold(0.05), 2)
    1.96
    """
    return float(-ndtri(p / 2))


def mean_curve(
    support: np.ndarray, weights: np.ndarray, n: np.ndarray, m: np.ndarray, scale: float | np.ndarray = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """The distribution of (mean of n draws) - scale * (mean of m draws), for several features at once.

    A saddlepoint approximation (Barndorff-Nielsen 1986; Lugannani and Rice 1980): unlike the normal one it is right
    far out in the tails of skewed, spiked and heavy-tailed features, where alarms are decided.

    Parameters
    ----------
    support : array, shape (k, s)
        Values that stand for each feature's distribution.
    weights : array, shape (k, s)
        Their probabilities.
    n, m : array, shape (k,)
        Effective rows of window and reference.
    scale : float or array, shape (k,)
        What the reference's error is multiplied with.

    Returns
    -------
    difference : array, shape (k, g)
        Ascending, 0 in the middle, in units of the support.
    z : array, shape (k, g)
        For each, the point of the standard normal that is exceeded with the same chance.
    """
    mean = (support * weights).sum(1, keepdims=True)
    y = support - mean
    variance = (y**2 * weights).sum(1)
    factor = np.broadcast_to(np.asarray(scale, float), n.shape)
    spread = np.sqrt(variance * (1 / n + factor**2 / m))
    steps = np.concatenate([-STEPS[::-1], STEPS])
    theta = steps / np.where(spread > 0, spread, 1.0)[:, None]
    at_n = _cumulants(y, weights, theta / n[:, None])
    at_m = _cumulants(y, weights, -theta * (factor / m)[:, None])
    total = n[:, None] * at_n[0] + m[:, None] * at_m[0]
    slope = at_n[1] - factor[:, None] * at_m[1]
    bend = at_n[2] / n[:, None] + factor[:, None] ** 2 * at_m[2] / m[:, None]
    r = np.sqrt(np.maximum(2 * (theta * slope - total), 1e-300))
    u = np.abs(theta) * np.sqrt(np.maximum(bend, 1e-300))
    z = np.maximum(r + np.log(u / r) / r, 0.0)
    half = len(STEPS)
    # At the end of a bounded support the approximation may turn; chances never do.
    right, left = np.maximum.accumulate(z[:, half:], 1), np.maximum.accumulate(z[:, :half][:, ::-1], 1)[:, ::-1]
    zero = np.zeros((len(y), 1))
    return (
        np.concatenate([slope[:, :half], zero, slope[:, half:]], 1),
        np.concatenate([-left, zero, right], 1),
    )


def _cumulants(y: np.ndarray, weights: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each feature, at each of s: log E exp(s y) and its first two derivatives; shapes (k, g)."""
    # Sums over the support as matrix products: (k, g, s) @ (k, s, 3).
    tilted = s[:, :, None] * y[:, None, :]
    top = np.maximum(s * y.min(1, keepdims=True), s * y.max(1, keepdims=True))[:, :, None]
    np.exp(tilted - top, out=tilted)
    powers = weights[:, :, None] * np.stack([np.ones_like(y), y, y**2], 2)
    mass, first, second = np.moveaxis(tilted @ powers, 2, 0)
    first, second = first / mass, second / mass
    return top[:, :, 0] + np.log(mass), first, second - first**2


def tail(difference: np.ndarray, z: np.ndarray, value: float) -> float:
    """The two-sided chance of a difference as large as this, from one feature's curve."""
    return float(2 * ndtr(-abs(np.interp(value, difference, z))))


def bounds(difference: np.ndarray, z: np.ndarray, p: float) -> tuple[float, float]:
    """The interval that is left on either side with half this chance, from one feature's curve."""
    edge = threshold(p)
    low, high = np.interp([-edge, edge], z, difference).tolist()
    return low, high


@lru_cache(maxsize=10_000)
def group(counts: tuple[int, ...], n: float) -> np.ndarray:
    """Neighbouring cells joined until each group is expected to hold a few of n rows; a group number a cell.

    >>> group((4, 2, 1, 1), 32)
    array([0, 1, 2, 2])
    """
    groups, total = np.zeros(len(counts), dtype=int), max(sum(counts), 1)
    current, filled = 0, 0.0
    for i, count in enumerate(counts):
        if filled * n >= MIN_EXPECTED:
            current, filled = current + 1, 0.0
        groups[i] = current
        filled += count / total
    if current and filled * n < MIN_EXPECTED:
        groups[groups == current] = current - 1
    return groups


def cells(window: np.ndarray, reference: np.ndarray, n: float, m: float) -> tuple[float, float, int]:
    """Jensen-Shannon distance of two sets of counts, the likelihood-ratio statistic behind it, its freedom.

    Parameters
    ----------
    window, reference : array of int, shape (cells,)
        Counts; neighbouring cells are joined where n rows are too few to fill them.
    n, m : float
        Effective rows: what the counts are worth.

    Returns
    -------
    distance : float
        From 0 to 1 (base 2).
    statistic : float
        G with Williams' correction; chi-square of `freedom` without drift, far out in the tail, too, where Pearson's
        is not.
    freedom : int
        0 where the rows are too few to compare.
    """
    groups = group(tuple(reference.tolist()), min(n, m))
    freedom = int(groups[-1]) if len(groups) else 0
    if freedom == 0 or not window.sum():
        return 0.0, 0.0, 0
    both = np.array([np.bincount(groups, window) / window.sum(), np.bincount(groups, reference) / reference.sum()])
    pooled, middle = np.array([n, m]) @ both / (n + m), both.mean(0)
    far, distance = rel_entr(both, np.array([pooled, middle])[:, None]).sum(2)
    total = n + m
    correction = 1 + (total / n + total / m - 1) * (np.sum(1 / np.maximum(pooled, 1e-12)) - 1) / (6 * total * freedom)
    g = 2 * float(n * far[0] + m * far[1]) / correction
    return math.sqrt(max(float(distance.mean()) / math.log(2), 0.0)), max(float(g), 0.0), freedom


def cells_tail(statistic: float, freedom: int) -> float:
    return float(chdtrc(freedom, statistic))


@lru_cache(maxsize=10_000)
def cells_bound(p: float, freedom: int) -> float:
    """The statistic that is exceeded with this chance."""
    return float(chdtri(freedom, p))


@lru_cache(maxsize=10_000)
def share_tail(k: int, n: int, reference_k: int, m: int) -> float:
    """The chance of k or more of n, when window and reference (reference_k of m) have the same share.

    Fisher's exact test, one side.

    >>> round(share_tail(1, 200, 1, 5_000), 4)
    0.0755
    """
    # Not scipy.stats, which a page that shows drift would load for this one function.
    drawn, total = reference_k + k, n + m
    if k <= max(0, n + drawn - total):
        return 1.0
    middle = n * drawn / total
    far = FAR * math.sqrt(middle * (1 - drawn / total)) + FAR
    least, most = max(k, int(middle - far)), min(n, drawn, int(max(k, middle) + far))
    i = np.arange(least, most + 1)
    chances = _choose(drawn, i) + _choose(total - drawn, n - i) - _choose(total, n)
    largest = float(chances.max())
    return min(math.exp(largest) * float(np.exp(chances - largest).sum()), 1.0)


def _choose(n: int, k: int | np.ndarray) -> np.ndarray:
    """The logarithm of the binomial coefficient."""
    return gammaln(n + 1) - gammaln(np.add(k, 1)) - gammaln(np.subtract(n + 1, k))


@lru_cache(maxsize=10_000)
def share_bounds(n: int, reference_k: int, m: int, above: float, below: float) -> tuple[float, float]:
    """The shares of n rows that chance exceeds with at most `above`, and falls below with at most `below`."""
    low = _last(lambda k: share_tail(n - k, n, m - reference_k, m) <= below, n)
    # The first count that is too many comes after the last that is not.
    high = _last(lambda k: share_tail(k, n, reference_k, m) > above, n)
    return (low + 1) / n, high / n


def _last(holds: object, n: int) -> int:
    """The largest count of 0..n for which a condition holds that holds up to a point; -1 if it never does."""
    assert callable(holds)
    low, high = -1, n
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
