"""Another version made live by hand: what would change is shown, confirmed, and done by the command line."""

from __future__ import annotations

import json
from functools import partial

import ipywidgets as W
import traitlets as t

from workbench.panels.base import row
from workbench.panels.commands import Result
from workbench.panels.deed import BY, Deed, failed, reason
from workbench.panels.desk import Desk
from workbench.panels.preview import preview
from workbench.panels.section import Section, offer
from workbench.panels.view import View
from workbench.whatif_result import WhatIf


class Switch(Section):
    """Activate and roll back, each with a preview."""

    title = "Make another version live"
    # What the live version replaced, and what a what-if has told last.
    previous = t.Unicode()
    asked = t.Instance(WhatIf, allow_none=True)

    def __init__(self, desk: Desk) -> None:
        self.view: View | None = None
        self.reason = W.Text(description="Reason", placeholder="kept with what is done", continuous_update=False)
        self.choice = W.Dropdown(description="Version", options=[])
        self.apply = W.Button(description="Switch to it", icon="exchange", tooltip="shows first what would change")
        self.back = W.Button(description="Roll back", icon="undo", tooltip="undoes the last switch, after a preview")
        super().__init__(desk, row(self.reason), row(self.choice, self.apply, self.back))
        self.apply.on_click(lambda _: self._ask_switch())
        self.back.on_click(lambda _: self._ask_back())

    def arrange(self) -> None:
        super().arrange()
        self.apply.disabled = self.deed.busy or not self.choice.value
        self.back.disabled = self.deed.busy or not self.previous

    def show(self, view: View) -> None:
        self.view = view
        live = view.live.version_id if view.live else None
        self.previous = (view.live.previous or "") if view.live else ""
        offer(self.choice, [m.version_id for m in reversed(view.versions) if m.version_id != live])
        self.arrange()

    def _ask_switch(self) -> None:
        target = self.choice.value or ""
        question = f"Make {target} live now? It is checked first; requests under way finish on the old one."
        self._ask("switch", target, question, "activate", target)

    def _ask_back(self) -> None:
        question = f"Go back to {self.previous}, which was live before this one?"
        self._ask("roll back", self.previous, question, "rollback")

    def _ask(self, name: str, target: str, question: str, *words: str) -> None:
        view = self.view
        if not target or view is None:
            self.deed.say(f"✗ {name}: there is no other version")
            return
        told = self.asked if self.asked and self.asked.version == target else None
        do = partial(self._do, reason(self.reason), generation(view), *words)
        self.deed.ask(name, preview(view, target, question, told), do)

    def _do(self, why: str, shown: int, *words: str) -> None:
        switch(self.deed, self.view, shown, why, *words)


def generation(view: View | None) -> int:
    """Changes with every switch; what is shown of one holds until the next."""
    return view.live.generation if view and view.live else 0


def switch(deed: Deed, view: View | None, shown: int, why: str, *words: str) -> None:
    """Start a command that makes a version live, and tell its end in a place of deeds.

    Parameters
    ----------
    view : as things are now
    shown : int
        The generation that the preview was of; nothing is done if there has been another switch since.
    """

    def told(result: Result) -> None:
        deed.say(_told(result))

    if generation(view) != shown:
        deed.say("✗ not done: another version has gone live meanwhile; look again")
        return
    deed.say("● the version is being checked")
    deed.start(told, *words, f"--reason={why}", f"--by={BY}", "--json")


def _told(result: Result) -> str:
    if result.code != 0:
        return failed(result)
    try:
        return f"✓ done: {json.loads(result.output)['version_id']} is live"
    except (ValueError, KeyError, TypeError):
        return f"✓ done: {result.output}"
