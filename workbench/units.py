"""Has a feature arrived in another unit? A factor of 10^k, or another scale of temperatures.

Pure. A unit may change for all of the window, for some stretch of it, or for rows here and there (one client of
several); and a season that the reference does not know must not hide it, nor pass for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.records import LARGEST
from workbench.usual import QUARTERS, SHAPE, Usual

FACTORS: dict[str, tuple[float, float]] = {
    f"a factor of {10.0**k:g}": (10.0**k, 0.0) for k in (1, 2, 3, 6, -1, -2, -3, -6)
}
SCALES: dict[str, tuple[float, float]] = {
    "degrees Fahrenheit instead of Celsius": (1.8, 32.0),
    "degrees Celsius instead of Fahrenheit": (1 / 1.8, -32 / 1.8),
    "kelvin instead of degrees Celsius": (1.0, 273.15),
    "degrees Celsius instead of kelvin": (1.0, -273.15),
}
CONVERSIONS = FACTORS | SCALES
# How alike middle and spread must be after a conversion, and how unlike the middle before: in interquartile ranges.
ALIKE, UNLIKE, SPREAD = 0.75, 2.0, 1.6
# Rows that depend on each other have the reference's spread only where they are worth so many independent ones.
WORTH, ALONE, NEAR = 8, 2, 3
ENOUGH = 50
# Values that stand apart from those of the reference: so few are enough, if so many of the converted would stand there.
FEW, APART, CUT, MOST = 5, 0.3, 0.005, 0.7
# A jump: medians of so many rows before and after, looked for at every few rows; how well they must join converted.
SIDE, STEP, JOIN = 20, 5, 0.5
STILL_SHARE, ROUNDING, CHANCE = 0.02, 1e-6, 1e-6


@dataclass(frozen=True)
class Other:
    """Which values are in another unit, and how far they are from the usual once they are put back."""

    name: str
    rows: np.ndarray
    off: float

    @property
    def share(self) -> float:
        return float(self.rows.mean())

    def mended(self, values: np.ndarray) -> np.ndarray:
        """The values, those in another unit put back.

        >>> Other("a factor of 10", np.array([False, True]), 0.0).mended(np.array([5.0, 60.0])).tolist()
        [5.0, 6.0]
        """
        factor, offset = CONVERSIONS[self.name]
        return np.where(self.rows, (values.clip(-LARGEST, LARGEST) - offset) / factor, values)


def find(
    values: np.ndarray, reference: Usual | None, before: Usual | None, *, dependence: float, moved: bool
) -> Other | None:
    """The other unit that explains most values.

    Parameters
    ----------
    values : array of float, shape (n,)
        The finite values of the window, in order of arrival.
    reference, before : Usual, optional
        By the reference, and by the rows before the window. Scales of temperatures are told by the latter where it is
        there: a season must not pass for one.
    dependence : float
        How many rows tell as much as one independent row.
    moved : bool
        Whether the feature has moved from the reference beyond doubt; only then factors are asked for.
    """
    found: list[Other] = []
    values = values.clip(-LARGEST, LARGEST)
    for usual in (reference, before):
        if usual is not None and moved:
            for name in FACTORS:
                found += _newest(name, values, usual)
                found += _apart(name, values, usual, dependence)
    latest = reference if before is None else before
    if latest is not None:
        known = [usual for usual in (reference, before) if usual is not None]
        wide, range_ = max(usual.width for usual in known), max(float(np.ptp(usual.points)) for usual in known)
        for name, (factor, offset) in SCALES.items():
            # A wind turns by 273 degrees: a mere shift must lead out of all that has been.
            if factor == 1 and abs(offset) < range_:
                continue
            # A few days are not like a season: there only the jump itself tells.
            if before is None or dependence < ALONE:
                found += _newest(name, values, latest)
            found += _apart(name, values, latest, dependence)
            if dependence >= ALONE:
                found += _jumped(name, values, latest, wide)
    if before is not None and before.standing is not None:
        found += _standing(values, before, before.standing, reference)
    return max(found, key=lambda other: (other.rows.sum(), -other.off), default=None)


def _newest(name: str, values: np.ndarray, usual: Usual) -> Iterator[Other]:
    """All values, or the newest part of them, if they look like this conversion."""
    shape = usual.quantiles(SHAPE)
    for share in (1.0, 0.5, 0.2) if len(values) >= ENOUGH else ():
        newest = np.arange(len(values)) >= len(values) - max(round(share * len(values)), ENOUGH)
        off = _off(values[newest], shape, shape, name, math.inf)
        if off is not None:
            yield Other(name, newest | _nearer(values, usual, name), off)
            return


def _nearer(values: np.ndarray, usual: Usual, name: str) -> np.ndarray:
    """The values that are far from the usual, and far nearer once they are put back."""
    factor, offset = CONVERSIONS[name]
    middle = usual.quantiles()[1]
    raw, back = np.abs(values - middle), np.abs((values - offset) / factor - middle)
    return (back < raw / 2) & (raw > usual.width)


def _off(values: np.ndarray, wanted: np.ndarray, usual: np.ndarray, name: str, worth: float) -> float | None:
    """How far values are from those wanted once they are put back, in widths; None if they are not like them.

    `wanted` and `usual` are quantiles (SHAPE); `worth` is how many independent rows the values are: few have neither
    quite the middle nor the spread of the many.
    """
    now, (factor, offset) = np.quantile(values, QUARTERS), CONVERSIONS[name]
    back, scarce = (now - offset) / factor, min(1.5 / math.sqrt(worth), 1.0)
    least, quarter, middle, three, most = wanted
    # Of a constant, rounding is all the width there is.
    width = max(three - quarter, ROUNDING * abs(middle))
    wide = max(usual[3] - usual[1], ROUNDING * abs(usual[2]))
    # About 0 a factor only changes the spread, and a spread may also drift: not a hundredfold.
    if not width > 0 or not (abs(now[1] - usual[2]) > UNLIKE * wide or not 0.02 < factor < 50):
        return None
    off, ratio, loose = abs(back[1] - middle) / width, (back[2] - back[0]) / width, 1 + scarce
    if off > ALIKE + 1.5 * scarce or ratio > SPREAD * loose:
        return None
    if three == quarter:
        return off
    if worth < WORTH and not quarter <= 0 <= three:
        # They may be alike because they follow each other; but not all at the end of what there was, and not near it.
        near = abs(now[1] - usual[2]) <= NEAR * (usual[4] - usual[0])
        return None if near or back[0] < least or back[2] > most else off
    if ratio * SPREAD * loose < 1:
        return None
    # A plain shift leaves the spread as it was: a factor must not explain it worse than no factor does.
    plain = abs(math.log((now[2] - now[0]) / wide))
    return off if factor == 1 or abs(math.log(ratio)) < plain else None


def _apart(name: str, values: np.ndarray, usual: Usual, dependence: float) -> Iterator[Other]:
    """Values where the reference has hardly any and the converted ones are, wherever in the window they are."""
    factor, offset = CONVERSIONS[name]
    points, weights, there = usual.points, usual.weights, np.ones(len(values), dtype=bool)
    if not offset:
        # Zeros are the same in every unit.
        there, some = values != 0, points != 0
        points, weights = points[some], weights[some]
    if not weights.sum() > 0:
        return
    plain = Usual(points, weights, usual.behind)
    for cut in (0.0, CUT):
        low, high = (points.min(), points.max()) if not cut else plain.quantiles((cut, 1 - cut))
        converted = points * factor + offset
        beyond = (converted < low) | (converted > high)
        if weights[beyond].sum() < APART * weights.sum():
            continue
        back = (values - offset) / factor
        outside = there & ((values < low) | (values > high))
        rows = outside & (back >= points.min()) & (back <= points.max())
        # Of values in the right unit a few lie there, too.
        if rows.sum() < max(FEW, 10 * cut * there.sum(), MOST * outside.sum()):
            continue
        worth = rows.sum() / dependence
        if offset and (worth < WORTH or _by_chance(worth, len(values), usual)):
            continue
        share = min(rows.sum() / there.sum() * weights.sum() / weights[beyond].sum(), 1.0)
        rest = values[there & ~outside]
        if len(rest) > max(FEW, 0.05 * there.sum()) and not _explains(
            rest, points, converted, weights, (low, high), share
        ):
            continue
        of_all, of_them = plain.quantiles(SHAPE), plain.quantiles(SHAPE, beyond)
        if share > 0.9:
            rows, of_them = there, of_all
        off = _off(values[rows], of_them, of_all, name, worth)
        if off is not None:
            yield Other(name, rows, off)
            return


def _by_chance(worth: float, n: int, usual: Usual) -> bool:
    """Whether so many of n values may lie beyond the outermost of those before, all being draws of the same."""
    return 2 * (n / (n + usual.behind)) ** worth > CHANCE


def _explains(
    rest: np.ndarray,
    points: np.ndarray,
    converted: np.ndarray,
    weights: np.ndarray,
    inside: tuple[float, float],
    share: float,
) -> bool:
    """Whether values that do not stand apart are what a share of converted ones leaves there.

    Where all have moved or spread, some stand apart for that alone.
    """
    both, weights = np.concatenate([points, converted]), np.concatenate([weights * (1 - share), weights * share])
    within = (both >= inside[0]) & (both <= inside[1])
    if not weights[within].sum() > 0:
        return False
    wanted, now = Usual(both, weights, len(rest)).quantiles(SHAPE, within), np.quantile(rest, SHAPE)
    loose = SPREAD * (1 + min(1.5 / math.sqrt(len(rest)), 1.0))
    apart = abs(now[2] - wanted[2]) > JOIN * (wanted[3] - wanted[1]) + ROUNDING * abs(wanted[2])
    spread, usual = now[4] - now[0], wanted[4] - wanted[0]
    return not apart and usual / (2 * loose) - ROUNDING * abs(wanted[2]) <= spread <= usual * loose + ROUNDING * abs(
        wanted[2]
    )


def _jumped(name: str, values: np.ndarray, usual: Usual, wide: float) -> Iterator[Other]:
    """Rows between a jump into another scale and the jump back: converted, they go on where those before them were.

    Values that jump as far without changing their scale, as the direction of the wind does, tell nothing by it.
    """
    factor, offset = CONVERSIONS[name]
    n, values = len(values), np.concatenate([usual.lately.clip(-LARGEST, LARGEST), values])
    if len(values) < 2 * SIDE or not wide > 0:
        return
    middle = usual.quantiles()[1]
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, SIDE)[::STEP], axis=1)
    earlier, later = medians[: -SIDE // STEP], medians[SIDE // STEP :]
    moves, back_earlier, back_later = np.abs(later - earlier), (earlier - offset) / factor, (later - offset) / factor
    into = (moves > UNLIKE * wide) & (np.abs(back_later - earlier) <= JOIN * wide)
    into &= np.abs(earlier - middle) < np.abs(later - middle)
    out = (moves > UNLIKE * wide) & (np.abs(later - back_earlier) <= JOIN * wide)
    out &= np.abs(later - middle) < np.abs(earlier - middle)
    jumps = np.flatnonzero(into | out)
    if not len(jumps):
        return
    quiet = np.abs(np.arange(len(moves))[:, None] - jumps).min(1) > SIDE // STEP
    if quiet.any() and moves[quiet].max() > moves[jumps].max() / 2:
        return
    rows, inside, start = np.zeros(len(values), dtype=bool), not into[jumps[0]], 0
    for jump in jumps.tolist():
        row = jump * STEP + SIDE
        if into[jump] and not inside:
            start = row
        if not into[jump] and inside:
            rows[start:row] = True
        inside = bool(into[jump])
    if inside:
        rows[start:] = True
    if rows[-n:].any():
        yield Other(name, rows[-n:], 0.0)


def _standing(values: np.ndarray, before: Usual, name: str, reference: Usual | None) -> Iterator[Other]:
    """Values that still stand in the unit that they stood in: put back, they are far nearer to those before.

    Not if they are where those of the reference are: then they are right, or right again.
    """
    rows = _nearer(values, before, name)
    if rows.sum() < max(FEW, STILL_SHARE * len(values)):
        return
    if reference is not None:
        usual = reference.quantiles()[1]
        if abs(float(np.median(values[rows])) - usual) <= ALIKE * reference.width:
            return
    yield Other(name, rows, 0.0)
