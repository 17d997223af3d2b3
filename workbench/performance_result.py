"""What a check says of the model's quality: where actuals have come, and without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from workbench.records import State
from workbench.show import Shown

if TYPE_CHECKING:
    import pandas as pd

WORSE: tuple[State, ...] = ("alarm", "possible")


class Score(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Metrics of some labelled predictions: a version's, a period's, a segment's; with 95 % sampling intervals.

    `provisional`: labels are still to come, and those that come first may be of the easy, or of the hard predictions.
    """

    n: int
    metrics: dict[str, float | None]
    intervals: dict[str, tuple[float, float]] = {}
    version: str | None = None
    start: str | None = None
    end: str | None = None
    segment: str | None = None
    provisional: bool = False


class Judged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One metric beside the version's own holdout.

    `loss` is how much worse it is, as a share of the holdout's value (negative: better); `chance` the loss that chance
    leaves at these many rows, with both samples' errors; `p` how probable so large a loss is without change; `limit`
    the value of the metric from which on it alarms. `rows` are the newest labelled rows in which the loss shows most
    (the whole window, or fewer), `since` the event time of the first of them.
    """

    metric: str
    state: State
    value: float | None
    baseline: float | None
    loss: float | None = None
    chance: float | None = None
    noise: float = 0.0
    p: float = 1.0
    limit: float | None = None
    rows: int = 0
    since: str | None = None


def decide(found: Sequence[Judged]) -> Judged:
    """The deciding metric, which is first, speaks, unless another one is in alarm, or nearly, and it is not."""
    for state in WORSE:
        there = [judged for judged in found if judged.state == state]
        if there:
            return there[0] if there[0] is found[0] else min(there, key=lambda judged: judged.p)
    return found[0]


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """How actuals come: `delays` are (seconds, share of the labels that ever come that are there by then).

    A prediction is mature when `mature_after_s` have passed since it was recorded: by then the configured share of
    labels has come. `coverage` is the share of mature predictions that have their actual. `selective` says in words
    which predictions lack it more often than others. `conflict` and `expired` count actuals that were not taken.
    """

    sentence: str
    labelled: int = 0
    mature: int = 0
    coverage: float | None = None
    mature_after_s: float | None = None
    delays: tuple[tuple[float, float], ...] = ()
    selective: str | None = None
    conflict: int = 0
    expired: int = 0


class PerformanceResult(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Quality where actuals have come: `metrics` are of the last `n` mature predictions, `labelled` with actual.

    `newest` is of the window of the last predictions, provisional until its labels have had the time to come. `judged`
    has the deciding metric first; an entry with fewer `rows` than `labelled` is of the newest rows alone. `lately` is
    the loss in the newest rows that a gate would judge a challenger by; `passed` where the alarm is of older rows, and
    in those the loss counts no more.
    """

    state: State
    sentence: str
    metric: str
    n: int
    labelled: int
    metrics: dict[str, float | None] = {}
    intervals: dict[str, tuple[float, float]] = {}
    baseline: dict[str, float | None] = {}
    baseline_intervals: dict[str, tuple[float, float]] = {}
    loss: float | None = None
    lately: float | None = None
    passed: bool = False
    since: str | None = None
    judged: tuple[Judged, ...] = ()
    newest: Score | None = None
    labels: Labels | None = None
    segments: tuple[Score, ...] = ()
    by_version: tuple[Score, ...] = ()
    over_time: tuple[Score, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """A row a metric: of the window and of the version's holdout, with the ends of their 95 % intervals."""
        import pandas as pd

        none = (None, None)
        rows = [
            (n, v, *self.intervals.get(n, none), self.baseline.get(n), *self.baseline_intervals.get(n, none))
            for n, v in self.metrics.items()
        ]
        columns = ("metric", "value", "low", "high", "holdout", "holdout_low", "holdout_high")
        return pd.DataFrame(rows, columns=columns)


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What was estimated of some predictions without their actuals, and what the actuals said later."""

    start: str
    end: str
    n: int
    estimated: float
    low: float
    high: float
    realised: float


class EstimateResult(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Quality without actuals: what inputs and predictions alone say of the error, with a 95 % interval.

    `record` is its track record, oldest first; `trusted` whether that is good, None while there is none. `gap` is how
    much worse than estimated the actuals say it is, as a share of the estimate, where that persists; or of its witness.
    """

    state: State
    sentence: str
    metric: str
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    loss: float | None = None
    record: tuple[Compared, ...] = ()
    trusted: bool | None = None
    gap: float | None = None
