"""Pure: records -> matplotlib figures; `svg` turns one into a picture for a page.

Nothing here computes a statistic: what is drawn stands in the records. State is told by shape and word as well as by
colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.evaluation import Evaluation
from workbench.moments import parse_utc
from workbench.plot_style import (
    ALARM,
    AMBER,
    BLUE,
    FAINT,
    GREEN,
    INK,
    PURPLE,
    SKY,
    blank,
    columns_of,
    legend,
    margins,
    rows_of,
    short_id,
    styled,
    svg,
    time_axis,
    words,
)
from workbench.records import Event
from workbench.scores import higher_is_better

__all__ = ["MARKS", "error_over_time", "svg"]
VERSION_COLOURS = (BLUE, GREEN, PURPLE, SKY, AMBER)
# kind of event: lane, shape, colour, words
MARKS = {
    "alarm": (2, "^", ALARM, "alarm begins"),
    "retrain_started": (1, "o", BLUE, "retrain starts"),
    "kept_out": (0, "x", INK, "challenger kept out"),
    "promoted": (0, "*", GREEN, "promoted"),
    "went_back": (0, "<", GREEN, "went back"),
    "rolled_back": (0, "<", ALARM, "rolled back"),
    "switched": (0, "D", PURPLE, "switched by hand"),
}
LANES = ("result", "retrain", "alarm")


@styled
def error_over_time(evaluations: Sequence[Evaluation], events: Sequence[Event], *, width: float = 1100) -> Figure:
    """The primary metric of each check's window against event time, and what was done about it.

    Parameters
    ----------
    evaluations, events : oldest first
    width : float
        In pixels.

    Returns
    -------
    Figure
        A line a version within its 95 % interval, its holdout dashed, the value from which on it alarms dotted, what
        was estimated without actuals dash-dotted; pale where too few actuals had arrived.
    """
    points = [e for e in evaluations if e.last_event_time]
    # Under a pixel apart nobody sees them; the newest one stays.
    points = points[:: -max(1, math.ceil(len(points) / width))][::-1] if points else []
    if not points:
        return words("No check has seen a prediction yet: the error will be drawn here once traffic arrives.", width)
    metric = points[-1].performance.metric
    order = list(dict.fromkeys(e.version for e in points))
    colours = {version: VERSION_COLOURS[i % len(VERSION_COLOURS)] for i, version in enumerate(order)}
    handles = _handles(points, metric, colours, order[-3:] if width > 800 else order[-1:])
    lines = rows_of([str(h.get_label()) for h in handles], width - 78)
    marked = _marked(events)
    top = 16 + 17 * lines + (6 + 17 * rows_of(marked, width - 64) if marked else 0)
    figure = blank(width, 318 + top)
    axes, lanes = figure.subplots(2, 1, sharex=True, height_ratios=[7, 2])
    margins(figure, width, left=64, right=14, top=top, bottom=58, between=10)
    for version, run in groupby(points, key=lambda e: e.version):
        _run(axes, list(run), metric, colours[version])
    legend(axes, handles)
    axes.set_ylabel(metric.upper() if len(metric) < 5 else metric)
    axes.grid(axis="y")
    axes.margins(x=0.01)
    _limit_y(axes, points, metric)
    _events(axes, lanes, points, events, width)
    told = "when the rows happened (event time)" if width > 520 else "event time"
    time_axis(lanes, [parse_utc(e.last_event_time or "") for e in points], told)
    return figure


def _handles(points: Sequence[Evaluation], metric: str, colours: dict[str, str], shown: Sequence[str]) -> list[Line2D]:
    """What the lines mean."""
    side = "below" if higher_is_better(metric) else "above"
    estimated = any(e.estimate.value is not None and e.estimate.metric == metric for e in points)
    return [
        *(Line2D([], [], color=colours[v], lw=2, label=short_id(v)) for v in shown),
        Line2D([], [], color=INK, lw=1.2, ls="--", label="its holdout"),
        Line2D([], [], color=ALARM, lw=1.4, ls=":", label=f"alarm {side}"),
        *([Line2D([], [], color=INK, lw=1.2, ls="-.", label="estimated without actuals")] if estimated else []),
    ]


def _run(axes: Axes, run: list[Evaluation], metric: str, colour: str) -> None:
    """One version's stretch: from its switch to the next."""
    times: Any = [parse_utc(e.last_event_time or "") for e in run]
    values = [_number(e.performance.metrics.get(metric)) for e in run]
    told = [v if e.performance.state != "insufficient" else math.nan for e, v in zip(run, values, strict=True)]
    alone: dict[str, Any] = {"marker": "o", "ms": 4} if sum(not math.isnan(v) for v in values) == 1 else {}
    bounds = [e.performance.intervals.get(metric, (math.nan, math.nan)) for e in run]
    axes.fill_between(times, [low for low, _ in bounds], [high for _, high in bounds], color=colour, alpha=0.14, lw=0)
    estimated = [_number(e.estimate.value) if e.estimate.metric == metric else math.nan for e in run]
    axes.plot(times, estimated, color=colour, lw=1.2, ls="-.", alpha=0.8)
    axes.plot(times, values, color=colour, lw=1, alpha=0.35, **alone)
    axes.plot(times, told, color=colour, lw=2, **alone)
    last = run[-1].performance
    baseline = _number(last.baseline.get(metric))
    dash: dict[str, Any] = {"marker": "_", "ms": 16} if len(run) == 1 else {}
    axes.plot(times, [baseline] * len(run), color=colour, lw=1.2, ls="--", **dash)
    axes.plot(times, [_threshold(run[-1], metric)] * len(run), color=ALARM, lw=1.4, ls=":", **dash)


def _threshold(evaluation: Evaluation, metric: str) -> float:
    """The value from which on the window's metric alarms, as that check had it: the fewer the rows, the further off."""
    return next((_number(j.limit) for j in evaluation.performance.judged if j.metric == metric), math.nan)


def _limit_y(axes: Axes, points: list[Evaluation], metric: str) -> None:
    """A first window of a few rows may be far off: it must not flatten the rest."""
    sure = [e for e in points if e.performance.state != "insufficient"] or points
    seen = [_number(e.performance.metrics.get(metric)) for e in sure]
    seen += [v for e in points for v in (_number(e.performance.baseline.get(metric)), _threshold(e, metric))]
    finite = [v for v in seen if math.isfinite(v)]
    if finite:
        low, high = min(finite), max(finite)
        room = (high - low or abs(high) or 1.0) * 0.08
        axes.set_ylim(low - room, high + room)


def _events(axes: Axes, lanes: Axes, points: list[Evaluation], events: Sequence[Event], width: float) -> None:
    lanes.set_ylim(-0.6, 2.6)
    lanes.set_yticks(range(len(LANES)), LANES)
    lanes.tick_params(axis="y", length=0)
    lanes.grid(axis="y")
    used: dict[str, Line2D] = {}
    for event in events:
        if event.kind in MARKS:
            lane, shape, colour, label = MARKS[event.kind]
            at: Any = _event_time(event, points)
            size = 11 if shape == "*" else 7
            lanes.plot([at], [lane], shape, color=colour, ms=size, mew=2 if shape == "x" else 0.5, clip_on=False)
            used[event.kind] = Line2D([], [], color=colour, marker=shape, lw=0, ms=size, label=label)
            if lane == 0 and event.kind != "kept_out":
                axes.axvline(at, color=FAINT, lw=1, alpha=0.4)
    if used:
        axes.figure.legend(
            handles=[used[kind] for kind in MARKS if kind in used],
            loc="upper left",
            bbox_to_anchor=(64 / width, 1.0),
            ncols=columns_of(_marked(events), width - 64),
            borderpad=0.2,
            borderaxespad=0.3,
            handletextpad=0.3,
            columnspacing=1.2,
        )


def _marked(events: Sequence[Event]) -> list[str]:
    """The words of the marks that are there."""
    there = {e.kind for e in events}
    return [label for kind, (_, _, _, label) in MARKS.items() if kind in there]


def _event_time(event: Event, points: list[Evaluation]) -> datetime:
    """Events carry the clock on the wall: where traffic stood by then is the last check's newest row."""
    before = [e for e in points if e.recorded_at <= event.recorded_at]
    told = before[-1].last_event_time if before else points[0].first_event_time or points[0].last_event_time
    return parse_utc(told or "")


def _number(value: float | None) -> float:
    return math.nan if value is None else value
