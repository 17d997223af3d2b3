"""Pure: records -> figures of how actuals come, and of what is said of the quality without them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator, PercentFormatter

from workbench.evaluation import Evaluation
from workbench.moments import parse_utc
from workbench.performance_result import Labels
from workbench.plot_style import ALARM, BLUE, GREEN, INK, blank, legend, margins, rows_of, styled, time_axis, words

# A unit of at least two of which the last actual took.
UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))
__all__ = ["coverage_over_time", "delay_curve", "estimate_beside_realised"]


@styled
def delay_curve(labels: Labels | None, *, width: float = 540) -> Figure:
    """The share of the actuals that is there after so long, and from when on a prediction counts as mature."""
    if labels is None or not labels.delays:
        return words("No actual has come yet: how long they take will be drawn here.", width)
    figure = blank(width, 260)
    axes = figure.subplots()
    margins(figure, width, left=58, right=20, top=34, bottom=58)
    last = labels.delays[-1][0] or 1.0
    times = [0.0, *(seconds for seconds, _ in labels.delays), 1.1 * last]
    axes.step(
        times, [0.0, *(share for _, share in labels.delays), labels.delays[-1][1]], where="post", color=BLUE, lw=2
    )
    handles = [Line2D([], [], color=BLUE, lw=2, label="actuals that are there")]
    if labels.mature_after_s is not None:
        axes.axvline(labels.mature_after_s, color=ALARM, lw=1.4, ls="--")
        handles.append(Line2D([], [], color=ALARM, lw=1.4, ls="--", label="mature from here"))
    length, unit = next((length, unit) for length, unit in UNITS if last >= 2 * length or length == 1)
    axes.xaxis.set_major_locator(MultipleLocator(_step(last / length) * length))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds / length:.3g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    axes.set_xlim(0, 1.1 * last)
    axes.set_ylim(0, 1.05)
    axes.grid(axis="y")
    axes.set_xlabel(f"{unit} after the prediction")
    legend(axes, handles)
    return figure


def _step(span: float) -> float:
    """A round step that makes about five of a span.

    >>> _step(10), _step(48), _step(0.3)
    (2.0, 10.0, 0.1)
    """
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= span / 5 - 1e-12)


@styled
def coverage_over_time(evaluations: Sequence[Evaluation], *, width: float = 540) -> Figure:
    """The share of mature predictions that have their actual, check by check."""
    points = [
        e for e in _thin(evaluations, width) if e.performance.labels and e.performance.labels.coverage is not None
    ]
    if not points:
        return words("No prediction is mature yet: how many have their actual will be drawn here.", width)
    figure = blank(width, 260)
    axes = figure.subplots()
    margins(figure, width, left=58, right=20, top=34, bottom=58)
    times: Any = [parse_utc(e.last_event_time or "") for e in points]
    covered = [_number(e.performance.labels.coverage if e.performance.labels else None) for e in points]
    axes.plot(times, covered, color=GREEN, lw=2, label="mature predictions with actual", **_alone(points))
    axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    axes.set_ylim(0, 1.05)
    axes.grid(axis="y")
    legend(axes, None)
    time_axis(axes, times, "event time")
    return figure


@styled
def estimate_beside_realised(evaluations: Sequence[Evaluation], *, width: float = 1100) -> Figure:
    """What was estimated without actuals beside what the actuals said.

    Parameters
    ----------
    evaluations : oldest first
    width : float
        In pixels.

    Returns
    -------
    Figure
        Above, check by check: the estimate for the newest predictions within its 95 % interval, and the metric of the
        newest that have their actuals. Below the track record: block by block, of the same rows, both.
    """
    last = next((e for e in reversed(evaluations) if e.estimate.value is not None), None)
    if last is None:
        return words("Nothing has been estimated yet: estimates and what came of them will be drawn here.", width)
    metric = last.estimate.metric
    points = [e for e in _thin(evaluations, width) if e.estimate.metric == metric]
    record = last.estimate.record
    handles: list[Any] = [
        Line2D([], [], color=BLUE, lw=2, ls="-.", marker="s", ms=5, label="estimated without actuals"),
        Patch(color=BLUE, alpha=0.16, label="95 %"),
        Line2D([], [], color=INK, lw=2, marker="D", ms=5, label="by actuals"),
    ]
    top = 14 + 17 * rows_of([h.get_label() for h in handles], width - 78)
    figure = blank(width, (420 if record else 250) + top)
    both = figure.subplots(2 if record else 1, 1, squeeze=False, sharex=True)[:, 0]
    margins(figure, width, left=64, right=14, top=top, bottom=58, between=12)
    axes = both[0]
    times: Any = [parse_utc(e.last_event_time or "") for e in points]
    low, high = ([_number(getattr(e.estimate, end)) for e in points] for end in ("low", "high"))
    axes.fill_between(times, low, high, color=BLUE, alpha=0.16, lw=0)
    axes.plot(times, [_number(e.estimate.value) for e in points], color=BLUE, lw=2, ls="-.", **_alone(points))
    realised = [_number(e.performance.metrics.get(metric)) for e in points]
    axes.plot(times, realised, color=INK, lw=2, **_alone(points))
    if record:
        ends: Any = [parse_utc(block.end) for block in record]
        values = [block.estimated for block in record]
        reach = [
            [max(b.estimated - b.low, 0) for b in record],
            [max(b.high - b.estimated, 0) for b in record],
        ]
        both[1].errorbar(ends, values, reach, color=BLUE, marker="s", ms=5, lw=0, elinewidth=1.6, capsize=3)
        both[1].plot(ends, [b.realised for b in record], color=INK, marker="D", ms=5, lw=0)
        times = [*times, *ends]
    legend(axes, handles)
    for part, name in zip(both, (f"{metric}, each check", "track record"), strict=False):
        part.set_ylabel(name)
        part.grid(axis="y")
        part.margins(x=0.02)
    time_axis(both[-1], times, "when the rows happened (event time)" if width > 520 else "event time")
    return figure


def _thin(evaluations: Sequence[Evaluation], width: float) -> list[Evaluation]:
    """Checks that saw a prediction; under a pixel apart nobody sees them, and the newest one stays."""
    seen = [e for e in evaluations if e.last_event_time]
    return seen[:: -max(1, math.ceil(len(seen) / width))][::-1] if seen else []


def _alone(points: Sequence[Evaluation]) -> dict[str, Any]:
    """A line of one point is drawn as a point."""
    return {"marker": "o", "ms": 4} if len(points) == 1 else {}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
