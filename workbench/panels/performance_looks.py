"""Closer looks at performance: where it is wrong, by segment and time, how actuals come, what was said without them.

Each is a pure function of a view and a version, or of all versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench import label_plots, quality_plots
from workbench.evaluation import Evaluation
from workbench.label_words import curve_told
from workbench.panels.base import Markup, full_width, half_width, table, tag
from workbench.panels.view import View
from workbench.performance_result import PerformanceResult, Score
from workbench.plot_style import short_id, svg
from workbench.show.sheet import bounded

SEGMENTS_SHOWN = 12
PERIODS_SHOWN = 12
Look = Callable[[View, str | None], str]


def answers(view: View, version: str | None) -> str:
    """Confusion, ROC and calibration, or residuals, of the newest recorded answers."""
    rows, n = view.answered.sample(version), view.answered.count(version)
    of = short_id(version) if version else "all versions"
    told = f"{len(rows):,} of the last {n:,} recorded answers of {of} have their actual"
    if rows.task == "classification":
        drawn = quality_plots.classification(rows, width=full_width(view))
        label = f"Confusion matrix, ROC curve and calibration: {told}."
    else:
        drawn = quality_plots.regression(rows, width=full_width(view))
        label = f"Residuals against predictions, and their histogram: {told}."
    return tag("p", told) + svg(drawn, label)


def groups(view: View, version: str | None) -> str:
    """By segment, by event time, by version: what the last check of the version found."""
    check = _newest(view, version)
    if check is None:
        return tag("p", _unchecked(version))
    result = check.performance
    found = [
        _segments(result, view.settings.performance.segment),
        _periods(result, version),
        _versions(result, version),
    ]
    tables = "".join(tag("div", one) for one in found if one)
    return tag("div", Markup(tables), "wb-columns") if tables else tag("p", "No actual has come yet.")


def labels(view: View, version: str | None) -> str:
    """How many actuals come, and how late."""
    check = _newest(view, version)
    if check is None:
        return tag("p", _unchecked(version))
    told = check.performance.labels
    lines = [told.sentence, curve_told(told)] if told else ["no check of the actuals yet"]
    width = half_width(view)
    delay = svg(label_plots.delay_curve(told, width=width), f"How late actuals come: {lines[-1] or lines[0]}.")
    covered = svg(
        label_plots.coverage_over_time(_of(view, version), width=width), f"Actuals that came, over time: {lines[0]}."
    )
    return "".join(tag("p", line) for line in lines if line) + _pair(delay, covered)


def estimate(view: View, version: str | None) -> str:
    """What was said without actuals, beside what the actuals said."""
    check = _newest(view, version)
    if check is None:
        return tag("p", _unchecked(version))
    sentence = check.estimate.sentence
    drawn = label_plots.estimate_beside_realised(_of(view, version), width=full_width(view))
    return tag("p", sentence) + svg(drawn, f"Estimated beside realised: {sentence}.")


LOOKS: dict[str, Look] = {
    "Where it is wrong": answers,
    "By segment and time": groups,
    "How actuals come": labels,
    "Without actuals": estimate,
}


def _of(view: View, version: str | None) -> Sequence[Evaluation]:
    return [e for e in view.evaluations if version in (None, e.version)]


def _newest(view: View, version: str | None) -> Evaluation | None:
    """The last check of a version; without one, of the live version."""
    if version is None:
        return view.current
    return next((e for e in reversed(view.evaluations) if e.version == version), None)


def _unchecked(version: str | None) -> str:
    return f"{short_id(version)} has not been checked" if version else "no check of the live version yet"


def _pair(*pictures: str) -> Markup:
    return tag("div", Markup("".join(tag("div", Markup(one)) for one in pictures)), "wb-columns")


def _segments(result: PerformanceResult, column: str | None) -> Markup | None:
    if not result.segments or column is None:
        return None
    rows = [(part.segment, f"{part.n:,}", _value(part, result.metric)) for part in result.segments[:SEGMENTS_SHOWN]]
    return table(f"By {column}, the worst first", [column, "actuals", result.metric], rows)


def _periods(result: PerformanceResult, version: str | None) -> Markup | None:
    """The newest periods of event time."""
    parts = [part for part in result.over_time if version in (None, part.version)]
    rows = [
        ((part.start or "")[:10], short_id(part.version or "–"), f"{part.n:,}", _value(part, result.metric))
        for part in parts[-PERIODS_SHOWN:]
    ]
    return (
        table("By event time", ["from", "version", "actuals", result.metric], rows, css=["wb-nowrap"]) if rows else None
    )


def _versions(result: PerformanceResult, version: str | None) -> Markup | None:
    rows = [
        (
            short_id(part.version or "–"),
            f"{(part.start or '')[:10]} to {(part.end or '')[:10]}",
            f"{part.n:,}",
            _value(part, result.metric),
        )
        for part in reversed(result.by_version)
        if version in (None, part.version)
    ]
    head = ["version", "answered", "actuals", result.metric]
    return table("By version, as the records have it", head, rows) if rows else None


def _value(part: Score, metric: str) -> str:
    told = bounded(part.metrics.get(metric), part.intervals.get(metric))
    return told + ", provisional" if part.provisional else told
