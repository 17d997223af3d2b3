"""How much of what retraining could have won did a policy win, how surely, and on which periods does that hang?

Pure. Errors are functions of a set of rows; uncertainty comes from leaving out one stretch of neighbouring rows
at a time (block jackknife; Kuensch 1989), which holds for any metric and for errors that remember.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BLOCKS = 40
LEAST_ROWS = 20
Z = 1.96
# The error of some rows (a mask); NaN where it is undefined.
Score = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Left:
    """A score on all rows, and with each stretch of them left out; shape (stretches,)."""

    whole: float
    without: np.ndarray

    def __sub__(self, other: Left) -> Left:
        return Left(self.whole - other.whole, self.without - other.without)

    @property
    def error(self) -> float:
        """The standard error of the score."""
        known = self.without[np.isfinite(self.without)]
        if len(known) < 2:
            return math.nan
        return float(np.sqrt((len(known) - 1) / len(known) * ((known - known.mean()) ** 2).sum()))

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %."""
        reach = Z * self.error
        return (self.whole - reach, self.whole + reach) if math.isfinite(reach) else None


def stretches(n: int) -> list[np.ndarray]:
    """Rows 0..n-1 cut into stretches of neighbours, each as the mask of the rows that are *not* in it."""
    count = max(2, min(BLOCKS, n // LEAST_ROWS))
    masks = []
    for part in np.array_split(np.arange(n), count):
        mask = np.ones(n, dtype=bool)
        mask[part] = False
        masks.append(mask)
    return masks


def left_out(score: Score, n: int, masks: Sequence[np.ndarray]) -> Left:
    """A score on all of n rows and on each of some parts."""
    return Left(score(np.ones(n, dtype=bool)), np.array([score(mask) for mask in masks]))


@dataclass(frozen=True)
class Share:
    """The recovered share of the recoverable error, or None where there was nothing to recover.

    `won` is how much better the policy was than never retraining, in units of the metric; `recoverable` how much better
    the best of those who always retrain.
    """

    won: float
    won_interval: tuple[float, float] | None
    recoverable: float
    recoverable_interval: tuple[float, float] | None
    share: float | None
    interval: tuple[float, float] | None


def recovered(policy: Left, never: Left, best: Left, sign: int) -> Share:
    """(never - policy) / (never - best), where the denominator is clearly positive.

    Parameters
    ----------
    sign : int
        1 where a higher metric is better, else -1.

    Examples
    --------
    >>> never, best, policy = (Left(x, np.array([x - 0.1, x, x + 0.1])) for x in (12.0, 8.0, 9.0))
    >>> recovered(policy, never, best, -1).share
    0.75
    """
    won, possible = policy - never, best - never
    gained, able = sign * won.whole, sign * possible.whole
    clear = math.isfinite(possible.error) and able - Z * possible.error > 0
    share = None
    if clear and math.isfinite(gained):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = Left(gained / able, won.without / possible.without)
    return Share(
        won=gained,
        won_interval=_signed(won, sign),
        recoverable=able,
        recoverable_interval=_signed(possible, sign),
        share=share.whole if share else None,
        interval=share.interval if share else None,
    )


def _signed(difference: Left, sign: int) -> tuple[float, float] | None:
    told = difference.interval
    if told is None:
        return None
    return told if sign > 0 else (-told[1], -told[0])


def undominated(points: Mapping[str, tuple[float, float]]) -> frozenset[str]:
    """Those that no other beats in one of (cost, gain) without losing in the other.

    >>> sorted(undominated({"a": (1, 0.5), "b": (2, 0.9), "c": (3, 0.9), "d": (3, 0.4)}))
    ['a', 'b']
    """
    return frozenset(
        name
        for name, (cost, gain) in points.items()
        if not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points.values())
    )


def chosen(policies: Mapping[str, Left], costs: Mapping[str, float], sign: int) -> str:
    """The cheapest policy that is not surely worse than the best one: within one standard error of the paired
    difference (Breiman et al. 1984), so that nobody tunes on noise.

    Parameters
    ----------
    costs : of each policy, such as its attempts
    """
    best = max(policies, key=lambda name: (sign * policies[name].whole, -costs[name]))
    near = [
        name
        for name, told in policies.items()
        if name == best or sign * (policies[best] - told).whole <= (policies[best] - told).error
    ]
    return min(near, key=lambda name: (costs[name], -sign * policies[name].whole))
