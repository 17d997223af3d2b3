"""Versions: what each was made for, how it did on its holdout, what the gate said, and which one is live."""

from __future__ import annotations

from workbench.panels.base import Markup, Panel, clock, number, table, tag
from workbench.panels.view import View
from workbench.records import Metadata

SHOWN = 50
VERDICTS = {
    "better": ("✓", "wb-good"),
    "no champion": ("✓", "wb-good"),
    "not worse": ("●", "wb-wait"),
    "cannot tell": ("●", "wb-wait"),
    "worse": ("✗", "wb-bad"),
}


class Versions(Panel):
    """A table, newest first."""

    title = "Versions"

    def key(self, view: View) -> object:
        return [m.version_id for m in view.versions], view.live

    @staticmethod
    def draw(view: View) -> str:
        if not view.versions:
            return tag("p", Markup(f"No version yet: {tag('code', 'python main.py')} trains the first one."))
        shown = view.versions[::-1][:SHOWN]
        live = view.live.version_id if view.live else None
        caption = f"{len(view.versions)} published" + (f", the newest {SHOWN} of them" if len(shown) == SHOWN else "")
        metric = view.settings.metric
        head = ["", "version", "created", "why", f"{metric} on its holdout", "other metrics", "gate"]
        rows = [_row(m, live, metric) for m in shown]
        return table(caption, head, rows, css=["wb-nowrap", "wb-nowrap", "wb-nowrap", "wb-wide", "", "", "wb-wide"])


def _row(m: Metadata, live: str | None, metric: str) -> list[object]:
    glyph, css = VERDICTS[m.gate.verdict]
    others = ", ".join(f"{name} {number(value, 3)}" for name, value in m.metrics.items() if name != metric)
    return [
        tag("b", "● live", "wb-good") if m.version_id == live else "",
        Markup(f"<code>{tag('span', m.version_id)}</code>"),
        clock(m.created_at),
        m.reason if m.reason.startswith(m.trigger) else f"{m.trigger}: {m.reason}",
        tag("b", number(m.metrics.get(metric))),
        others,
        Markup(f"{tag('b', f'{glyph} {m.gate.verdict}', css)} {tag('span', _rest(m), 'wb-quiet')}"),
    ]


def _rest(m: Metadata) -> str:
    """The gate's sentence without the verdict it begins with."""
    return m.gate.sentence.removeprefix(f"{m.gate.verdict}: ")
