"""Signs that a feature's data are broken, which is not drift: no model should learn from them.

Values of another type, values gone missing in one go, a column that stands still, another unit. Pure; each sign is a
sentence and the chance it has while nothing is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench import bands, units
from workbench.channels import Column
from workbench.usual import Usual, kept, of_profile

# The window is looked at in parts, so that a burst is seen while it is young.
PARTS = 10
MIN_PART = 20
LOST = 0.5
MIN_MISFITS = 0.01
# A window of which so much is in another unit is told as a whole.
ALL = 0.95


@dataclass(frozen=True)
class Sign:
    """Of another unit also its name, and what the values would be in the right one (`usual.kept`)."""

    channel: str
    share: float
    p: float
    sentence: str
    unit: str | None = None
    mended: tuple[float, ...] = ()


def signs(col: Column, misfits: int) -> list[Sign]:
    """What looks broken in a feature, however probable; drift.py asks whether chance explains it."""
    found = [_type(col, misfits), _burst(col), _constant(col)]
    return [sign for sign in found if sign is not None]


def schema(refused: int, requests: int, reference: int, *, least: float, level: float) -> str | None:
    """What to say of requests that were refused because their rows are not what the schema says; None if little.

    Parameters
    ----------
    refused, requests : int
        Of the newest requests.
    reference : int
        Rows of the reference, of which none would be refused.
    least : float
        The share that counts.
    level : float
        How improbable it must be while no more than none is usual.
    """
    if requests < MIN_PART or refused / requests < least:
        return None
    if bands.share_tail(refused, requests, 0, max(reference, 1)) > level:
        return None
    return f"schema: {refused / requests:.1%} of {requests:,} requests refused (422): their rows do not fit the schema"


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


def unit_change(col: Column, before: Usual | None, moved: bool) -> Sign | None:
    """Whether values stand in another unit than those of the reference, or than those before the window.

    `moved` says whether the feature has moved from the reference beyond doubt.
    """
    p, values = col.profile, col.values
    far = col.mean is not None and p.mean is not None and abs(col.mean - p.mean) > (p.std or 0.0)
    if not len(values) or not (moved or far or before is not None):
        return None
    reference = of_profile(p)
    if reference is None:
        return None
    found = units.find(values, reference, before, dependence=col.dependence, moved=moved)
    if found is None:
        return None
    there = "" if found.share > ALL else f" in {found.share:.1%} of the values"
    usual = before if before is not None and found.name in units.SCALES else reference
    now, was = np.median(values[found.rows]), usual.quantiles()[1]
    sentence = f"looks like {found.name}{there}: median {now:.4g}, was {was:.4g}"
    return Sign("unit", found.share, 0.0, sentence, unit=found.name, mended=kept(found.mended(values)))
