"""How many rows in a row tell as much as one independent row?

Rows that follow each other in event time are often alike (the weather of an hour, the customers of a campaign); their
mean then wanders further by chance than that of as many independent rows.
"""

from __future__ import annotations

import numpy as np

MIN_ROWS = 20


def dependence(series: np.ndarray) -> float:
    """The integrated autocorrelation time: variance of the mean of n rows, as a multiple of independent rows'.

    The spectrum at frequency zero of an autoregression (Yule-Walker by Levinson's recursion, order by BIC), divided by
    the variance: what CODA's `effectiveSize` does (Heidelberger and Welch 1981), with an order that independent rows
    pass as 0. One standard error is added where any dependence is found, since too little of it means false alarms.

    Parameters
    ----------
    series : array of float, shape (n,)
        In event time, without missing values.

    Returns
    -------
    float
        At least 1, at most half of n.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> dependence(rng.normal(size=2_000))
    1.0
    >>> dependence(np.repeat(rng.normal(size=200), 10)) > 7
    True
    """
    n = len(series)
    if n < MIN_ROWS or series.min() == series.max():
        return 1.0
    covariances = _autocovariances(series - series.mean(), min(round(10 * np.log10(n)), n // 10))
    time = _spectrum_at_zero(covariances, n) / covariances[0]
    if time <= 1:
        return 1.0
    # Of a first-order autoregression: the delta method on its coefficient.
    return float(min(time * (1 + (1 + time) / np.sqrt(n * time)), n / 2))


def neighbours(series: np.ndarray, length: int) -> np.ndarray:
    """Means of so many rows in a row, from each on; after the last comes the first, so that their mean is the series'.

    Of them, far tails can be told: rows that depend on each other are far out together (the circular blocks of Politis
    and Romano 1992).

    >>> neighbours(np.array([1.0, 2.0, 6.0]), 2)
    array([1.5, 4. , 3.5])
    """
    if length <= 1 or not len(series):
        return series
    sums = np.cumsum(np.concatenate([[0.0], series, series[: length - 1]]))
    return (sums[length:] - sums[:-length]) / length


def _autocovariances(centred: np.ndarray, most: int) -> np.ndarray:
    # Here, and not above: a worker that records and answers has no need of scipy.
    from scipy import fft

    n = len(centred)
    transform = fft.rfft(centred, fft.next_fast_len(n + most, real=True))
    return fft.irfft(np.abs(transform) ** 2, fft.next_fast_len(n + most, real=True))[: most + 1] / n


def _spectrum_at_zero(covariances: np.ndarray, n: int) -> float:
    """Of the autoregression with the smallest BIC."""
    coefficients, variance = np.zeros(0), covariances[0]
    best, chosen = n * np.log(variance), variance
    for order in range(1, len(covariances)):
        reflection = (covariances[order] - coefficients @ covariances[order - 1 : 0 : -1]) / variance
        coefficients = np.append(coefficients - reflection * coefficients[::-1], reflection)
        variance *= 1 - reflection**2
        if not variance > 1e-12 * covariances[0]:
            break
        bic = n * np.log(variance) + order * np.log(n)
        if bic < best:
            best, chosen = bic, variance / (1 - coefficients.sum()) ** 2
    return float(chosen)
