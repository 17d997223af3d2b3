"""Pure: a backtest's record -> figures: the error of every course over event time, and policies by what they cost."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from workbench.backtest_result import BacktestResult, Course
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
    clip,
    legend,
    margins,
    styled,
    time_axis,
    words,
)

LINES = {"never": (INK, ":"), "always": (AMBER, "--")}
POLICIES = (BLUE, GREEN, PURPLE, SKY)
# kind of step: lane, shape, colour, words
MARKS = {
    "alarm": (2, "^", ALARM, "alarm begins"),
    "retrain_started": (1, "o", BLUE, "attempt"),
    "kept_out": (0, "x", INK, "kept out"),
    "promoted": (0, "*", GREEN, "promoted"),
    "went_back": (0, "<", GREEN, "went back"),
    "rolled_back": (0, "<", ALARM, "rolled back"),
}
LANES = ("result", "attempt", "alarm")
# Of a legend: its entries beside each other by the figure's width in pixels, and how high a line of them is.
COLUMNS = ((700, 6), (440, 2), (0, 1))
LINE = 18


@styled
def over_time(result: BacktestResult, *, width: float = 1100) -> Figure:
    """The metric of each period, a line a course, and below what the first policy did.

    Parameters
    ----------
    width : float
        In pixels.
    """
    if not any(p.value is not None for course in result.courses for p in course.over_time):
        return words("No period has an actual to score by.", width)
    columns, marks = _columns(width), _marks(result)
    top = 22 + LINE * (math.ceil(min(len(result.courses), 6) / columns) + math.ceil(len(marks) / columns))
    figure = blank(width, 342 + top)
    axes, lanes = figure.subplots(2, 1, sharex=True, height_ratios=[7, 2])
    margins(figure, width, left=64, right=14, top=top, bottom=58, between=10)
    handles, policies, dashes = [], iter(POLICIES * len(result.courses)), iter(("--", "-.") * len(result.courses))
    for course in result.courses:
        colour, style = LINES.get(course.kind, ("", "-"))
        colour, style = colour or next(policies), next(dashes) if course.kind == "always" else style
        _line(axes, course, colour, style)
        handles.append(Line2D([], [], color=colour, ls=style, lw=2, label=clip(course.name, 40)))
    # What was done once lies among the marks of what is done with it.
    if result.policies:
        _steps(axes, lanes, result.policies[0])
    legend(axes, handles[:6], columns)
    figure.legend(handles=marks, loc="upper left", bbox_to_anchor=(64 / width, 1.0), ncols=columns, borderpad=0.2)
    axes.set_ylabel(result.metric.upper() if len(result.metric) < 5 else result.metric)
    axes.grid(axis="y")
    axes.margins(x=0.01)
    time_axis(lanes, [parse_utc(result.start), parse_utc(result.end)], "event time")
    return figure


def _line(axes: Axes, course: Course, colour: str, style: str) -> None:
    """A course's periods as steps, with their intervals where it is a policy."""
    times: Any = [parse_utc(p.start) for p in course.over_time] + [parse_utc(course.over_time[-1].end)]
    values = [_number(p.value) for p in course.over_time]
    axes.step(times, [*values, values[-1]], where="post", color=colour, ls=style, lw=2 if style == "-" else 1.5)
    if course.kind == "policy":
        bounds = [p.interval or (math.nan, math.nan) for p in course.over_time]
        low, high = ([*part, part[-1]] for part in zip(*bounds, strict=True))
        axes.fill_between(times, low, high, step="post", color=colour, alpha=0.14, lw=0)


def _steps(axes: Axes, lanes: Axes, course: Course) -> None:
    lanes.set_ylim(-0.6, 2.6)
    lanes.set_yticks(range(len(LANES)), LANES)
    lanes.tick_params(axis="y", length=0)
    lanes.grid(axis="y")
    for step in course.steps:
        if step.kind in MARKS:
            lane, shape, colour, _ = MARKS[step.kind]
            at: Any = parse_utc(step.at)
            lanes.plot(
                [at], [lane], shape, color=colour, ms=_size(shape), mew=2 if shape == "x" else 0.5, clip_on=False
            )
            if lane == 0 and step.kind != "kept_out":
                axes.axvline(at, color=FAINT, lw=1, alpha=0.4)


def _marks(result: BacktestResult) -> list[Line2D]:
    """Of what the first policy did, for the legend."""
    done = {step.kind for course in result.policies[:1] for step in course.steps}
    return [
        Line2D([], [], color=colour, marker=shape, lw=0, ms=_size(shape), label=label)
        for kind, (_, shape, colour, label) in MARKS.items()
        if kind in done
    ]


def _columns(width: float) -> int:
    return next(columns for least, columns in COLUMNS if width >= least)


def _size(shape: str) -> int:
    return 11 if shape == "*" else 7


@styled
def compared(result: BacktestResult, *, width: float = 760) -> Figure:
    """Policies side by side: what each won of what could be won, against its attempts; filled where no other beats it.

    Where there was nothing to recover, what each won in units of the metric.
    """
    policies = result.policies
    shares = all(c.recovered is not None and c.recovered.share is not None for c in policies)
    columns, middle = min(_columns(width), 3), max(c.attempts for c in policies) / 2
    top = 6 + LINE * math.ceil(3 / columns)
    figure = blank(width, 396 + top)
    axes = figure.subplots()
    margins(figure, width, left=74, right=24, top=top, bottom=58)
    for i, course in enumerate(policies):
        told = course.recovered
        value = _number((told.share if shares else told.won) if told else None)
        bounds = (told.interval if shares else told.won_interval) if told else None
        best = course.name in result.undominated
        if bounds:
            axes.plot([course.attempts] * 2, bounds, color=FAINT, lw=1, alpha=0.5)
        face = BLUE if best else "none"
        axes.plot([course.attempts], [value], "o", color=BLUE, mfc=face, ms=8, mew=1.5)
        if course.name == result.chosen:
            axes.plot([course.attempts], [value], "o", color=GREEN, mfc="none", ms=15, mew=2)
        if best or course.name == result.chosen:
            inward = course.attempts > middle
            axes.annotate(
                clip(course.name, 44),
                (course.attempts, value),
                (-8 if inward else 8, 10 if i % 2 else -16),
                textcoords="offset points",
                ha="right" if inward else "left",
                fontsize=10,
            )
    handles = [
        Line2D([], [], color=BLUE, marker="o", lw=0, label="none is better for less"),
        Line2D([], [], color=BLUE, marker="o", mfc="none", lw=0, label="another one is"),
        Line2D([], [], color=GREEN, marker="o", mfc="none", ms=12, mew=2, lw=0, label="one would pick this"),
    ]
    legend(axes, handles, columns)
    axes.set_xlabel("attempts to retrain")
    axes.set_ylabel("recovered share" if shares else f"won, {result.metric}")
    if shares:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    axes.margins(x=0.12, y=0.15)
    return figure


def _number(value: float | None) -> float:
    return math.nan if value is None else value
