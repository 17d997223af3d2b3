"""Versions: what each was made for, how it did on its holdout, what the gate said, and which one is live."""

from __future__ import annotations

import json
from functools import partial

import ipywidgets as W
import traitlets as t

from workbench.panels.base import Markup, Panel, clock, number, row, table, tag, visible
from workbench.panels.commands import Result
from workbench.panels.deed import BY, failed, reason
from workbench.panels.desk import Desk
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
    """A table, newest first; and the way to another of them."""

    title = "Versions"
    previous = t.Unicode()

    def __init__(self, desk: Desk) -> None:
        self.deed = desk.deed()
        self.reason = W.Text(description="Reason", placeholder="kept with what is done")
        self.choice = W.Dropdown(description="Version", options=[])
        self.apply = W.Button(description="Switch to it", icon="exchange")
        self.back = W.Button(description="Roll back", icon="undo")
        self.controls = W.VBox([row(self.reason), row(self.choice, self.apply, self.back)])
        super().__init__(desk, self.controls, self.deed)
        self.apply.on_click(lambda _: self._ask_switch())
        self.back.on_click(lambda _: self._ask_back())
        desk.lock.observe(lambda _: self._arrange(), "locked")
        self.deed.observe(lambda _: self._arrange(), "running")
        self.observe(lambda _: self._arrange(), "previous")
        self._arrange()

    def _arrange(self) -> None:
        visible(self.controls, not self.deed.lock.locked)
        self.apply.disabled = self.deed.busy or not self.choice.options
        self.back.disabled = self.deed.busy or not self.previous

    def _ask_switch(self) -> None:
        target = self.choice.value or ""
        question = f"Make {target} live now? It is checked first; requests under way finish on the old one."
        self.deed.ask("switch", question, partial(self._switch, reason(self.reason), "activate", target))

    def _ask_back(self) -> None:
        target = self.previous
        question = f"Go back to {target}, which was live before this one?"
        self.deed.ask("roll back", question, partial(self._go_back, reason(self.reason), target))

    def _go_back(self, why: str, target: str) -> None:
        if target != self.previous:
            self.deed.say("✗ not done: another version has gone live meanwhile; look again")
            return
        self._switch(why, "rollback")

    def _switch(self, why: str, *words: str) -> None:
        self.deed.start(self._switched, *words, f"--reason={why}", f"--by={BY}", "--json")
        self.deed.say("● the version is being checked")

    def _switched(self, result: Result) -> None:
        if result.code != 0:
            self.deed.say(failed(result))
            return
        try:
            self.deed.say(f"✓ done: {json.loads(result.output)['version_id']} is live")
        except (ValueError, KeyError, TypeError):
            self.deed.say(f"✓ done: {result.output}")

    def poll(self) -> None:
        self.deed.poll()

    def show(self, view: View) -> None:
        super().show(view)
        live = view.live.version_id if view.live else None
        self.previous = (view.live.previous or "") if view.live else ""
        offered = [m.version_id for m in reversed(view.versions) if m.version_id != live]
        if list(self.choice.options) != offered:
            kept = self.choice.value
            self.choice.options = offered
            self.choice.value = kept if kept in offered else next(iter(offered), None)
            self._arrange()

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
