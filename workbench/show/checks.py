"""Checks as they are shown: an evaluation and its parts."""

from __future__ import annotations

import math

from workbench.evaluation import DriftResult, Evaluation, FeatureDrift, Impact, Verdict
from workbench.performance_result import PerformanceResult, Score
from workbench.records import ALARMING, State
from workbench.show.sheet import Cell, Sheet, Table, Told, bounded, clock, many, number, verdict
from workbench.show.sketch import bars

# The first one that any part is in is that of the whole.
WORST_FIRST: tuple[State, ...] = ("broken", "alarm", "drift", "possible", "ok", "insufficient")
DRAWN, SEGMENTS = 8, 8


def by_state(check: Evaluation) -> dict[State, list[str]]:
    """The parts of a check by the state they are in, the worst first.

    That the few values there are look sound is no health: the data alone are not enough for "ok".
    """
    named = {state: [n for n, part in check.verdicts.items() if part.state == state] for state in WORST_FIRST}
    return {state: names for state, names in named.items() if names and (state, names) != ("ok", ["data"])}


def overall(check: Evaluation) -> tuple[State, str]:
    """A check as a whole: the worst state of its parts, and what those in alarm say, or which parts are in it."""
    named = by_state(check)
    state = next(iter(named))
    if check.alarms:
        return state, "; ".join(f"{name}: {sentence}" for name, sentence in check.alarms.items())
    return state, ", ".join(named[state])


def part(result: Verdict) -> Sheet:
    """A part of a check of which no more is to be shown than what it says."""
    name = type(result).__name__.removesuffix("Result").replace("ModelView", "Model's view")
    return Sheet(name, _told(result.state, result.sentence))


def evaluation(check: Evaluation) -> Sheet:
    state, sentence = overall(check)
    impacts = {i.feature: i for i in check.model.impacts}
    features = drift(check.drift)
    return Sheet(
        f"Check of {check.version}",
        _told(state, sentence),
        facts=[
            (
                "window",
                f"{many(check.n, 'prediction')}, {clock(check.first_event_time)} to {clock(check.last_event_time)}",
            ),
            ("checked", clock(check.recorded_at)),
        ],
        tables=[
            parts(check),
            *performance(check.performance).tables[:1],
            *([_impacts(impacts)] if impacts else []),
        ],
        pictures=features.pictures,
    )


def drift(result: DriftResult) -> Sheet:
    ordered = sorted(result.features, key=_noise, reverse=True)
    drawn = [(f.feature, _noise(f), verdict(f.state).tone) for f in ordered if f.channels][:DRAWN]
    label = f"Drift by feature, as a multiple of what chance leaves; the line is at 1. {result.sentence}."
    return Sheet(
        "Drift",
        _told(result.state, result.sentence),
        tables=[
            Table(
                f"over {many(result.n, 'prediction')}; noise: a multiple of what chance leaves",
                ["feature", "verdict", "noise", "in words"],
                [(f.feature, verdict(f.state), f"{_noise(f):.1f}x", f.sentence) for f in ordered],
            )
        ],
        pictures=[bars(drawn, label, mark=1.0)] if drawn else [],
    )


def feature(result: FeatureDrift) -> Sheet:
    return Sheet(
        f"Drift of {result.feature}",
        _told(result.state, result.sentence.removeprefix(f"{result.feature}: ")),
        tables=[
            Table(
                "in brackets: what chance leaves",
                ["channel", "score", "noise", "counts from", "verdict"],
                [
                    (name, bounded(c.value, (c.low, c.high)), f"{c.noise:.1f}x", number(c.limit, 3), verdict(c.state))
                    for name, c in result.channels.items()
                ],
            )
        ],
    )


def performance(result: PerformanceResult) -> Sheet:
    judged = {j.metric: j for j in result.judged}
    rows: list[list[Cell]] = [
        [
            Told(name) if name != result.metric else Told(f"{name} (decides)"),
            bounded(value, result.intervals.get(name)),
            bounded(result.baseline.get(name), result.baseline_intervals.get(name)),
            verdict(judged[name].state) if name in judged else "",
        ]
        for name, value in result.metrics.items()
    ]
    facts = [("labels", result.labels.sentence)] if result.labels and result.labels.sentence else []
    return Sheet(
        "Performance",
        _told(result.state, result.sentence),
        facts=facts,
        tables=[
            Table(
                f"{result.labelled:,} of {result.n:,} mature predictions have their actual; in brackets: 95 %",
                ["metric", "window", "holdout", "verdict"],
                rows,
            ),
            _scores("by segment, the worst first", "segment", result.segments[:SEGMENTS], result.metric),
            _scores("by event time", "start", result.over_time, result.metric),
        ],
    )


def _scores(caption: str, by: str, scores: tuple[Score, ...], metric: str) -> Table:
    rows = [
        (str(getattr(s, by) or "–")[:10], s.n, bounded(s.metrics.get(metric), s.intervals.get(metric))) for s in scores
    ]
    return Table(caption, [by, "actuals", metric], rows)


def _impacts(impacts: dict[str, Impact]) -> Table:
    rows = [(name, number(i.moved, 3), f"{number(i.share, 2)} sd") for name, i in impacts.items()]
    return Table(
        "how far the move of one feature moves the predictions", ["feature", "impact", "of their spread"], rows
    )


def parts(check: Evaluation) -> Table:
    """Every verdict of a check."""
    rows = [(name, verdict(p.state), _bare(p.state, p.sentence)) for name, p in check.verdicts.items()]
    return Table("", ["part", "verdict", "in words"], rows)


def _told(state: State, sentence: str) -> Told:
    told = verdict(state)
    return Told(f"{told.text}: {_bare(state, sentence)}", told.tone if state in ALARMING else "")


def _bare(state: State, sentence: str) -> str:
    """A sentence without the verdict that it begins with, beside which it stands."""
    return sentence.removeprefix(f"{state}: ")


def _noise(found: FeatureDrift) -> float:
    """Of the channel that is furthest from no drift; what cannot be told has none."""
    return max((c.noise for c in found.channels.values() if math.isfinite(c.noise)), default=0.0)
