"""What people tell the automation: pause and pin, and what of it is in force."""

from __future__ import annotations

from functools import partial

import ipywidgets as W

from workbench.panels.base import Markup, tag, visible
from workbench.panels.commands import Result
from workbench.panels.deed import BY, Deed, failed, reason
from workbench.panels.view import View
from workbench.steering import Steering, steering


class Hold(W.HBox):
    """Of each pair of buttons the one that can change something.

    Parameters
    ----------
    deed : Deed
        Where it is asked back and told.
    why : Text
        Has the reason.
    """

    def __init__(self, deed: Deed, why: W.Text) -> None:
        self.deed, self.why, self.live = deed, why, ""
        self.pause = W.Button(
            description="Pause automation", icon="pause", tooltip="no automatic retrain and no automatic switch"
        )
        self.resume = W.Button(description="Resume automation", icon="play", tooltip="let the automation go on")
        self.pin = W.Button(description="Pin the live version", icon="thumb-tack", tooltip="keep the live version live")
        self.unpin = W.Button(description="Unpin", icon="chain-broken", tooltip="let another version go live by itself")
        super().__init__([self.pause, self.resume, self.pin, self.unpin])
        self.add_class("wb-controls")
        self.pause.on_click(lambda _: self._ask("No automatic retrain and no automatic switch from now on?", "pause"))
        self.resume.on_click(lambda _: self._ask("Let the automation go on?", "resume"))
        self.pin.on_click(lambda _: self._ask_pin())
        self.unpin.on_click(lambda _: self._ask("Let another version go live by itself again?", "pin", "--off"))
        self.arrange(Steering())

    def arrange(self, force: Steering) -> None:
        visible(self.pause, force.paused is None)
        visible(self.resume, force.paused is not None)
        visible(self.pin, force.pinned is None)
        visible(self.unpin, force.pinned is not None)
        self.pin.disabled = not self.live

    def show(self, view: View) -> None:
        self.live = view.live.version_id if view.live else ""
        self.arrange(in_force(view))

    def _ask_pin(self) -> None:
        live = self.live
        if live:
            question = f"Keep {live} live, whatever happens, until it is unpinned?"
            self.deed.ask("pin", question, partial(self._pin, reason(self.why), live))

    def _ask(self, question: str, *words: str) -> None:
        self.deed.ask(words[0], question, partial(self._start, reason(self.why), *words))

    def _pin(self, why: str, live: str) -> None:
        # Pinning a version that is no longer live would make it live again.
        if live != self.live:
            self.deed.say("✗ not done: another version has gone live meanwhile; look again")
            return
        self._start(why, "pin", live)

    def _start(self, why: str, *words: str) -> None:
        self.deed.say("● being told")
        self.deed.start(self._done, *words, f"--reason={why}", f"--by={BY}")

    def _done(self, result: Result) -> None:
        self.deed.say(failed(result) if result.code != 0 else f"✓ {result.output}")


def in_force(view: View) -> Steering:
    """What people told, as it stands."""
    return steering(view.events, view.live.version_id if view.live else None)


def told(view: View) -> Markup:
    """Where maintenance stands, and what holds it."""
    force, lines = in_force(view), []
    if view.standing is not None and view.live is not None:
        lines.append(Markup(f"{tag('b', 'Maintenance')}: {tag('span', view.standing.told)}"))
    if not view.settings.retrain.automatic:
        lines.append(tag("span", "‖ nothing is retrained by itself: [retrain] automatic is off", "wb-wait"))
    if force.paused is not None:
        lines.append(tag("span", f"‖ paused: {force.paused}", "wb-wait"))
    if force.pinned is not None:
        lines.append(tag("span", f"‖ pinned to {force.pinned}: {force.pinned_why}", "wb-wait"))
    return Markup("".join(tag("p", line) for line in lines))
