"""Pure: stored checks -> a figure of the service over time, with what happened to the model on one lane."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from workbench.evaluation import Evaluation, Traffic
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
    legend,
    rows_of,
    styled,
    time_axis,
    words,
)
from workbench.records import Event

__all__ = ["service_over_time"]
# kind of event: shape, colour, words; those of the same words share a place in the legend.
MARKS = {
    "alarm": ("^", ALARM, "alarm"),
    "retrain_started": ("o", BLUE, "attempt"),
    "promoted": ("*", GREEN, "switch"),
    "switched": ("*", GREEN, "switch"),
    "rolled_back": ("<", ALARM, "rollback"),
    "went_back": ("<", ALARM, "rollback"),
}
Figures = Callable[[Evaluation], float | None]
PERCENT = FuncFormatter(lambda share, _: f"{100 * share:.3g}%")


def _response(name: str) -> Figures:
    def told(check: Evaluation) -> float | None:
        # Of a few requests a response time is no figure yet.
        seconds = None if check.service.state == "insufficient" else getattr(check.service.all, name)
        return None if seconds is None else seconds * 1e3

    return told


def _traffic(name: str) -> Figures:
    return lambda check: getattr(check.service.all, name)


# Axes by axes, line by line: what is drawn, colour, dash, words.
LINES: tuple[tuple[str, tuple[tuple[Figures, str, str, str], ...]], ...] = (
    (
        "response, ms",
        (
            (_response("p99_s"), PURPLE, ":", "p99"),
            (_response("p95_s"), AMBER, "--", "p95"),
            (_response("mean_s"), BLUE, "-", "mean (shaded: 95 %)"),
            (_response("p50_s"), SKY, "-.", "p50"),
            (_response("latency_mean_s"), INK, ":", "latency"),
        ),
    ),
    (
        "a second",
        (
            (_traffic("predictions_per_s"), GREEN, "-", "predictions"),
            (_traffic("requests_per_s"), BLUE, "--", "requests"),
        ),
    ),
    (
        "errors",
        (
            (_traffic("share_4xx"), AMBER, "--", "4xx, the caller's"),
            (_traffic("share_5xx"), ALARM, "-", "5xx, the service's"),
        ),
    ),
    ("CPU", ((lambda check: check.service.cpu_share, BLUE, "-", "CPU"),)),
    ("memory, MB", ((lambda check: check.service.memory_mb, PURPLE, "-", "memory"),)),
)
LEFT, BOTTOM, LANE = 64, 52, 26
# A legend stands above each axes that has more than one line.
GAP, LEGEND = 12, 17
HEIGHTS = (130, 64, 64, 64, 76)


@styled
def service_over_time(evaluations: Sequence[Evaluation], events: Sequence[Event] = (), *, width: float = 540) -> Figure:
    """The service of each check against the clock: response times, rates, errors, CPU and memory.

    Parameters
    ----------
    evaluations, events : oldest first
    width : float
        In pixels.

    Returns
    -------
    Figure
        Axes under each other on one time axis; the lowest is a lane with a mark an attempt, switch, rollback and alarm
        in the time of the checks.
    """
    if not any(e.service.all.requests or e.service.workers for e in evaluations):
        return words("No request and no worker has been seen yet: the service will be drawn here.", width)
    # Closer than two pixels nobody sees them apart; the newest one stays.
    points = evaluations[:: -max(1, math.ceil(2 * len(evaluations) / width))][::-1]
    marked = [e for e in events if e.kind in MARKS and e.recorded_at >= points[0].recorded_at]
    figure, parts, lane = _stack(width, BOTTOM + (24 if marked else 0))
    times: Any = [parse_utc(e.recorded_at) for e in points]
    alone: dict[str, Any] = {"marker": "o", "ms": 4} if len(points) == 1 else {}
    for axes, (name, lines) in zip(parts, LINES, strict=True):
        for figures, colour, dash, label in lines:
            values = [_number(figures(e)) for e in points]
            axes.plot(times, values, color=colour, ls=dash, lw=1.8, label=label, **alone)
        axes.set_ylabel(name)
        if len(lines) > 1:
            legend(axes, None)
    _shade(parts[0], times, [e.service.all for e in points])
    for axes in parts:
        axes.set_ylim(bottom=0, top=None if axes.get_ylim()[1] > 0.01 else 0.01)
        axes.yaxis.set_major_locator(MaxNLocator(4 if axes is parts[0] else 3))
        axes.grid(axis="y")
        # The lane below has the time.
        axes.xaxis.set_visible(False)
    for axes in parts[2:4]:
        axes.yaxis.set_major_formatter(PERCENT)
    _lane(lane, parts, marked)
    time_axis(lane, times, "time of the check (UTC)" if width > 450 else "UTC")
    return figure


def _stack(width: float, bottom: int) -> tuple[Figure, list[Axes], Axes]:
    """Axes of so many pixels under each other, with room for the legend above each that has one; and the lane."""
    labels = [[line[3] for line in lines] for _, lines in LINES]
    rooms = [6 + LEGEND * rows_of(told, width - LEFT - 14) if len(told) > 1 else 0 for told in labels]
    height = sum(HEIGHTS) + sum(rooms) + GAP * len(HEIGHTS) + LANE + bottom
    figure = blank(width, height)
    parts: list[Axes] = []
    top = 0
    for tall, room in (*zip(HEIGHTS, rooms, strict=True), (LANE, 0)):
        top += room
        where = (LEFT / width, 1 - (top + tall) / height, 1 - (LEFT + 14) / width, tall / height)
        parts.append(figure.add_axes(where, sharex=parts[0] if parts else None))
        top += tall + GAP
    return figure, parts[:-1], parts[-1]


def _shade(axes: Axes, times: Any, traffic: Sequence[Traffic]) -> None:
    """The mean's interval; a wide one may leave the picture, it must not flatten the lines."""
    top = axes.get_ylim()[1]
    low, high = zip(*(t.mean_interval_s or (math.nan, math.nan) for t in traffic), strict=True)
    axes.fill_between(times, [s * 1e3 for s in low], [s * 1e3 for s in high], color=BLUE, alpha=0.2, lw=0)
    axes.set_ylim(top=top)


def _lane(lane: Axes, parts: Sequence[Axes], events: Sequence[Event]) -> None:
    lane.set_ylim(-1, 1)
    lane.set_yticks([0], ["events"])
    lane.tick_params(axis="y", length=0)
    used: dict[str, Line2D] = {}
    for event in events:
        shape, colour, label = MARKS[event.kind]
        at: Any = parse_utc(event.recorded_at)
        size = 11 if shape == "*" else 7
        lane.plot([at], [0], shape, color=colour, ms=size, mew=0.5, clip_on=False)
        used[label] = Line2D([], [], color=colour, marker=shape, lw=0, ms=size, label=label)
        if label in ("switch", "rollback"):
            for axes in parts:
                axes.axvline(at, color=FAINT, lw=1, alpha=0.4)
    if used:
        lane.figure.legend(
            handles=list(used.values()),
            loc="lower left",
            bbox_to_anchor=(lane.get_position().x0, 0),
            ncols=4,
            borderpad=0.2,
            borderaxespad=0.3,
            handletextpad=0.3,
            columnspacing=1.2,
        )


def _number(value: float | None) -> float:
    return math.nan if value is None else value
