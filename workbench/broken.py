"""Signs that a feature's data are broken, which is not drift: no model should learn from them.

Values of another type, values gone missing in one go, a column that stands still, another unit. Pure; each sign is a
sentence and the chance it has while nothing is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench import bands
from workbench.channels import Column

# The window is looked at in parts, so that a burst is seen while it is young.
PARTS = 10
MIN_PART = 20
LOST = 0.5
MIN_MISFITS = 0.01
UNIT_ROWS = 50
POWERS = (1, 2, 3, 6, -1, -2, -3, -6)
# How alike middle and spread must be after a conversion, and how unlike the middle before: in interquartile ranges.
ALIKE, UNLIKE, SPREAD = 0.75, 2.0, 1.6
MARGIN = math.log(1.25)
CONVERSIONS: dict[str, tuple[float, float]] = {
    "degrees Fahrenheit instead of Celsius": (1.8, 32.0),
    "degrees Celsius instead of Fahrenheit": (1 / 1.8, -32 / 1.8),
    "kelvin instead of degrees Celsius": (1.0, 273.15),
    "degrees Celsius instead of kelvin": (1.0, -273.15),
    "kilometres instead of miles": (1.609344, 0.0),
    "miles instead of kilometres": (1 / 1.609344, 0.0),
    "centimetres instead of inches": (2.54, 0.0),
    "inches instead of centimetres": (1 / 2.54, 0.0),
    "feet instead of metres": (1 / 0.3048, 0.0),
    "metres instead of feet": (0.3048, 0.0),
    "pounds instead of kilograms": (1 / 0.45359237, 0.0),
    "kilograms instead of pounds": (0.45359237, 0.0),
}


@dataclass(frozen=True)
class Sign:
    channel: str
    share: float
    p: float
    sentence: str


def signs(col: Column, misfits: int) -> list[Sign]:
    """What looks broken in a feature, however probable; drift.py asks whether chance explains it."""
    found = [_type(col, misfits), _burst(col), _constant(col)]
    return [sign for sign in found if sign is not None]


def _type(col: Column, misfits: int) -> Sign | None:
    if not misfits or misfits / col.n < MIN_MISFITS:
        return None
    allowed = {"numeric": "numbers", "boolean": "true or false", "categorical": "texts"}[col.profile.kind]
    p = bands.share_tail(misfits, col.n, 0, max(col.profile.n, 1))
    return Sign("type", misfits / col.n, p, f"{misfits / col.n:.1%} of the values are no {allowed}")


def _parts(n: int) -> list[slice]:
    size = max(-(-n // PARTS), MIN_PART)
    return [slice(start, min(start + size, n)) for start in range(0, n, size) if n - start >= min(size, MIN_PART)]


def _burst(col: Column) -> Sign | None:
    """The part of the window that lost most of the values that the reference has there."""
    p = col.profile
    if not p.n or p.missing_share >= 1 or not col.missing_share:
        return None
    alike = p.missing_dependence
    m = max(round(p.n / alike), 1)
    worst: tuple[float, float, int] | None = None
    parts = _parts(col.n)
    for part in parts:
        there = col.missing[part]
        share = float(there.mean())
        if (share - p.missing_share) / (1 - p.missing_share) < LOST:
            continue
        n = max(round(len(there) / alike), 1)
        chance = bands.share_tail(round(share * n), n, round(p.missing_share * m), m) * len(parts)
        if worst is None or chance < worst[0]:
            worst = (chance, share, len(there))
    if worst is None:
        return None
    sentence = f"{worst[1]:.0%} missing among {worst[2]} in a row, was {p.missing_share:.1%}"
    return Sign("burst", worst[1], min(worst[0], 1.0), sentence)


def _constant(col: Column) -> Sign | None:
    """The least probable run of one and the same value."""
    p, values = col.profile, col.values
    if p.distinct < 2 or len(values) < 2:
        return None
    # Without an order in time nobody knows which rows go together, and a batch of one shop is no fault.
    least = min(MIN_PART, len(values)) if p.in_order else len(values)
    # A run of `least` holds two neighbours of these.
    thin = values[:: max(least // 2, 1)]
    if not (thin[1:] == thin[:-1]).any():
        return None
    other = values[1:] != values[:-1]
    starts = np.append(0, np.flatnonzero(other) + 1)
    lengths = np.diff(np.append(starts, len(values)))
    found = []
    for i in np.flatnonzero(lengths >= least):
        length, value = int(lengths[i]), float(values[starts[i]])
        if p.kind == "categorical" and value < 0:
            continue
        often = _often(col, value)
        chance = min(often ** (length / col.dependence) * len(values), 1.0)
        sentence = f"the same value {length} times in a row, a value like it had {often:.0%} of the reference"
        found.append(Sign("constant", length / len(values), chance, sentence))
    return min(found, key=lambda sign: sign.p, default=None)


def _often(col: Column, value: float) -> float:
    """The reference's share of the cell in which a value lies: at least the share of the value itself."""
    cells = np.asarray(col.profile.cells, dtype=float)
    if col.profile.kind == "categorical":
        return float(cells[int(value)] / cells.sum())
    return float(cells[int(np.searchsorted(col.profile.edges, value, side="left"))] / cells.sum())


def unit_change(col: Column) -> Sign | None:
    """Whether the newest values are those of the reference in another unit.

    A factor of 10^k, or a named conversion; only worth asking of a feature that has moved beyond doubt.
    """
    p, values = col.profile, col.values
    if p.kind != "numeric" or len(values) < UNIT_ROWS or len(p.edges) < 3:
        return None
    edges = np.asarray(p.edges)
    was = np.interp([0.25, 0.5, 0.75], np.arange(1, len(edges) + 1) / (len(edges) + 1), edges)
    # All of the window, or only its newest part: a few rows in a row may be alike for other reasons.
    for share in (1.0, 0.5, 0.2):
        newest = values[-max(round(share * len(values)), UNIT_ROWS) :]
        now = np.quantile(newest, [0.25, 0.5, 0.75])
        name = _conversion(now, was)
        if name:
            return Sign("unit", share, 0.0, f"looks like {name}: median {now[1]:.4g}, was {was[1]:.4g}")
    return None


def _conversion(now: np.ndarray, was: np.ndarray) -> str | None:
    """The conversion that brings the middle closest, if it brings the spread back, too."""
    width, moved = was[2] - was[0], abs(now[1] - was[1])
    if not width > 0 or not now[2] > now[0]:
        return None
    tried = {f"a factor of {10.0**k:g}": (10.0**k, 0.0) for k in POWERS} | CONVERSIONS
    fits: dict[str, float] = {}
    for name, (factor, offset) in tried.items():
        back = (now - offset) / factor
        off, ratio = abs(back[1] - was[1]) / width, (back[2] - back[0]) / width
        # About 0 a factor only changes the spread, and a spread may also drift: not a hundredfold.
        plain = moved > UNLIKE * width or not 0.02 < factor < 50
        # A plain shift leaves the spread as it was: a factor must not explain it worse than no factor does.
        better = factor == 1 or abs(math.log(ratio)) < abs(math.log((now[2] - now[0]) / width)) + MARGIN
        if plain and better and off <= ALIKE and 1 / SPREAD <= ratio <= SPREAD:
            fits[name] = off
    return min(fits, key=lambda name: fits[name], default=None)
