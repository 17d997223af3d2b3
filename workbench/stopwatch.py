"""How long a piece of work takes: the median of repeated calls, within a budget of time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import msgspec

BUDGET_S, LEAST, MOST = 0.25, 3, 2_000


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds of one call: the median, and what a tenth of the calls were above."""

    name: str
    median_us: float
    p90_us: float
    calls: int


def timed(
    name: str,
    job: Callable[[], object],
    *,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.perf_counter,
) -> Stage:
    """Call `job` once to warm it, then for about `budget_s`: at least 3 times, at most 2,000.

    Examples
    --------
    >>> ticks = iter(range(100))
    >>> stage = timed("three ticks", lambda: (next(ticks), next(ticks)), budget_s=5, clock=lambda: float(next(ticks)))
    >>> stage.median_us, stage.calls
    (3000000.0, 3)
    """
    job()
    taken: list[float] = []
    while len(taken) < LEAST or (sum(taken) < budget_s and len(taken) < MOST):
        start = clock()
        job()
        taken.append(clock() - start)
    p90 = statistics.quantiles(taken, n=10, method="inclusive")[-1]
    return Stage(name=name, median_us=statistics.median(taken) * 1e6, p90_us=p90 * 1e6, calls=len(taken))
