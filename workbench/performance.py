"""Quality against actuals: is the model worse now than on its own holdout, and since when?

Pure. Every verdict counts the error of both samples, the window's and the holdout's, and needs both: improbable without
change, and a loss of at least the smallest size that counts. The deciding metric is also followed between window ends:
its newest rows are looked at in stretches of halving length, so a large loss shows before the window is full of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from workbench import bands
from workbench.autocorrelation import neighbours
from workbench.holdout import LEAST_ROWS, Holdout, Yardstick
from workbench.performance_result import Judged
from workbench.profiles import moments, support
from workbench.records import State
from workbench.row_losses import row_losses, standard_error, weight
from workbench.scores import Sample, higher_is_better, values

# Checks of overlapping windows that a window of new predictions is worth (Pickands 1969: the square of the threshold)
# beside a holdout without error, and the parts of the budget.
LOOKS = 15
WINDOW_SHARE, STREAM_SHARE = 0.7, 0.3
# If even so large a loss (of an error; of a score) could be chance, the rows are too few to say anything.
BLIND = {False: 1.0, True: 0.5}
SHORTEST = 25
# What is followed row by row where the deciding metric is no mean over rows.
FOLLOWED = {"r2": "mse", "roc_auc": "log_loss"}


@dataclass(frozen=True)
class Rules:
    """What decides: the metric, those watched beside it, the smallest loss that counts, false alarms a window."""

    metric: str
    watch: tuple[str, ...]
    min_loss: float
    false_alarm_rate: float

    def rate(self, name: str) -> float:
        """The false alarms that the checks of a window of new predictions may bring by a metric of the window."""
        share = 0.5 if self.watch else 1.0
        return self.false_alarm_rate * WINDOW_SHARE * (share if name == self.metric else share / len(self.watch))


def looks(n: int, m: int) -> float:
    """Independent checks that a window of new predictions is worth, of n rows beside a holdout of m.

    Only the window's part of the error moves on, the holdout's stays: of two samples alike it is one half.
    """
    return max(LOOKS * m / (n + m), 1.0)


def judge_window(sample: Sample, holdout: Holdout, rules: Rules) -> tuple[Judged, ...]:
    """The window's metrics beside the holdout's, the deciding one first.

    Parameters
    ----------
    sample : labelled rows of mature predictions, in order
    holdout : of the version that answered them
    """
    return tuple(_judge(sample, holdout, name, rules.rate(name), rules) for name in (rules.metric, *rules.watch))


def judge_stream(sample: Sample, holdout: Holdout, rules: Rules, window: int) -> Judged | None:
    """The newest rows of the window in stretches of halving length: the one in which the loss is surest.

    A stretch of a tenth of the window is new ten times a window, so it may alarm by chance a tenth as often.

    Returns
    -------
    Judged or None
        Of the deciding metric or, if that is no mean over rows, of one that is. None while there is no stretch.
    """
    name = followed(rules.metric, holdout)
    lengths = [window // 2**k for k in range(1, 40) if window // 2**k >= SHORTEST]
    lengths = [length for length in lengths if length <= len(sample)]
    if name is None or not lengths:
        return None
    rate = rules.false_alarm_rate * STREAM_SHARE / len(lengths)
    newest = [sample.take(np.arange(len(sample) - length, len(sample))) for length in lengths]
    found = [
        _judge(part, holdout, name, rate * length / window, rules) for part, length in zip(newest, lengths, strict=True)
    ]
    in_alarm = [judged for judged in found if judged.state == "alarm"]
    return min(in_alarm or found, key=lambda judged: judged.p * window / max(judged.rows, 1))


def followed(metric: str, holdout: Holdout) -> str | None:
    """The metric whose rows are followed: the deciding one if it is a mean over rows, else its nearest that is."""
    usual = "accuracy" if holdout.classes else "mae"
    for name in (metric, FOLLOWED.get(metric, usual), usual):
        if name in holdout.yardsticks and holdout.yardsticks[name].losses is not None:
            return name
    return None


def since(sample: Sample, holdout: Holdout, metric: str) -> int | None:
    """The row from which on the loss shows most: the likeliest moment of a lasting change.

    Parameters
    ----------
    sample : all labelled rows of the version, oldest first
    """
    name = metric if metric in holdout.yardsticks else followed(metric, holdout)
    yard = holdout.yardsticks.get(name or "")
    losses = row_losses(sample, name or "", yard.at) if yard else None
    if yard is None or losses is None or yard.losses is None or len(losses) < LEAST_ROWS:
        return None
    rows = np.arange(len(losses), 0, -1)
    # Of a step, the likeliest place: the largest excess over the root of the rows.
    sureness = np.cumsum((losses - (yard.losses.mean or 0.0))[::-1])[::-1] / np.sqrt(rows)
    return int(np.argmax(sureness[: len(losses) - LEAST_ROWS + 1]))


def loss(sample: Sample, holdout: Holdout, metric: str) -> float | None:
    """How much worse than on the holdout, as a share of its value; None where either has none."""
    value = values(sample, (metric,))[metric] if len(sample) else None
    yard = holdout.yardsticks.get(metric)
    if value is None or yard is None:
        return None
    return (-1 if higher_is_better(metric) else 1) * (value - yard.value) / (abs(yard.value) or 1.0)


def _judge(sample: Sample, holdout: Holdout, name: str, rate: float, rules: Rules) -> Judged:
    """One metric of some rows beside the holdout's, at so many false alarms in as many new rows."""
    level = rate / looks(len(sample), holdout.n)
    value = values(sample, (name,))[name] if len(sample) else None
    yard = holdout.yardsticks.get(name)
    baseline = yard.value if yard else None
    base = Judged(metric=name, state="insufficient", value=value, baseline=baseline, rows=len(sample))
    if yard is None or value is None or len(sample) < LEAST_ROWS:
        return base
    sign = -1 if higher_is_better(name) else 1
    scale = abs(yard.value) or 1.0
    compared = _by_rows(sample, name, yard, level) or _by_errors(sample, name, yard, level, value, sign)
    if compared is None:
        return base
    p, chance, typical, lost = compared
    share = sign * (value - yard.value) / scale
    state: State = "ok"
    if chance / scale > BLIND[sign < 0] and p > level:
        state = "insufficient"
    elif share >= rules.min_loss and lost > 0:
        state = "alarm" if p <= level else "possible" if p <= rate else "ok"
    return Judged(
        metric=name,
        state=state,
        value=value,
        baseline=yard.value,
        loss=share,
        chance=chance / scale,
        noise=abs(share) * scale / typical if typical > 0 else 0.0,
        p=p,
        limit=yard.value + sign * max(chance, rules.min_loss * scale),
        rows=len(sample),
    )


def _by_rows(sample: Sample, name: str, yard: Yardstick, level: float) -> tuple[float, float, float, float] | None:
    """Mean loss of a row here against the holdout's: chance of so large a one, what chance leaves (at this level, and
    in 19 of 20 cases) in units of the metric, and the difference. None for a metric that is no mean over rows."""
    losses, p = row_losses(sample, name, yard.at), yard.losses
    if losses is None or p is None or p.mean is None or p.std is None:
        return None
    ordered = np.sort(neighbours(losses, min(yard.block, len(losses))))
    mean, std = moments(ordered)
    # Of a share, the holdout's error counts as much as its denominator does here.
    size = weight(sample, name, yard.at)
    lost = mean - size * p.mean
    if not p.std and not std:
        return (1.0, 0.0, 0.0, lost) if lost <= 0 else (0.0, 0.0, 0.0, lost)
    own, own_weights = support(ordered, mean, std)
    n, m = len(losses) / yard.dependence, p.n / yard.dependence
    share = n / (n + m)
    scale = max(p.std, std)
    points = np.concatenate([np.asarray(p.support) - p.mean, own - mean]) / scale
    weights = np.concatenate([np.asarray(p.weights) * (1 - share), own_weights * share])
    difference, z = bands.mean_curve(points[None], weights[None], np.array([n]), np.array([m]), size)
    freedom = _freedom(points, weights, p.n / yard.block)
    chance = float(stdtr(freedom, -np.interp(lost / scale, difference[0], z[0])))
    reach = (-stdtrit(freedom, q) for q in (level, 0.05))
    left, typical = (float(np.interp(t, z[0], difference[0])) * scale / (size or 1.0) for t in reach)
    if name == "rmse":
        left, typical = (math.sqrt(p.mean + max(d, 0.0)) - yard.value for d in (left, typical))
    return chance, left, typical, lost


def _freedom(points: np.ndarray, weights: np.ndarray, m: float) -> float:
    """Of Student's t: how surely a variance is known from m values that vary like this, by their kurtosis."""
    variance, fourth = weights @ points**2, weights @ points**4
    return float(2 * m / max(fourth / variance**2 - 1, 1e-6))


def _by_errors(
    sample: Sample, name: str, yard: Yardstick, level: float, value: float, sign: int
) -> tuple[float, float, float, float] | None:
    """The same for any metric, from the two standard errors."""
    error = standard_error(sample, name)
    if error is None:
        return None
    both = math.hypot(error, yard.error) or 1e-12
    lost = sign * (value - yard.value)
    return float(ndtr(-lost / both)), float(-ndtri(level)) * both, float(-ndtri(0.05)) * both, lost


def worst_segment(sample: Sample, groups: Sequence[object], holdout: Holdout, metric: str) -> str | None:
    """The segment whose loss grew most surely, where that is more than chance does; None if none stands out."""
    yard = holdout.yardsticks.get(metric)
    before = {s.segment: s for s in holdout.segments}
    if yard is None or not len(groups) or not before:
        return None
    texts = np.array(["missing" if g is None or g != g else str(g) for g in groups], dtype=object)
    surest: tuple[float, str] | None = None
    for name in before.keys() & set(texts):
        part, was = sample.take(texts == name), before[name]
        now, then, error = values(part, (metric,))[metric], was.metrics.get(metric), standard_error(part, metric)
        if now is None or then is None or error is None or min(len(part), was.n) < LEAST_ROWS:
            continue
        low, high = was.intervals.get(metric, (then, then))
        both = math.hypot(error, (high - low) / 4) or 1e-12
        z = (-1 if higher_is_better(metric) else 1) * (now - then) / both
        if z > 3 and (surest is None or z > surest[0]):
            surest = z, f"{name} ({now:.4g}, was {then:.4g})"
    return surest[1] if surest else None
