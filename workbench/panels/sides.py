"""What versions say to the same inputs, as markup: agreement, metrics with paired intervals, rows that change most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.panels.base import Markup, markup, table, tag
from workbench.show.sheet import clock, number
from workbench.whatif_result import Agreement, Better, ChangedRow, Measured, Paired, SideBySide, WhatIf

CLASSES_SHOWN = 10
VERDICTS: dict[Better, tuple[str, str]] = {
    "better": ("✓", "wb-good"),
    "the same": ("●", ""),
    "cannot tell": ("●", "wb-wait"),
    "worse": ("✗", "wb-bad"),
}


def whatif(found: WhatIf) -> Markup:
    """A what-if: its sentence, the metrics beside those of what was recorded, the rows that change most."""
    by = ", ".join(f"{version} ({rows:,} rows)" for version, rows in found.answered_by.items())
    over = f"{found.version} over the last {found.n:,} recorded inputs, {clock(found.start)} to {clock(found.end)}"
    parts = [
        tag("p", Markup(f"{tag('b', over)}; they were answered by {tag('span', by)}.")),
        tag("p", found.sentence),
        agreement(found.agreement, "recorded", found.version),
        paired(found.paired, "recorded", found.version),
        seen(found.labelled, found.seen) if found.paired else "",
        changed(found.changed),
        tag(
            "p", f"{number(found.batch_row_ms, 3)} ms a row among many, {number(found.row_ms, 3)} ms alone", "wb-quiet"
        ),
    ]
    return Markup("".join(parts))


def side_by_side(found: SideBySide) -> Markup:
    """Two versions: what both say to the same inputs, what each scored and served, and where they differ."""
    sides = (found.a, found.b)
    first, second = (side.metadata.version_id for side in sides)
    names = list(dict.fromkeys(name for side in sides for name in side.metadata.metrics))
    same, parts = found.same_inputs, [tag("p", found.sentence)]
    if same is not None:
        span = f"Both were asked about the last {same.n:,} recorded inputs, {clock(same.start)} to {clock(same.end)}."
        parts = [tag("p", tag("b", span)), *parts, agreement(same.agreement, first, second)]
        parts += [paired(same.paired, first, second), seen(same.labelled, same.seen) if same.paired else Markup()]
    own = [
        *((f"{name} when made", *(number(side.metadata.metrics.get(name)) for side in sides)) for name in names),
        ("predictions served", *(f"{side.traffic.predictions:,}" for side in sides)),
        ("actuals of them", *(f"{side.traffic.labelled:,}" for side in sides)),
        (f"{found.metric} served", *(_bounded(side.traffic.served, found.metric) for side in sides)),
        ("gate", *(side.metadata.gate.sentence for side in sides)),
        *((_field(d.field), cell(d.a), cell(d.b)) for d in found.differences),
    ]
    caption = "Each for itself: figures are over rows of its own; below, where their metadata differ"
    parts.append(table(caption, ["", first, second], own, css=["", "wb-some", "wb-some"]))
    return Markup("".join(parts))


def agreement(found: Agreement, first: str, second: str) -> Markup:
    """Classes by both, of a few; numbers are told by the sentence."""
    if not found.confusion or len(found.classes) > CLASSES_SHOWN:
        return Markup()
    rows = [(name, *row) for name, row in zip(found.classes, found.confusion, strict=True)]
    return _narrow(table(f"Rows by class: {first} (down), {second} (across)", ["", *found.classes], rows))


def paired(found: Paired | None, first: str, second: str) -> Markup:
    """Every metric of both on the same rows."""
    if found is None:
        return Markup()
    warned = "SEEN IN TRAINING: " if found.seen else ""
    caption = (
        f"{warned}On the same {found.n:,} actuals, {clock(found.start)} to {clock(found.end)}; "
        "in brackets: the paired 95 % interval"
    )
    rows = [
        (m.metric, number(m.first), number(m.second), number(m.difference, 3) + _bounds(m), _verdict(m.verdict))
        for m in found.metrics
    ]
    return _narrow(table(caption, ["", first, second, "difference", f"{second} is"], rows))


def changed(rows: Sequence[ChangedRow]) -> Markup:
    """The rows that would have been answered otherwise, with their inputs."""
    if not rows:
        return tag("p", "✓ No row would have been answered otherwise.")
    names = list(dict.fromkeys(name for row in rows for name in row.inputs))
    head = ["event time", "recorded", "what-if", "change", "actual", *names]
    told = [
        (
            clock(row.event_time),
            cell(row.recorded),
            cell(row.whatif),
            tag("b", number(row.change, 3)),
            cell(row.actual) + (" (seen)" if row.seen else ""),
            *(cell(row.inputs.get(name)) for name in names),
        )
        for row in rows
    ]
    return table(f"The {len(rows)} rows that change most", head, told, css=["wb-nowrap"])


def seen(labelled: int, known: int) -> Markup:
    told = f"Of {labelled:,} labelled rows {known:,} are not newer than what a version has learnt or been chosen from."
    return tag("p", told, "wb-quiet")


def cell(value: Any) -> str:
    """Anything of a record, for a cell of a table.

    >>> cell(0.123456), cell(None), cell(["a", "b"]), cell("x")
    ('0.1235', '–', 'a, b', 'x')
    """
    if isinstance(value, float):
        return number(value)
    return "–" if value is None else ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _narrow(content: Markup) -> Markup:
    return tag("div", content, "wb-narrow")


def _field(name: str) -> Markup:
    """A dotted name, which may go on in the next line after a dot."""
    return Markup(markup(name).replace(".", ".<wbr>"))


def _bounds(m: Measured) -> str:
    return "" if m.low is None or m.high is None else f" ({number(m.low, 3)} to {number(m.high, 3)})"


def _bounded(score: Any, metric: str) -> str:
    value, bounds = score.metrics.get(metric), score.intervals.get(metric)
    told = number(value) + (f" ({number(bounds[0])} to {number(bounds[1])})" if bounds else "")
    return f"{told}, provisional" if score.provisional and value is not None else told


def _verdict(verdict: Better | None) -> object:
    if verdict is None:
        return "–"
    glyph, css = VERDICTS[verdict]
    return tag("b", f"{glyph} {verdict}", css)
