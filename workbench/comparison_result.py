"""What is told of every version over the traffic it served: one record of all of them, and its table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.evaluation import UNCHECKED, Traffic
from workbench.moments import parse_utc
from workbench.performance_result import Score
from workbench.records import Record, State
from workbench.show import Shown

if TYPE_CHECKING:
    import pandas as pd

NOTE = (
    "each version met its own traffic, at its own time, so that rows differ by their traffic, too (on the same rows "
    "the gate compares); response times are of requests, from receipt until the predictions are on record"
)
Stretch = tuple[str, str | None]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a check, without its figures."""

    state: State = "insufficient"
    sentence: str = UNCHECKED


class Check(Record, frozen=True, kw_only=True):
    """An evaluation, read for what it says of drift alone: of long ago, too, at little memory."""

    version: str
    drift: Verdict = Verdict()
    model: Verdict = Verdict()
    data: Verdict = Verdict()


class DriftThen(msgspec.Struct, frozen=True, kw_only=True):
    """Of a version's `checks` on record, those in alarm: for drift of the inputs, for the model's view, for the data.

    `state`, `sentence` and `checked_at` are of the last one, of the inputs. Of checks beyond the newest 5,000 of all
    versions, the first of each hour and of each run of alarms are on record.
    """

    checks: int = 0
    inputs: int = 0
    model: int = 0
    data: int = 0
    state: State | None = None
    sentence: str | None = None
    checked_at: str | None = None


class Tenure(msgspec.Struct, frozen=True, kw_only=True):
    """One version and the traffic it served.

    `published`: its files are there and sound; else `trigger` and `baseline` (its metrics when it was made) are
    unknown. `served` is of the predictions whose actual has come, provisional while `awaited` others may still get
    theirs. `responses` has their times alone: what was refused is on record of no version. `live` is from when to when,
    to None while it still is.
    """

    version: str
    published: bool
    trigger: str | None
    baseline: dict[str, float | None]
    predictions: int
    awaited: int
    first_event_time: str | None
    last_event_time: str | None
    served: Score
    responses: Traffic
    drift: DriftThen
    live: tuple[Stretch, ...]
    live_s: float

    @property
    def labelled(self) -> int:
        return self.served.n

    @property
    def is_live(self) -> bool:
        return bool(self.live) and self.live[-1][1] is None


class Comparison(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """All versions as of a moment: in the order in which they were first made live, then those that never were.

    `predictions` are on record, of the last `history` that are kept at least; `metric` is the deciding one.
    """

    as_of: str
    metric: str
    history: int
    predictions: int
    tenures: tuple[Tenure, ...]
    note: str = NOTE

    def tenure(self, version: str) -> Tenure:
        """The part of one version; KeyError if nothing is known of it."""
        found = next((t for t in self.tenures if t.version == version), None)
        if found is None:
            raise KeyError(version)
        return found

    def to_frame(self) -> pd.DataFrame:
        """One row a version, one column a figure; `_low` and `_high` are the ends of its 95 % interval.

        Returns
        -------
        DataFrame, shape (n_versions, n_figures)
            Missing where there is no such figure. `live_from` and `live_to` are the outermost ends of when it was live.
        """
        import pandas as pd

        frame = pd.DataFrame([_row(t) for t in self.tenures])
        for name in frame.columns.intersection(["first_event_time", "last_event_time", "live_from", "live_to"]):
            frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
        return frame


def seconds(start: str, end: str) -> float:
    """Between two stored times.

    >>> seconds("2026-01-01T12:00:00.000000Z", "2026-01-01T12:00:01.500000Z")
    1.5
    """
    return max((parse_utc(end) - parse_utc(start)).total_seconds(), 0.0)


def stretches(switches: Sequence[tuple[str, str]]) -> dict[str, list[Stretch]]:
    """When each version was live, from (when, version that went live); the last of them still is.

    >>> stretches([("12:00", "a"), ("13:00", "b"), ("13:30", "b"), ("14:00", "a")])
    {'a': [('12:00', '13:00'), ('14:00', None)], 'b': [('13:00', '14:00')]}
    """
    # Mending a damaged pointer is a switch to the version that was live before.
    real = [s for before, s in zip([("", ""), *switches], switches, strict=False) if s[1] != before[1]]
    ends = [*(start for start, _ in real[1:]), None]
    found: dict[str, list[Stretch]] = {}
    for (start, version), end in zip(real, ends, strict=False):
        found.setdefault(version, []).append((start, end))
    return found


def _row(t: Tenure) -> dict[str, Any]:
    """A tenure without its nesting."""
    figures: dict[str, Any] = {}
    for name, value in t.served.metrics.items():
        figures |= _bounded(name, value, t.served.intervals.get(name))
    times = t.responses
    return {
        "version": t.version,
        "published": t.published,
        "is_live": t.is_live,
        "live_from": t.live[0][0] if t.live else None,
        "live_to": t.live[-1][1] if t.live else None,
        "live_s": t.live_s,
        "stretches": len(t.live),
        "first_event_time": t.first_event_time,
        "last_event_time": t.last_event_time,
        "predictions": t.predictions,
        "labelled": t.labelled,
        "awaited": t.awaited,
        "provisional": t.served.provisional,
        **figures,
        **_bounded("response_mean_s", times.mean_s, times.mean_interval_s),
        **_bounded("response_p95_s", times.p95_s, times.p95_interval_s),
        "response_max_s": _figure(times.max_s),
        "checks": t.drift.checks,
        "inputs_in_alarm": t.drift.inputs,
        "model_in_alarm": t.drift.model,
        "data_in_alarm": t.drift.data,
        "last_drift": t.drift.state,
    }


def _bounded(name: str, value: float | None, bounds: tuple[float, float] | None) -> dict[str, float]:
    low, high = bounds or (None, None)
    return {name: _figure(value), f"{name}_low": _figure(low), f"{name}_high": _figure(high)}


def _figure(value: float | None) -> float:
    return math.nan if value is None else value
