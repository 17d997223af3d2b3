"""What other thresholds would have said of drift that was measured: the scores stand, the verdicts are drawn anew.

Pure functions on arrays of checks x features x channels, so that a year of checks is judged while a slider moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench import drift_rules
from workbench.drift_rules import FAMILIAR, LOOKS
from workbench.evaluation import DriftResult, Impact
from workbench.sections import DriftSettings

CHANNELS = tuple(drift_rules.WEIGHTS)
WEIGHTS = np.array([drift_rules.WEIGHTS[name] for name in CHANNELS])
# Which setting holds the smallest effect of which channel.
LIMITS = {
    "mean": "min_mean_shift",
    "std": "min_std_ratio",
    "distribution": "min_distance",
    "missing": "min_missing_shift",
    "range": "min_outside_share",
    "unseen": "min_outside_share",
}


@dataclass(frozen=True)
class Measures:
    """What was measured at some checks, oldest first; NaN where a channel was not.

    `state` is the verdict of then, "" where a version has no such feature; `missing` the share that the reference
    lacks, `impact` how far the move moved the predictions, in their standard deviations.
    """

    features: tuple[str, ...]
    state: np.ndarray
    accepted: np.ndarray
    n: np.ndarray
    missing: np.ndarray
    impact: np.ndarray
    value: np.ndarray
    p: np.ndarray
    noise: np.ndarray


def gather(results: Sequence[DriftResult], impacts: Sequence[Sequence[Impact]]) -> Measures:
    """The scores of some checks.

    Parameters
    ----------
    results : of each check
    impacts : of each check, as its model's view has them
    """
    names = tuple(dict.fromkeys(f.feature for result in results for f in result.features))
    column, channel = {name: i for i, name in enumerate(names)}, {name: i for i, name in enumerate(CHANNELS)}
    shape = (len(results), len(names))
    state, accepted = np.full(shape, "", dtype="U12"), np.zeros(shape, dtype=bool)
    n, missing, impact = np.zeros(shape), np.zeros(shape), np.full(shape, np.nan)
    value, p, noise = (np.full((*shape, len(CHANNELS)), np.nan) for _ in range(3))
    for row, (result, told) in enumerate(zip(results, impacts, strict=True)):
        for f in result.features:
            at = row, column[f.feature]
            state[at], accepted[at], n[at] = f.state, f.accepted is not None, f.n
            missing[at] = f.reference_missing_share
            for name, c in f.channels.items():
                place = (*at, channel[name])
                value[place], p[place], noise[place] = c.value, c.p, c.noise
        for i in told:
            if i.feature in column:
                impact[row, column[i.feature]] = i.share
    return Measures(names, state, accepted, n, missing, impact, value, p, noise)


def judge(measures: Measures, limits: DriftSettings, false_alarm_rate: float) -> np.ndarray:
    """The state of each feature at each check under these thresholds.

    Signs of broken data are no matter of them: what was broken stays so. What was too little to tell stays so, too,
    unless it alarms.

    Parameters
    ----------
    false_alarm_rate : float
        As `drift.check` takes it: of the drift of inputs alone.

    Returns
    -------
    array of str, shape (checks, features)
        "" where a version has no such feature.
    """
    m = measures
    large = _large(m, limits)
    allowed, single = _allowed(m, large, false_alarm_rate)
    some = allowed[:, None, None] * WEIGHTS, single[:, None, None] * WEIGHTS
    with np.errstate(invalid="ignore"):
        drift, possible = (large & (m.p <= chance) for chance in some)
    least = np.array([math.ceil(drift_rules.least(level)) for level in allowed.tolist()])
    found = np.where(m.state == "insufficient", "insufficient", "ok")
    found = np.where(possible.any(2), "possible", found)
    found = np.where(drift.any(2), np.where(_hardly_matters(m, drift, limits.min_impact), "possible", "drift"), found)
    found = np.where(m.n < least[:, None], "insufficient", found)
    found = np.where(m.state == "broken", "broken", found)
    found = np.where(m.accepted, "ok", found)
    return np.where(m.state == "", "", found)


def _large(m: Measures, limits: DriftSettings) -> np.ndarray:
    """Where an effect is large enough to count."""
    limit = np.array([getattr(limits, LIMITS[name]) for name in CHANNELS])
    effect = m.value.copy()
    mean, std, missing = (CHANNELS.index(name) for name in ("mean", "std", "missing"))
    effect[..., missing] -= m.missing
    for i in (mean, missing):
        effect[..., i] = np.abs(effect[..., i])
    with np.errstate(divide="ignore", invalid="ignore"):
        effect[..., std] = np.maximum(effect[..., std], 1 / effect[..., std])
        return np.asarray(effect >= limit)


def _allowed(m: Measures, large: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """What one feature may spend at each check, and what it might if it were looked at alone (`drift._discoveries`)."""
    with np.errstate(invalid="ignore"):
        chance = np.minimum(np.where(large, m.p / WEIGHTS, 1.0).min(2, initial=1.0), 1.0)
    # The chance of a sign of broken data is not on record, only that it was small enough.
    chance = np.where(m.state == "broken", 0.0, chance)
    chance = np.sort(np.where(m.accepted | (m.state == ""), np.inf, chance), axis=1)
    count = np.maximum((m.state != "").sum(1), 1)
    steps = rate / LOOKS * np.arange(1, chance.shape[1] + 1) / count[:, None]
    last = np.where(chance <= steps, np.arange(1, chance.shape[1] + 1), 0).max(1, initial=0)
    return rate / LOOKS * np.maximum(last, 1) / count, rate / count


def _hardly_matters(m: Measures, drift: np.ndarray, least: float) -> np.ndarray:
    """Where a move among values that the model knows hardly moves its predictions (`drift.backed`)."""
    decides = np.where(drift, np.nan_to_num(m.noise, nan=-np.inf), -np.inf).argmax(2) if drift.size else drift.any(2)
    familiar = np.isin(decides, [CHANNELS.index(name) for name in FAMILIAR])
    with np.errstate(invalid="ignore"):
        return np.asarray(familiar & (m.impact < least))
