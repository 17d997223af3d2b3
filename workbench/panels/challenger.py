"""The last challenger: what the gate said of it, and what a person makes of one that was kept out."""

from __future__ import annotations

from functools import partial

import ipywidgets as W

from workbench.gate_plots import comparable, gate_intervals
from workbench.panels.base import Markup, full_width, tag, visible
from workbench.panels.commands import Result
from workbench.panels.deed import BY, Deed, failed, reason
from workbench.panels.preview import preview
from workbench.panels.switch import generation, switch
from workbench.panels.view import View
from workbench.plot_style import svg
from workbench.records import Event
from workbench.show.sheet import clock, number

SHOWN = 6
WIDEST = 860
# The end of an attempt, or a switch after it: what comes last tells whether there is something to decide.
ENDS = {
    "kept_out": "✗ kept out",
    "declined": "✗ stays out",
    "promoted": "★ promoted",
    "went_back": "◀ went back",
    "switched": "◆ switched",
    "rolled_back": "◀ rolled back",
}


class Challenger(W.HBox):
    """Promote what was kept out, or keep it out; shown while there is something to decide.

    Parameters
    ----------
    deed : Deed
        Where it is asked back and told.
    why : Text
        Has the reason.
    """

    def __init__(self, deed: Deed, why: W.Text) -> None:
        self.deed, self.why = deed, why
        self.view: View | None = None
        self.promote = W.Button(icon="arrow-up", tooltip="make live what the gate kept out, after a preview")
        self.keep = W.Button(description="Keep it out", icon="times", tooltip="the live version stays")
        super().__init__([self.promote, self.keep])
        self.add_class("wb-controls")
        self.promote.on_click(lambda _: self._ask())
        self.keep.on_click(lambda _: self._keep())
        visible(self, False)

    @property
    def waiting(self) -> Event | None:
        """The event that kept a challenger out, if that is the last word."""
        return kept_out(self.view) if self.view is not None else None

    def show(self, view: View) -> None:
        self.view = view
        waiting = self.waiting
        visible(self, waiting is not None)
        if waiting is not None:
            self.promote.description = f"Promote {waiting.version}"

    def _ask(self) -> None:
        waiting, view = self.waiting, self.view
        if waiting is None or waiting.version is None or view is None:
            self.deed.say("✗ promote: nothing is kept out that could go live")
            return
        question = f"Make {waiting.version} live, although the gate has kept it out?"
        do = partial(self._promote, reason(self.why), generation(view), waiting.version)
        self.deed.ask("promote", preview(view, waiting.version, question), do)

    def _promote(self, why: str, shown: int, version: str) -> None:
        switch(self.deed, self.view, shown, why, "activate", version)

    def _keep(self) -> None:
        waiting = self.waiting
        if self.deed.refused() or waiting is None or waiting.version is None:
            return
        # Nothing changes by it, and `activate` still makes it live: it is not asked back.
        self.deed.start(self._kept, "decline", waiting.version, f"--reason={reason(self.why)}", f"--by={BY}")

    def _kept(self, result: Result) -> None:
        self.deed.say(failed(result) if result.code != 0 else f"✓ {result.output}")


def kept_out(view: View) -> Event | None:
    """What kept the last challenger out, if it is still there and nobody has decided since."""
    last = _last(view)
    live = view.live.version_id if view.live else None
    there = {m.version_id for m in view.versions} - {live}
    return last if last is not None and last.kind == "kept_out" and last.version in there else None


def told(view: View) -> Markup:
    """The gate's intervals of the newest versions as a picture, and how the last attempt ended."""
    newest = [(m.version_id, m.gate) for m in reversed(view.versions)][:SHOWN]
    width = min(full_width(view), WIDEST)
    figure = gate_intervals(newest, margin=view.settings.retrain.gate_margin, width=width)
    last = _last(view)
    ended = Markup()
    if last is not None:
        when = f"{ENDS[last.kind]}, {clock(last.recorded_at)}"
        ended = tag("p", Markup(f"{tag('b', when)}: {tag('code', last.version or '')} {tag('span', last.reason)}"))
    return Markup(svg(figure, _label(view)) + ended)


def _last(view: View) -> Event | None:
    """How the last attempt ended; of a challenger that was kept out, what a person made of it."""
    declined: dict[str | None, Event] = {}
    for event in reversed(view.events):
        if event.kind == "declined":
            declined.setdefault(event.version, event)
        elif event.kind in ENDS:
            return declined.get(event.version, event) if event.kind == "kept_out" else event
    return None


def _label(view: View) -> str:
    """What the picture says, of the newest of its lines."""
    shown = comparable([(m.version_id, m.gate) for m in reversed(view.versions)][:SHOWN])
    if not shown:
        return "Gate: no version has met another yet."
    version, verdict = shown[0]
    return (
        f"Gate: {verdict.metric} of {version} better by {number(verdict.advantage)}, 95 % interval "
        f"{number(verdict.low)} to {number(verdict.high)}: {verdict.verdict}; {len(shown)} shown."
    )
