"""Tables of how good the model is: metrics with intervals, how actuals come, segments, the estimate without actuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.cli.show import number, print_table, when

if TYPE_CHECKING:
    from workbench.evaluation import Evaluation
    from workbench.performance_result import PerformanceResult, Score

SEGMENTS_SHOWN = 10
VERSIONS_SHOWN = 4
PERIODS_SHOWN = 10


def print_quality(evaluation: Evaluation) -> None:
    """Everything a check says of the model's quality."""
    from workbench.label_words import curve_told

    performance = evaluation.performance
    if performance.metrics:
        _metrics(performance)
    if performance.labels:
        told = [("labels", performance.labels.sentence), ("delays", curve_told(performance.labels))]
        print_table("actuals", ["", ""], [row for row in [*told, *_newest(performance)] if row[1]])
    if performance.over_time:
        _periods(performance)
    if performance.segments:
        _segments(performance, evaluation.thresholds.get("performance", {}).get("segment") or "segment")
    if evaluation.estimate.record:
        print_table(
            f"{evaluation.estimate.metric} estimated without actuals (95 %), and what the actuals said",
            ["from", "to", "predictions", "estimated", "realised"],
            (
                (when(c.start), when(c.end), c.n, interval(c.estimated, (c.low, c.high)), number(c.realised))
                for c in evaluation.estimate.record
            ),
        )


def _metrics(performance: PerformanceResult) -> None:
    versions = performance.by_version[-VERSIONS_SHOWN:]
    columns = [
        f"window ({performance.labelled} actuals)",
        "holdout",
        *(f"{score.version} ({score.n} actuals)" for score in versions),
    ]
    print_table(
        "performance (in brackets: 95 % interval)",
        ["", *columns],
        (
            (
                name,
                interval(performance.metrics[name], performance.intervals.get(name)),
                interval(performance.baseline.get(name), performance.baseline_intervals.get(name)),
                *(bounded(score, name) for score in versions),
            )
            for name in performance.metrics
        ),
    )


def _periods(performance: PerformanceResult) -> None:
    """The newest periods of event time, whichever version answered."""
    print_table(
        "by event time (in brackets: 95 % interval)",
        ["from", "version", "actuals", performance.metric],
        (
            (
                when(score.start)[:16],
                score.version,
                score.n,
                bounded(score, performance.metric) + (", provisional" if score.provisional else ""),
            )
            for score in performance.over_time[-PERIODS_SHOWN:]
        ),
    )


def _segments(performance: PerformanceResult, column: str) -> None:
    names = [j.metric for j in performance.judged if j.rows == performance.labelled] or [performance.metric]
    print_table(
        f"by {column}, the worst {performance.metric} first",
        [column, "actuals", *names],
        ((s.segment, s.n, *(bounded(s, name) for name in names)) for s in performance.segments[:SEGMENTS_SHOWN]),
    )


def _newest(performance: PerformanceResult) -> list[tuple[str, str]]:
    """The window of the last predictions, where labels are still to come."""
    newest = performance.newest
    if newest is None or not newest.provisional:
        return []
    told = bounded(newest, performance.metric)
    return [("provisional", f"{performance.metric} {told} over the {newest.n} actuals of the window so far")]


def bounded(score: Score, name: str) -> str:
    """A metric of a score with its interval, for a table."""
    return interval(score.metrics.get(name), score.intervals.get(name))


def interval(value: float | None, bounds: tuple[float, float] | None) -> str:
    """A figure with its interval, for a table.

    >>> interval(9.60312, (9.1, 10.25)), interval(None, None)
    ('9.603 (9.1 to 10.2)', '-')
    """
    return f"{number(value)} ({number(bounds[0], 3)} to {number(bounds[1], 3)})" if bounds else number(value)
