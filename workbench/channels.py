"""The ways in which one feature can move, each measured on its own terms: a score, its chance, its bounds.

mean, std (spread), distribution, missing, range (numbers) or unseen (categories). Pure; what the figures mean together
is drift.py's business.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np

from workbench import bands
from workbench.evaluation import FeatureProfile
from workbench.profiles import moments, support
from workbench.records import LARGEST
from workbench.sections import DriftSettings

# Of a feature's share of false alarms, what broken data may spend, beside the channels (drift_rules.py).
BROKEN_WEIGHT = 0.1
# More missing values matter more often than fewer.
RISE = 0.9
CATEGORIES_SHOWN = 20
COMMON = 20
WORTH_THREADS = 1_000_000


@dataclass(frozen=True)
class Measured:
    """One channel: `bounds` is the interval that chance leaves with a probability; `large` says the effect counts."""

    value: float
    p: float
    noise: float
    limit: float
    large: bool
    bounds: Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class Column:
    """One feature of the window: its finite values in order, what else stood there, and the cells they fall in."""

    profile: FeatureProfile
    n: int
    values: np.ndarray
    support: tuple[np.ndarray, np.ndarray] | None
    infinite: int
    outside: int
    missing: np.ndarray
    cells: np.ndarray
    reference_cells: np.ndarray
    unseen: np.ndarray
    mean: float | None = None
    std: float | None = None

    @cached_property
    def missing_share(self) -> float:
        return float(np.count_nonzero(self.missing) / self.n) if self.n else 0.0

    @property
    def dependence(self) -> float:
        p = self.profile
        return p.cell_dependence if p.kind == "categorical" else p.value_dependence

    @property
    def effective(self) -> float:
        return len(self.values) / self.dependence


def columns(window: Mapping[str, Any], reference: Sequence[FeatureProfile]) -> list[Column]:
    """The features' columns of the window, taken apart; it may as well be a DataFrame."""
    series = dict(window.items())

    def taken(profile: FeatureProfile) -> Column:
        return column(series[profile.name], profile)

    if sum(len(values) for values in series.values()) < WORTH_THREADS:
        return [taken(p) for p in reference]
    # Nearly all of it is sorting, which leaves the interpreter to others.
    with ThreadPoolExecutor(min(len(reference), os.cpu_count() or 1)) as pool:
        return list(pool.map(taken, reference))


def column(values: Any, profile: FeatureProfile) -> Column:
    """A feature's column of the window (array or Series), taken apart."""
    if profile.kind == "categorical":
        return _texts(np.asarray(values, dtype=object), profile)
    return _numbers(np.asarray(values, dtype=float), profile)


def _numbers(raw: np.ndarray, profile: FeatureProfile) -> Column:
    # Of a wide frame the columns are not contiguous in memory: one copy, to be sorted and forgotten.
    ordered, values, missing = np.array(raw), raw, np.zeros(len(raw), dtype=bool)
    ordered.sort()
    # Missing values are sorted last.
    if len(raw) and not (np.isfinite(ordered[0]) and np.isfinite(ordered[-1])):
        ordered, values, missing = ordered[np.isfinite(ordered)], raw[np.isfinite(raw)], np.isnan(raw)
    low, high = profile.low, profile.high
    outside, least, most = len(ordered), -LARGEST, LARGEST
    if low is not None and high is not None:
        outside = int(np.searchsorted(ordered, low) + len(ordered) - np.searchsorted(ordered, high, side="right"))
        if low < high:
            # One value of 1e30 must not hide what all the others do; the range channel counts it.
            least, most = max(2 * low - high, least), min(2 * high - low, most)
    bounds = np.searchsorted(ordered, profile.edges, side="right")
    if len(ordered) and not least <= ordered[0] <= ordered[-1] <= most:
        ordered = ordered.clip(least, most)
    infinite = len(raw) - int(np.count_nonzero(missing)) - len(values)
    mean, std = moments(ordered) if len(ordered) else (None, None)
    return Column(
        profile=profile,
        n=len(raw),
        values=values,
        support=support(ordered, mean, std) if mean is not None and std is not None else None,
        infinite=infinite,
        outside=outside + infinite,
        missing=missing,
        cells=np.diff(np.concatenate([[0], bounds, [len(values)]])) if profile.cells else np.zeros(0),
        reference_cells=np.asarray(profile.cells),
        unseen=np.zeros(0, dtype=object),
        mean=mean,
        std=std,
    )


def _texts(raw: np.ndarray, profile: FeatureProfile) -> Column:
    known = {name: i for i, name in enumerate(profile.shares)}
    codes = np.fromiter(map(known.get, raw, repeat(-1)), dtype=int, count=len(raw))
    missing = np.zeros(len(raw), dtype=bool)
    strange = np.flatnonzero(codes < 0)
    # Of all values NaN alone is not itself.
    missing[strange] = [value is None or value != value for value in raw[strange]]
    there = codes[~missing]
    unseen = raw[~missing][there < 0]
    counts, before = np.bincount(there[there >= 0], minlength=len(known)), np.asarray(profile.cells)
    # The share of a rare category is not known, only that it was met: all the rare and the unseen are one cell.
    common = int((before >= COMMON).sum())
    return Column(
        profile=profile,
        n=len(raw),
        values=there,
        support=None,
        infinite=0,
        outside=len(unseen),
        missing=missing,
        cells=np.append(counts[:common], len(there) - counts[:common].sum()),
        reference_cells=np.append(before[:common], before[common:].sum()),
        unseen=unseen,
    )


def measure(columns: Sequence[Column], limits: DriftSettings) -> list[dict[str, Measured]]:
    """All channels of all features."""
    moved = _moments(columns, limits)
    found = []
    for col, first in zip(columns, moved, strict=True):
        channels = dict(first)
        distribution = _distribution(col, limits)
        if distribution:
            channels["distribution"] = distribution
        if col.n and col.profile.n:
            channels["missing"] = _missing(col, limits)
        outside = _outside(col, limits)
        if outside:
            channels["unseen" if col.profile.kind == "categorical" else "range"] = outside
        found.append(channels)
    return found


def _moments(columns: Sequence[Column], limits: DriftSettings) -> list[dict[str, Measured]]:
    """Mean and spread of every feature that has them, from one computation of their curves."""
    found: list[dict[str, Measured]] = [{} for _ in columns]
    able = [i for i, c in enumerate(columns) if c.profile.std and c.mean is not None and c.profile.support]
    if not able:
        return found
    points, chances, n, m = [], [], [], []
    for i in able:
        col, p = columns[i], columns[i].profile
        assert col.support is not None
        own, own_weights = col.support
        there, share = p.present, len(col.values) / (len(col.values) + p.present)
        centre, scale = p.mean or 0.0, p.std or 1.0
        values, reference = (own - (col.mean or 0.0)) / scale, (np.asarray(p.support) - centre) / scale
        weights = np.concatenate([np.asarray(p.weights) * (1 - share), own_weights * share])
        # Without drift both are draws of the same, so both together say best what that is.
        points += [np.concatenate([reference, values])]
        points += [np.concatenate([reference**2, values**2])]
        chances += [weights, weights]
        n += [max(col.effective, 1.0)] * 2
        m += [max(there / p.value_dependence, 1.0)] * 2
    sizes_n, sizes_m = np.array(n), np.array(m)
    differences, z = bands.mean_curve(np.array(points), np.array(chances), sizes_n, sizes_m)
    for place, i in enumerate(able):
        col, a, b = columns[i], 2 * place, 2 * place + 1
        found[i]["mean"] = _of_mean(col, differences[a], z[a], limits)
        # Of two values the mean says it all.
        if col.profile.distinct > 2 and col.effective > 2 and sizes_m[b] > 2:
            found[i]["std"] = _of_std(col, differences[b], z[b], sizes_n[b], sizes_m[b], limits)
    return found


def _of_mean(col: Column, difference: np.ndarray, z: np.ndarray, limits: DriftSettings) -> Measured:
    assert col.mean is not None
    value = (col.mean - (col.profile.mean or 0.0)) / (col.profile.std or 1.0)
    low, high = bands.bounds(difference, z, bands.P_95)
    return Measured(
        value=value,
        p=bands.tail(difference, z, value),
        noise=value / high if value > 0 else value / low,
        limit=limits.min_mean_shift,
        large=abs(value) >= limits.min_mean_shift,
        bounds=lambda p: bands.bounds(difference, z, p),
    )


def _of_std(col: Column, difference: np.ndarray, z: np.ndarray, n: float, m: float, limits: DriftSettings) -> Measured:
    """The curve is of variances; a sample's own variance is a little too small, the more so the fewer its rows."""
    ratio = (col.std or 0.0) / (col.profile.std or 1.0)
    at = ratio**2 / (1 - 1 / n) - 1 / (1 - 1 / m)

    def as_ratio(moved: float) -> float:
        return math.sqrt(max((moved + 1 / (1 - 1 / m)) * (1 - 1 / n), 0.0))

    def as_ratios(p: float) -> tuple[float, float]:
        least, most = bands.bounds(difference, z, p)
        return as_ratio(least), as_ratio(most)

    low, high = bands.bounds(difference, z, bands.P_95)
    limit = limits.min_std_ratio
    return Measured(
        value=ratio,
        p=bands.tail(difference, z, at),
        noise=at / high if at > 0 else at / low,
        limit=limit,
        large=not 1 / limit < ratio < limit,
        bounds=as_ratios,
    )


def _distribution(col: Column, limits: DriftSettings) -> Measured | None:
    p = col.profile
    alike = max(p.cell_dependence, 1.0)
    n, m = len(col.values) / alike, p.present / alike
    distance, statistic, freedom = bands.cells(col.cells, col.reference_cells, n, m)
    if not freedom:
        return None
    # For small moves the distance is the root of G / (8 n m / (n + m) ln 2); along this move it is exact.
    scale = distance / math.sqrt(statistic) if statistic else math.sqrt((1 / n + 1 / m) / (8 * math.log(2)))
    return Measured(
        value=distance,
        p=bands.cells_tail(statistic, freedom),
        noise=math.sqrt(statistic / bands.cells_bound(bands.P_95, freedom)),
        limit=limits.min_distance,
        large=distance >= limits.min_distance,
        bounds=lambda p: (0.0, min(scale * math.sqrt(bands.cells_bound(p, freedom)), 1.0)),
    )


def _missing(col: Column, limits: DriftSettings) -> Measured:
    p, alike = col.profile, col.profile.missing_dependence
    n, m = max(round(col.n / alike), 1), max(round(p.n / alike), 1)
    share = col.missing_share
    k, reference_k = round(share * n), round(p.missing_share * m)
    rise, fall = bands.share_tail(k, n, reference_k, m), bands.share_tail(n - k, n, m - reference_k, m)
    return Measured(
        value=share,
        p=min(rise / RISE, fall / (1 - RISE), 1.0),
        noise=_share_noise(share, p.missing_share, n, m),
        limit=limits.min_missing_shift,
        large=abs(share - p.missing_share) >= limits.min_missing_shift,
        bounds=lambda p: bands.share_bounds(n, reference_k, m, p * RISE, p * (1 - RISE)),
    )


def _outside(col: Column, limits: DriftSettings) -> Measured | None:
    """Values that the reference does not have: how many, beside how many chance alone would bring.

    A new row is outside as often as a row of the reference is outside of the others (Good 1953): `outermost` of m.
    """
    p = col.profile
    there = len(col.values) + col.infinite
    if not there or not p.present or (p.kind != "categorical" and p.low is None):
        return None
    share, expected = col.outside / there, (p.outermost + p.infinite) / p.present
    n, m = max(round(there / col.dependence), 1), max(round(p.present / col.dependence), 1)
    k, reference_k = round(share * n), math.ceil(expected * m)
    return Measured(
        value=share,
        p=bands.share_tail(k, n, reference_k, m),
        noise=_share_noise(share, expected, n, m),
        limit=limits.min_outside_share,
        large=share >= limits.min_outside_share,
        bounds=lambda p: (0.0, bands.share_bounds(n, reference_k, m, p, 0.0)[1]),
    )


def _share_noise(share: float, reference: float, n: int, m: int) -> float:
    pooled = (share * n + reference * m) / (n + m)
    error = math.sqrt(max(pooled * (1 - pooled), 0.25 / (n + m)) * (1 / n + 1 / m))
    return abs(share - reference) / (bands.threshold(bands.P_95) * error)
