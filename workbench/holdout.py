"""What a version scored on rows it has not learnt from: the reference of performance, written at publish time.

Pure: answers and actuals in, one record out; and the same figures for any other labelled rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from workbench import profiles
from workbench.autocorrelation import dependence, neighbours
from workbench.evaluation import FeatureProfile
from workbench.performance_result import Score
from workbench.row_losses import constants, interval, row_losses, standard_error
from workbench.scores import Sample, higher_is_better, values

MAX_SEGMENTS = 20
LEAST_ROWS = 20
# Stretches of rows are this many times as long as dependence reaches: they hold five sixths of it, and its skewness.
# At least ten of them, since fewer would not tell how they vary.
REACH, LEAST_BLOCKS = 3, 10


class Yardstick(msgspec.Struct, frozen=True, kw_only=True):
    """One metric on the holdout, with its standard error.

    `losses` is the profile of what each row adds to the loss, `at` the constants that make it a mean over rows; without
    them (ROC AUC, R2, one's own metrics) the two values are compared by their standard errors. Where rows depend on
    each other in event time, the profile is of means of `block` neighbours. A `dependence` of 3 means that three rows
    tell as much of the metric as one independent value of the profile.
    """

    value: float
    error: float
    dependence: float = 1.0
    block: int = 1
    at: dict[str, tuple[float, float]] = {}
    losses: FeatureProfile | None = None


class Holdout(msgspec.Struct, frozen=True, kw_only=True):
    """The holdout's metrics, and its segments' (`segment` names their column)."""

    n: int
    start: str | None
    end: str | None
    classes: tuple[str, ...]
    score: Score
    yardsticks: dict[str, Yardstick]
    segment: str | None = None
    segments: tuple[Score, ...] = ()


def measure(
    sample: Sample,
    names: Sequence[str],
    *,
    times: Sequence[str],
    in_order: bool,
    segment: str | None = None,
    groups: Sequence[object] = (),
) -> Holdout:
    """Summarise a holdout.

    Parameters
    ----------
    sample : its answers and actuals, in event time
    names : metrics, the ones that decide among them
    times : event time of each row, as text
    in_order : bool
        Whether the rows are in event time: then their dependence on each other is estimated, else taken as none.
    segment, groups : the column whose segments are looked at, and its value in each row
    """
    told = score(sample, names)
    yardsticks = {}
    for name in names:
        value, error = told.metrics[name], standard_error(sample, name)
        if value is None or error is None:
            continue
        at = constants(sample, name)
        losses = row_losses(sample, name, at)
        yard = Yardstick(value=value, error=error, at=at)
        yardsticks[name] = yard if losses is None else _with_losses(yard, name, losses, in_order)
    return Holdout(
        n=len(sample),
        start=times[0] if len(times) else None,
        end=times[-1] if len(times) else None,
        classes=sample.classes,
        score=told,
        yardsticks=yardsticks,
        segment=segment,
        segments=by_segment(sample, names, groups),
    )


def _with_losses(yard: Yardstick, name: str, losses: np.ndarray, in_order: bool) -> Yardstick:
    # Without a time to go by, its rows are in no order that means something.
    alike = dependence(losses) if in_order else 1.0
    block = min(math.ceil(REACH * alike), len(losses) // LEAST_BLOCKS) if alike > 1 else 1
    stretches = neighbours(losses, block)
    return msgspec.structs.replace(
        yard,
        losses=profiles.numeric(name, "numeric", stretches),
        block=block,
        dependence=float(alike * losses.var() / (stretches.var() or 1.0)) if block > 1 else alike,
    )


def score(sample: Sample, names: Sequence[str]) -> Score:
    """Metrics of labelled rows with their 95 % intervals."""
    metrics = values(sample, names)
    bounds = {name: interval(name, value, standard_error(sample, name), len(sample)) for name, value in metrics.items()}
    return Score(n=len(sample), metrics=metrics, intervals={k: v for k, v in bounds.items() if v is not None})


def by_segment(sample: Sample, names: Sequence[str], groups: Sequence[object]) -> tuple[Score, ...]:
    """The score of each segment, by the first of the metrics: the worst first, those of a few rows last.

    Parameters
    ----------
    groups : shape (n,)
        Which segment each row is of; None (missing) is one, too. Beyond the 20 most frequent they are one segment
        together, "others".
    """
    if not len(groups) or not len(sample):
        return ()
    texts = np.array(["missing" if g is None or g != g else str(g) for g in groups], dtype=object)
    found, counts = np.unique(texts, return_counts=True)
    common = set(found[np.argsort(-counts, kind="stable")][:MAX_SEGMENTS])
    named = np.array([t if t in common else "others" for t in texts], dtype=object)
    parts = [
        msgspec.structs.replace(score(sample.take(named == name), names), segment=str(name))
        for name in sorted(set(named))
    ]
    sign = -1 if higher_is_better(names[0]) else 1

    def badness(part: Score) -> tuple[bool, float]:
        value = part.metrics[names[0]]
        return part.n >= LEAST_ROWS and value is not None, sign * (value or 0.0)

    return tuple(sorted(parts, key=badness, reverse=True))
