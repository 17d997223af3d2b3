"""A backtest's record as a page shows it: pure functions, record -> markup."""

from __future__ import annotations

from workbench.backtest_plots import compared, over_time
from workbench.backtest_result import BacktestResult, Course, Step
from workbench.panels.base import Markup, table, tag
from workbench.panels.events import WORDS
from workbench.plot_style import short_id, svg
from workbench.show.sheet import bounded, clock, number

STEPS_SHOWN = 300
REFUSED = ("✗ refused", "wb-wait")


def titled(result: BacktestResult) -> str:
    """A record in a list of records."""
    policies = "; ".join(c.name for c in result.policies)
    return f"{clock(result.made_at)}  {policies}"


def drawn(result: BacktestResult, width: float) -> Markup:
    """What came of every policy: in a sentence, over event time, and in figures.

    Parameters
    ----------
    width : float
        In pixels.
    """
    told = "".join(tag("p", _sentence(c)) for c in result.policies)
    parts = [told, svg(over_time(result, width=width), _label(result)), _marks(result), _done(result)]
    if len(result.policies) > 1:
        label = "Policies: what each won against its attempts; the figures stand in the table above."
        picture = svg(compared(result, width=min(width, 760)), label)
        parts += [tag("h3", "What each policy won, against its attempts"), picture, tag("p", result.honest, "wb-quiet")]
    return Markup("".join([*parts, tag("p", _about(result), "wb-quiet"), _periods(result)]))


def decisions(course: Course) -> Markup:
    """What a policy did and refused, in order, with its reasons."""
    if not course.steps:
        return tag("p", f"{course.name}: nothing was in alarm, and nothing was done.")
    caption = f"{course.name}: {len(course.steps)} steps"
    if len(course.steps) > STEPS_SHOWN:
        caption += f", the first {STEPS_SHOWN} of them"
    rows = [_step(step) for step in course.steps[:STEPS_SHOWN]]
    return table(caption, ["event time", "what", "version", "why"], rows, css=["wb-nowrap", "wb-nowrap", "", "wb-wide"])


def _step(step: Step) -> list[object]:
    word, css = REFUSED if step.kind == "refused" else WORDS.get(step.kind, (f"· {step.kind.replace('_', ' ')}", ""))
    version = tag("span", short_id(step.version or "–"), title=step.version or "")
    return [clock(step.at), tag("span", word, css), version, step.reason]


def _sentence(course: Course) -> Markup:
    told = course.recovered.sentence if course.recovered else "there is nothing to hold it beside"
    return Markup(f"{tag('b', course.name)}: {tag('span', told)}")


def _marks(result: BacktestResult) -> Markup:
    """Whose alarms and attempts are marked below the curves: one policy's."""
    return tag("p", f"marks below the curves: {result.policies[0].name}", "wb-quiet")


def _label(result: BacktestResult) -> str:
    figures = ", ".join(f"{c.name} {number(c.value)}" for c in result.courses)
    return f"{result.metric} over event time, {result.start[:10]} to {result.end[:10]}; over all of it: {figures}."


def _about(result: BacktestResult) -> str:
    return (
        f"{result.metric} of {result.model} over {result.scored:,} actuals, "
        f"{clock(result.start)} to {clock(result.end)}; "
        f"the first version learnt {result.reference_rows:,} rows; {result.source}; {result.ensemble}; "
        f"labels: {result.delay}; played in {result.took_s:.0f} s. {result.note}."
    )


def _done(result: BacktestResult) -> Markup:
    head = ["course", result.metric, "recovered", "alarms", "attempts", "promoted", "went back", "kept out", "refused"]
    rows = [
        (
            tag("b", c.name) if c.kind == "policy" else c.name,
            bounded(c.value, c.interval),
            _share(c),
            *_counted(c),
            f"{c.fits} fits, {c.fit_s:.0f} s",
        )
        for c in result.courses
    ]
    caption = "what was done, and what came of it (in brackets: 95 %)"
    return table(caption, [*head, "rolled back", "training"], rows, css=["wb-some", "wb-nowrap", "wb-nowrap"])


def _counted(c: Course) -> tuple[object, ...]:
    """What a maintainer did: those who never or always retrain have none."""
    counts = (c.alarms, c.attempts, c.promotions, c.went_back, c.kept_out, c.refusals, c.rollbacks)
    return counts if c.kind == "policy" else ("–",) * len(counts)


def _periods(result: BacktestResult) -> Markup:
    """The figures of the curves, for those who read rather than look."""
    rows = [
        (p.start[:10], f"{p.rows:,}", *(number(c.over_time[k].value) for c in result.courses))
        for k, p in enumerate(result.courses[0].over_time)
    ]
    told = table(
        f"{result.metric} of each period", ["from", "rows", *(c.name for c in result.courses)], rows, css=["wb-nowrap"]
    )
    return Markup(f"<details>{tag('summary', 'The figures of the curves')}{told}</details>")


def _share(course: Course) -> str:
    told = course.recovered
    if told is None or told.share is None:
        return "nothing to recover" if told else "–"
    return f"{told.share:z.0%}" + (f" ({told.interval[0]:z.0%} to {told.interval[1]:z.0%})" if told.interval else "")
