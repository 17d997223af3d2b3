"""Backtests as they are shown: all courses over the same history, and one of them."""

from __future__ import annotations

from workbench.backtest_result import BacktestResult, Course
from workbench.show.sheet import Cell, Sheet, Table, Told, bounded, clock, many
from workbench.show.sketch import curves


def backtest(result: BacktestResult) -> Sheet:
    told = "; ".join(f"{c.name}: {_told(c, alone=len(result.policies) == 1)}" for c in result.policies)
    head = ["course", result.metric, "recovered", "alarms", "attempts", "promoted", "kept out", "refused", "fits"]
    label = f"{result.metric} of each course over event time. {told}."
    return Sheet(
        f"Backtest of {result.model}",
        told,
        facts=[
            ("history", f"{result.source}, {clock(result.start)} to {clock(result.end)}, {result.scored:,} actuals"),
            ("labels", result.delay),
            ("ensemble", result.ensemble),
            *([("one would pick", result.chosen)] if result.chosen else []),
        ],
        tables=[Table("in brackets: 95 %", head, [_course(c) for c in result.courses])],
        pictures=[curves([(c.name, c.kind, [p.value for p in c.over_time]) for c in result.courses], label)],
        note=result.note,
    )


def course(played: Course) -> Sheet:
    told = played.recovered.sentence if played.recovered else f"{played.kind}, {many(played.fits, 'fit')}"
    rows = [(clock(s.at), s.kind.replace("_", " "), s.version or "–", s.reason) for s in played.steps]
    return Sheet(
        f"Course {played.name}",
        told,
        facts=[(name, str(value)) for name, value in played.settings.items()],
        tables=[Table(many(len(rows), "step"), ["event time", "what", "version", "why"], rows)],
    )


def _course(c: Course) -> list[Cell]:
    return [
        Told(c.name) if c.kind == "policy" else Told(c.name, "quiet"),
        bounded(c.value, c.interval),
        _share(c),
        *((c.alarms, c.attempts, c.promotions, c.kept_out, c.refusals) if c.kind == "policy" else ("–",) * 5),
        c.fits,
    ]


def _told(c: Course, *, alone: bool) -> str:
    if c.recovered is None or alone or c.recovered.share is None:
        return c.recovered.sentence if c.recovered else "nothing to hold it beside"
    return f"{_share(c)} of the recoverable error recovered"


def _share(c: Course) -> str:
    told = c.recovered
    if told is None or told.share is None:
        return "nothing to recover" if told else "–"
    return f"{told.share:z.0%}" + (f" ({told.interval[0]:z.0%} to {told.interval[1]:z.0%})" if told.interval else "")
