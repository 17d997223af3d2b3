"""Performance: the error over time with what was done about it, and every metric beside the holdout."""

from __future__ import annotations

from workbench.label_words import curve_told
from workbench.panels.base import Markup, Panel, full_width, number, table, tag
from workbench.panels.view import View
from workbench.performance_result import PerformanceResult
from workbench.plots import error_over_time, svg

SEGMENTS_SHOWN = 8
PERIODS_SHOWN = 8


class Performance(Panel):
    """The main picture of the page."""

    title = "Error over time, and what was done about it"

    def key(self, view: View) -> object:
        return view.checked, view.happened, view.width

    @staticmethod
    def draw(view: View) -> str:
        picture = svg(error_over_time(view.evaluations, view.events, width=full_width(view)), _label(view))
        return picture + _metrics(view)


def _label(view: View) -> str:
    if not view.evaluations:
        return "Error over time: no check yet."
    last = view.evaluations[-1]
    marked = sum(e.kind in {"promoted", "switched", "rolled_back"} for e in view.events)
    return (
        f"{last.performance.metric} of {last.version} over {len(view.evaluations)} checks, {marked} switches marked; "
        f"now: {last.performance.sentence}."
    )


def _metrics(view: View) -> str:
    check = view.current
    if check is None:
        return ""
    result = check.performance
    told = [result.labels.sentence, curve_told(result.labels)] if result.labels else []
    lines = [result.sentence, *told, check.estimate.sentence]
    names = list(result.metrics)
    rows = [
        ("window", *(_bounded(result.metrics[name], result.intervals.get(name)) for name in names)),
        (
            "holdout of the version",
            *(_bounded(result.baseline.get(name), result.baseline_intervals.get(name)) for name in names),
        ),
    ]
    head = f"{result.labelled:,} of the last {result.n:,} mature predictions have their actual; 95 % intervals"
    segments = _segments(result, view.settings.performance.segment)
    tables = [table(head, ["", *names], rows), segments, _periods(result)]
    return "".join(tag("p", line) for line in lines if line) + "".join(
        tag("div", one, "wb-narrow") for one in tables if one
    )


def _segments(result: PerformanceResult, column: str | None) -> Markup | None:
    if not result.segments or column is None:
        return None
    rows = [
        (part.segment, part.n, _bounded(part.metrics.get(result.metric), part.intervals.get(result.metric)))
        for part in result.segments[:SEGMENTS_SHOWN]
    ]
    return table(f"By {column}, the worst first", [column, "actuals", result.metric], rows)


def _periods(result: PerformanceResult) -> Markup | None:
    """The newest periods of event time."""
    if not result.over_time:
        return None
    rows = [
        (
            (part.start or "")[:10],
            part.version,
            part.n,
            _bounded(part.metrics.get(result.metric), part.intervals.get(result.metric))
            + (", provisional" if part.provisional else ""),
        )
        for part in result.over_time[-PERIODS_SHOWN:]
    ]
    return table("By event time", ["from", "version", "actuals", result.metric], rows)


def _bounded(value: float | None, bounds: tuple[float, float] | None) -> str:
    return f"{number(value)} ({number(bounds[0])} to {number(bounds[1])})" if bounds else number(value)
