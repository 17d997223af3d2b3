"""Is the challenger better than the champion on the same rows? Paired, with uncertainty, and with limits.

Pure: errors of the same hour or day go together, so the bootstrap draws stretches of neighbouring rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import ndtri

from workbench.records import Comparison, GateVerdict

CONFIDENCE = 0.95
ROUNDS = 400


def gate(
    advantage: Callable[[np.ndarray], float],
    n: int,
    *,
    metric: str,
    min_rows: int,
    seed: int,
    margin: float = 0.0,
    tolerance: float = 0.0,
    confidence: float = CONFIDENCE,
    block_rows: int | None = None,
) -> GateVerdict:
    """Compare two models on the same rows.

    Paired bootstrap over blocks of rows that are neighbours in event time (moving blocks; Kuensch 1989); the interval
    is normal around the value, with the bootstrap's standard error.

    Parameters
    ----------
    advantage : callable, array of int (k,) -> float
        How much better the challenger is in the metric on these rows (of 0..n-1, with repetition), positive is better.
    n : int
        Rows on which both were asked.
    min_rows : int
        Fewer rows than this cannot tell.
    margin : float
        How much better it must be at least, in units of the metric.
    tolerance : float
        How much worse it may be and still be "not worse".
    confidence : float
        Of the interval, two-sided.
    block_rows : int, optional
        Default: twice the cube root of n, at least 10.

    Returns
    -------
    GateVerdict
        better: the whole interval lies above the margin; not worse: above minus the tolerance; worse: the whole
        interval lies below 0; else cannot tell.
    """
    if n < min_rows:
        sentence = f"cannot tell: {n} rows to compare on, {min_rows} are needed"
        return GateVerdict(verdict="cannot tell", metric=metric, rows=n, sentence=sentence)
    value = float(advantage(np.arange(n)))
    bounds = interval(value, np.array([advantage(rows) for rows in draws(n, seed, block_rows)]), confidence)
    if bounds is None:
        sentence = f"cannot tell: {metric} is undefined on these {n} rows"
        return GateVerdict(verdict="cannot tell", metric=metric, rows=n, sentence=sentence)
    low, high = bounds
    verdict: Comparison = "cannot tell"
    if low > margin:
        verdict = "better"
    elif high < 0:
        verdict = "worse"
    elif low >= -tolerance:
        verdict = "not worse"
    return GateVerdict(
        verdict=verdict,
        metric=metric,
        rows=n,
        sentence=f"{verdict}: {metric} {value:+.4g} in the challenger's favour over {n} rows "
        f"({confidence * 100:.4g} %: {low:+.4g} to {high:+.4g})",
        advantage=value,
        low=low,
        high=high,
    )


def draws(n: int, seed: int, block_rows: int | None = None) -> Iterator[np.ndarray]:
    """The rows of each round of the bootstrap: n of 0..n-1, in stretches of neighbours."""
    size = min(block_rows or max(10, round(2 * n ** (1 / 3))), n)
    starts = np.random.default_rng(seed).integers(0, n - size + 1, size=(ROUNDS, -(-n // size)))
    offsets = np.arange(size)
    for row in starts:
        yield (row[:, None] + offsets).ravel()[:n]


def interval(value: float, rounds: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Normal, around the value, as wide as the rounds vary; None where it is undefined, or in most of the rounds."""
    known = rounds[np.isfinite(rounds)]
    if not np.isfinite(value) or len(known) < ROUNDS / 2:
        return None
    reach = float(-ndtri((1 - confidence) / 2) * known.std(ddof=1))
    return value - reach, value + reach
