"""How far has production traffic moved from what the version was trained on?

Pure functions on arrays: no disk, no clock, no random state. Every score comes with the band it stays in when nothing
has moved, at this window's size and this reference's; an alarm needs a score beyond its band *and* beyond the
effect that the settings call large enough to matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from scipy.special import chdtri

from workbench.evaluation import DriftResult, FeatureDrift, FeatureProfile
from workbench.records import Schema, State

BINS = 20
CATEGORIES_SHOWN = 20


def profile(frame: pd.DataFrame, schema: Schema) -> tuple[FeatureProfile, ...]:
    """Summarise a reference, feature by feature, so that later checks need not read it again.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_features)
        As `features.align` gives it.

    Returns
    -------
    tuple of FeatureProfile
        Moments of the values present, quantile edges for pictures, category shares of the values present.
    """
    return tuple(
        _categorical_profile(f.name, frame[f.name])
        if f.kind == "categorical"
        else _numeric_profile(f.name, f.kind, frame[f.name].to_numpy(dtype=float))
        for f in schema.features
    )


def _numeric_profile(name: str, kind: Any, column: np.ndarray) -> FeatureProfile:
    values = column[np.isfinite(column)]
    missing = 1 - len(values) / max(len(column), 1)
    if not len(values):
        return FeatureProfile(name=name, kind=kind, n=len(column), missing_share=missing)
    mean, std = float(values.mean()), _std(values)
    standard = (values - mean) / std if std else np.zeros(1)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)))
    return FeatureProfile(
        name=name,
        kind=kind,
        n=len(column),
        missing_share=missing,
        mean=mean,
        std=std,
        kurtosis=float((standard**4).mean()) or 3.0,
        edges=tuple(float(e) for e in edges),
    )


def _std(values: np.ndarray) -> float:
    """Of equal values it is 0, and not the rounding error of their mean."""
    return float(values.std()) if values.min() < values.max() else 0.0


def _categorical_profile(name: str, column: pd.Series) -> FeatureProfile:
    shares = column.value_counts(normalize=True)
    return FeatureProfile(
        name=name,
        kind="categorical",
        n=len(column),
        missing_share=float(column.isna().mean()) if len(column) else 0.0,
        shares={str(k): float(v) for k, v in shares.items()},
    )


def check(
    window: pd.DataFrame,
    reference: Sequence[FeatureProfile],
    *,
    min_rows: int,
    max_mean_shift: float,
    max_std_ratio: float,
    max_share_shift: float,
    false_alarm_rate: float,
    accepted: Mapping[str, str] | None = None,
) -> DriftResult:
    """A window beside its reference.

    Parameters
    ----------
    window : DataFrame, shape (n_rows, n_features)
    reference : the live version's profile
    min_rows : int
        Below this the verdict is `insufficient`.
    max_mean_shift : float
        In standard deviations of the reference; beyond it (and beyond the band) is an alarm.
    max_std_ratio : float
        Above 1; an alarm beyond it or below its inverse.
    max_share_shift : float
        From 0 to 1: the share of the window that would have to change category to match the reference.
    false_alarm_rate : float
        Width of the bands: the chance that any score of a check leaves its band without drift.
    accepted : mapping of feature to reason, optional
        Features whose drift a person took as the new normal; they raise no alarm.

    Returns
    -------
    DriftResult
    """
    n = len(window)
    if n < min_rows:
        sentence = f"insufficient: {n} predictions of this version, {min_rows} are needed"
        return DriftResult(state="insufficient", sentence=sentence, n=n)
    scores = sum(1 if p.kind == "categorical" else 2 for p in reference)
    chance = false_alarm_rate / max(scores, 1)
    z = NormalDist().inv_cdf(1 - chance / 2)
    results = []
    for p in reference:
        if p.kind == "categorical":
            results.append(_categorical(window[p.name], p, chance, max_share_shift))
        else:
            column = window[p.name].to_numpy(dtype=float)
            results.append(_numeric(column, p, z, max_mean_shift, max_std_ratio))
    results = [_accept(r, accepted or {}) for r in results]
    alarms = [r for r in results if r.state == "alarm"]
    sentence = "; ".join(r.sentence for r in alarms) or f"no drift in {len(results)} features over {n} predictions"
    return DriftResult(state="alarm" if alarms else "ok", sentence=sentence, n=n, features=tuple(results))


def _accept(result: FeatureDrift, accepted: Mapping[str, str]) -> FeatureDrift:
    if result.state != "alarm" or result.feature not in accepted:
        return result
    sentence = f"{result.sentence}; accepted: {accepted[result.feature]}"
    return msgspec.structs.replace(result, state="ok", sentence=sentence)


def _numeric(column: np.ndarray, p: FeatureProfile, z: float, max_shift: float, max_ratio: float) -> FeatureDrift:
    values = column[np.isfinite(column)]
    n, missing = len(values), 1 - len(values) / len(column)
    base: dict[str, Any] = {
        "feature": p.name,
        "kind": p.kind,
        "n": n,
        "missing_share": missing,
        "reference_missing_share": p.missing_share,
        "reference_mean": p.mean,
        "reference_std": p.std,
    }
    if n < 2 or p.mean is None or p.std is None:
        sentence = f"{p.name}: {n} values in the window, {'some' if p.mean is not None else 'none'} in the reference"
        return FeatureDrift(state="insufficient", sentence=sentence, **base)
    m = max(p.n * (1 - p.missing_share), 1)
    error = math.sqrt(1 / n + 1 / m)
    mean, std = float(values.mean()), _std(values)
    # A constant reference has no spread to measure in: its own size, or 1, is the unit then.
    unit = p.std or abs(p.mean) or 1.0
    mean = p.mean if not p.std and not std and math.isclose(mean, p.mean) else mean
    shift, shift_band = (mean - p.mean) / unit, z * error
    # Delta method: var(log sd) = (kurtosis - 1) / 4n, for the window as for the reference.
    ratio_band = math.exp(min(z * error * math.sqrt(max((p.kurtosis or 3.0) - 1, 0.1)) / 2, 50.0))
    ratio = std / p.std if p.std else None
    moved = abs(shift) > max(max_shift, shift_band)
    limit = max(max_ratio, ratio_band)
    spread = ratio is not None and (ratio > limit or ratio < 1 / limit)
    state: State = "alarm" if moved or spread else "ok"
    return FeatureDrift(
        state=state,
        sentence=_numeric_sentence(p, mean, std, shift, shift_band, moved, spread),
        mean=mean,
        std=std,
        mean_shift=shift,
        mean_shift_band=shift_band,
        std_ratio=ratio,
        std_ratio_band=ratio_band,
        **base,
    )


def _numeric_sentence(
    p: FeatureProfile, mean: float, std: float, shift: float, band: float, moved: bool, spread: bool
) -> str:
    parts = []
    if moved or not spread:
        noise = f", {abs(shift) / band:.1f}x the no-drift band" if moved else ""
        parts.append(f"mean {mean:.4g}, was {p.mean:.4g} ({shift:+.2g} sd{noise})")
    if spread:
        parts.append(f"standard deviation {std:.4g}, was {p.std:.4g}")
    return f"{p.name}: {', '.join(parts)}"


def _categorical(column: pd.Series, p: FeatureProfile, chance: float, max_shift: float) -> FeatureDrift:
    there = column.dropna()
    n, missing = len(there), 1 - len(there) / len(column)
    base: dict[str, Any] = {
        "feature": p.name,
        "kind": p.kind,
        "n": n,
        "missing_share": missing,
        "reference_missing_share": p.missing_share,
    }
    if not n or not p.shares:
        sentence = f"{p.name}: {n} values in the window, {'some' if p.shares else 'none'} in the reference"
        return FeatureDrift(state="insufficient", sentence=sentence, **base)
    shares = {str(k): float(v) for k, v in there.value_counts(normalize=True).items()}
    m = max(p.n * (1 - p.missing_share), 1)
    moves = {c: shares.get(c, 0.0) - p.shares.get(c, 0.0) for c in shares.keys() | p.shares.keys()}
    shift = min(sum(abs(move) for move in moves.values()) / 2, 1.0)
    band = _share_band(p.shares, n, m, chance)
    unseen = float((~there.isin(list(p.shares))).mean())
    moved = shift > max(max_shift, band)
    most = max(moves, key=lambda c: abs(moves[c]))
    sentence = f"{p.name}: {most!r} {shares.get(most, 0):.1%} of the values, was {p.shares.get(most, 0):.1%}"
    if moved:
        sentence += f" ({shift:.0%} of the values moved, {shift / band:.1f}x the no-drift band)"
    shown = sorted(moves, key=lambda c: -max(shares.get(c, 0.0), p.shares.get(c, 0.0)))[:CATEGORIES_SHOWN]
    return FeatureDrift(
        state="alarm" if moved else "ok",
        sentence=sentence,
        shares=_only(shares, shown),
        reference_shares=_only(p.shares, shown),
        share_shift=shift,
        share_shift_band=band,
        unseen_share=unseen,
        **base,
    )


def _share_band(shares: Mapping[str, float], n: float, m: float, chance: float) -> float:
    """The total variation distance that is exceeded with at most this chance without drift.

    By Cauchy-Schwarz it is at most half the root of chi-square over the effective size, whose quantile is known.
    """
    freedom = max(len(shares) - 1, 1)
    return 0.5 * math.sqrt(float(chdtri(freedom, chance)) * (1 / n + 1 / m))


def _only(shares: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    return {name: shares[name] for name in names if name in shares}
