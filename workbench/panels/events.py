"""What happened: alarms, decisions, retrains and switches, newest first, each with its reason in words."""

from __future__ import annotations

from workbench.panels.base import Panel, table, tag
from workbench.panels.view import View
from workbench.plot_style import short_id
from workbench.records import Event
from workbench.show.sheet import clock

SHOWN = 60
# kind: what to call it, class
WORDS = {
    "alarm": ("▲ alarm", "wb-bad"),
    "alarm_ended": ("✓ alarm over", "wb-good"),
    "decision": ("· decision", ""),
    "retrain_started": ("● retrain started", ""),
    "retrain_failed": ("✗ retrain failed", "wb-bad"),
    "retrain_refused": ("✗ retrain refused", "wb-wait"),
    "gating": ("● at the gate", ""),
    "published": ("· version published", ""),
    "promoted": ("★ promoted", "wb-good"),
    "kept_out": ("✗ kept out", "wb-wait"),
    "going_back": ("· going back", ""),
    "rollback_failed": ("✗ rollback failed", "wb-bad"),
    "went_back": ("◀ went back", "wb-good"),
    "probation_passed": ("✓ probation passed", "wb-good"),
    "probation_lost": ("✗ lost on probation", "wb-bad"),
    "rollback_held": ("✗ rollback held", "wb-bad"),
    "rolled_back": ("◀ rolled back", "wb-bad"),
    "paused": ("‖ paused", "wb-wait"),
    "resumed": ("· resumed", ""),
    "pinned": ("‖ pinned", "wb-wait"),
    "unpinned": ("· pin ended", ""),
    "declined": ("✗ stays out", "wb-wait"),
    "switched": ("◆ switched", ""),
}


class Events(Panel):
    """A table of the newest events."""

    title = "What happened"

    def key(self, view: View) -> object:
        return view.happened, len(view.events)

    @staticmethod
    def draw(view: View) -> str:
        if not view.events:
            return tag("p", "Nothing has happened yet.")
        shown = view.events[::-1][:SHOWN]
        more = len(view.events) > SHOWN
        caption = f"the newest {SHOWN} events" if more else f"{len(shown)} event{'s' * (len(shown) != 1)}"
        rows = [_row(e) for e in shown]
        return table(
            caption, ["when", "what", "version", "why", "by"], rows, css=["wb-nowrap", "wb-nowrap", "", "wb-wide", ""]
        )


def _row(event: Event) -> list[object]:
    word, css = WORDS.get(event.kind, (f"· {event.kind.replace('_', ' ')}", ""))
    return [
        clock(event.recorded_at),
        tag("span", word, css),
        tag("span", short_id(event.version or "–"), title=event.version or ""),
        event.reason,
        event.by,
    ]
