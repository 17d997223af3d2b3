"""Two answers to the same rows: how far they are alike, and which is nearer to the actuals, with paired intervals.

Pure: answers and actuals in, records out. Who is first and who is second, whatif_result.py says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn import config_context

from workbench.gate import draws, interval
from workbench.records import Label, Task
from workbench.scores import SHOWN_ONLY, Sample, higher_is_better, sample, values
from workbench.whatif_result import Agreement, Better, Measured

LEAST_ROWS = 30
# Asked one by one, rows are rounded otherwise than together: no difference to golden predictions, nor one here.
RTOL, ATOL = 1e-9, 1e-12


def agreement(
    task: Task, first: Sequence[Label], second: Sequence[Label], *, tolerance: float = 0.0, why: str = ""
) -> Agreement:
    """How far two answers to the same rows are alike.

    Parameters
    ----------
    first, second : values or classes, shape (n,), n > 0
    tolerance : float
        Numbers no further apart than this count as the same.
    why : str
        Where the tolerance comes from, for the sentence.

    Examples
    --------
    >>> agreement("classification", ["no", "no", "yes"], ["no", "yes", "yes"]).confusion
    ((1, 1), (0, 1))
    >>> agreement("regression", [1.0, 2.0], [1.0, 2.5], tolerance=0.1).same
    0.5
    """
    n = len(first)
    both = sample(task, first, second)
    if task == "classification":
        counts = np.zeros((len(both.classes),) * 2, dtype=int)
        np.add.at(counts, (both.y_true, both.y_pred), 1)
        same = float(np.trace(counts)) / n
        return Agreement(
            n=n,
            same=same,
            sentence=f"the same class for {same:.1%} of {n:,} rows",
            classes=both.classes,
            confusion=tuple(tuple(map(int, row)) for row in counts),
        )
    apart = np.where(alike(both.y_true, both.y_pred), 0.0, np.abs(both.y_pred - both.y_true))
    same, mean, p95 = float(np.mean(apart <= tolerance)), float(apart.mean()), float(np.percentile(apart, 95))
    varied = n > 1 and min(np.ptp(both.y_true), np.ptp(both.y_pred)) > 0
    return Agreement(
        n=n,
        same=same,
        sentence=f"{same:.1%} of {n:,} rows within {tolerance:.3g}{f' ({why})' if why else ''}; mean difference "
        f"{mean:.3g}, 95 % below {p95:.3g}",
        tolerance=tolerance,
        mean_difference=mean,
        p95_difference=p95,
        correlation=float(np.corrcoef(both.y_true, both.y_pred)[0, 1]) if varied else None,
    )


def alike(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Which numbers differ by rounding alone."""
    return np.isclose(second, first, rtol=RTOL, atol=ATOL)


def measure(first: Sample, second: Sample, names: Sequence[str], *, seed: int, seen: bool) -> tuple[Measured, ...]:
    """Metrics of both on the same rows, with their paired differences.

    The moving-block bootstrap of `gate`, the same draws for all metrics: the deciding metric's interval is the one the
    gate would give. Each interval holds with 95 % for itself.

    Parameters
    ----------
    first, second : in event time, of the same classes
    seed : int
        Fixes the draws.
    seen : bool
        Whether the rows were seen in training: then there is no verdict.
    """
    second, n = _settled(first, second), len(first)

    def both(rows: np.ndarray) -> list[dict[str, float | None]]:
        return [values(part.take(rows), names) for part in (first, second)]

    # The same arrays hundreds of times: scikit-learn would look at them for longer than it computes.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        was, is_ = both(np.arange(n))
        rounds = [both(rows) for rows in draws(n, seed)] if n >= LEAST_ROWS else []
    found = []
    for name in names:
        moved = _difference(was[name], is_[name])
        varied = np.array([_difference(one[name], other[name]) for one, other in rounds])
        low, high = (interval(moved, varied) if rounds else None) or (None, None)
        found.append(
            Measured(
                metric=name,
                first=was[name],
                second=is_[name],
                difference=moved if np.isfinite(moved) else None,
                low=low,
                high=high,
                verdict=None if seen or name in SHOWN_ONLY else _verdict(name, low, high),
            )
        )
    return tuple(found)


def _difference(first: float | None, second: float | None) -> float:
    return float("nan") if first is None or second is None else second - first


def _verdict(name: str, low: float | None, high: float | None) -> Better:
    if low is None or high is None:
        return "cannot tell"
    if low == high == 0:
        return "the same"
    if low <= 0 <= high:
        return "cannot tell"
    return "better" if (low > 0) == higher_is_better(name) else "worse"


def _settled(first: Sample, second: Sample) -> Sample:
    """The second without what rounding alone makes different from the first."""
    y_pred, chances = second.y_pred, second.chances
    if second.task == "regression":
        y_pred = np.where(alike(first.y_pred, y_pred), first.y_pred, y_pred)
    if chances is not None and first.chances is not None:
        chances = np.where(alike(first.chances, chances), first.chances, chances)
    return Sample(second.task, second.y_true, y_pred, second.classes, chances)
