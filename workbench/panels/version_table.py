"""The table of versions: what each was made for, how it did on its holdout, what the gate said, when it was live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workbench.comparison_result import Stretch, stretches
from workbench.panels.base import Markup, table, tag
from workbench.panels.view import View
from workbench.records import Metadata
from workbench.show.sheet import clock, number

SHOWN = 50
STRETCHES_SHOWN = 2
VERDICTS = {
    "better": ("✓", "wb-good"),
    "no champion": ("✓", "wb-good"),
    "not worse": ("●", "wb-wait"),
    "cannot tell": ("●", "wb-wait"),
    "worse": ("✗", "wb-bad"),
}
COLUMNS = ("created", "version", "why", "rows", "metric", "gate", "live")
Live = Mapping[str, Sequence[Stretch]]


def version_table(view: View, by: str = "created", *, descending: bool = True) -> str:
    """Versions as a table.

    Parameters
    ----------
    by : one of COLUMNS
        "why" is the trigger, "metric" the deciding one on the holdout, "gate" the advantage there, "live" when it was
        last made live.
    """
    if not view.versions:
        return tag("p", Markup(f"No version yet: {tag('code', 'python main.py')} trains the first one."))
    live = view.live.version_id if view.live else None
    spans = stretches([(p.activated_at, p.version_id) for p in view.promotions])
    found = ordered(view.versions, _keys(view.settings.metric, spans)[by], descending=descending)
    shown = found[:SHOWN]
    caption = f"{len(found)} published" + (f", the first {SHOWN} of them in this order" if len(found) > SHOWN else "")
    metric = view.settings.metric
    titles = dict(zip(COLUMNS, COLUMNS, strict=True)) | {"metric": f"{metric} on its holdout", "live": "when live"}
    titles[by] += " ▼" if descending else " ▲"
    head = ["", titles["version"], *(titles[name] for name in COLUMNS if name != "version"), "notes"]
    css = ["wb-nowrap", "wb-nowrap", "wb-nowrap", "wb-some", "wb-nowrap", "wb-some", "wb-wide", "wb-some", "wb-some"]
    return table(caption, head, [_row(m, live, metric, spans.get(m.version_id, [])) for m in shown], css=css)


def ordered(
    versions: Sequence[Metadata], key: Callable[[Metadata], str | float | None], *, descending: bool
) -> list[Metadata]:
    """Versions by a key, those of the same in the order they were made; those without it stand last either way."""
    told = [(k, place, m) for place, m in enumerate(versions) if (k := key(m)) is not None]
    told.sort(key=lambda one: one[:2], reverse=descending)
    return [*(m for *_, m in told), *(m for m in reversed(versions) if key(m) is None)]


def _keys(metric: str, spans: Live) -> dict[str, Callable[[Metadata], str | float | None]]:
    return {
        "created": lambda m: m.created_at,
        "version": lambda m: m.version_id,
        "why": lambda m: m.trigger,
        "rows": lambda m: m.training_data.fit.rows,
        "metric": lambda m: m.metrics.get(metric),
        "gate": lambda m: m.gate.advantage,
        "live": lambda m: spans[m.version_id][-1][0] if m.version_id in spans else None,
    }


def _row(m: Metadata, live: str | None, metric: str, spans: Sequence[Stretch]) -> list[object]:
    glyph, css = VERDICTS[m.gate.verdict]
    others = ", ".join(f"{name} {number(value, 3)}" for name, value in m.metrics.items() if name != metric)
    return [
        tag("b", "● live", "wb-good") if m.version_id == live else "",
        Markup(f"<code>{tag('span', m.version_id)}</code>"),
        clock(m.created_at),
        _why(m),
        f"{m.training_data.fit.rows:,}",
        Markup(f"{tag('b', number(m.metrics.get(metric)))}<br>{tag('span', others, 'wb-quiet')}"),
        Markup(f"{tag('b', f'{glyph} {m.gate.verdict}', css)} {tag('span', _rest(m), 'wb-quiet')}"),
        _spans(spans),
        _notes(m),
    ]


def _why(m: Metadata) -> Markup:
    """The trigger; its reason, which may be long, one click away."""
    reason = m.reason.removeprefix(f"{m.trigger}: ")
    if reason == m.trigger or not reason:
        return tag("span", m.trigger)
    return tag("details", Markup(tag("summary", m.trigger) + tag("span", reason)))


def _rest(m: Metadata) -> str:
    """The gate's sentence without the verdict it begins with."""
    return m.gate.sentence.removeprefix(f"{m.gate.verdict}: ")


def _spans(spans: Sequence[Stretch]) -> Markup:
    """The newest stretches first."""
    if not spans:
        return tag("span", "never", "wb-quiet")
    lines = [f"since {clock(a)}" if b is None else f"{clock(a)} to {clock(b)}" for a, b in spans[::-1]]
    left = len(lines) - STRETCHES_SHOWN
    more = tag("span", f"and {left} times before", "wb-quiet") if left > 0 else ""
    return Markup("<br>".join([*(tag("span", line) for line in lines[:STRETCHES_SHOWN]), *([more] if more else [])]))


def _notes(m: Metadata) -> Markup:
    if not m.notes:
        return tag("span", "–", "wb-quiet")
    told = f"{len(m.notes)} note{'s' * (len(m.notes) != 1)}"
    listed = Markup("".join(tag("li", note) for note in m.notes))
    return tag("details", Markup(tag("summary", told) + tag("ul", listed)))
