"""What a person asks a panel to do: asked back, done once, its end told; nothing of it in the viewer's own process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as W
import traitlets as t

from workbench.errors import WorkbenchError
from workbench.panels.base import Markup, row, said, tag, visible
from workbench.panels.commands import Result, Run, Running, door
from workbench.panels.lock import Lock

MAX_REASON = 200
BY = "dashboard"
LOCKED = "✗ locked: unlock with the maintenance token first"


@dataclass(frozen=True)
class Asked:
    """What waits for its confirmation, as it was when it was asked for."""

    name: str
    do: Callable[[], None]


class Deed(W.VBox):
    """A question with its answer buttons, a command under way, and the line that tells what came of it.

    A page can press a button that it does not show, so every step asks the lock again.

    Parameters
    ----------
    lock : Lock
    root : Path
        Of the workspace that commands are run for.
    run : callable (argv) -> Running
        Starts a command.
    """

    asked = t.Instance(Asked, allow_none=True)
    running = t.Any()

    def __init__(self, lock: Lock, root: Path, *, run: Run) -> None:
        self.lock, self.root, self.run = lock, root, run
        self.question = W.HTML()
        self.confirm = W.Button(description="Confirm", button_style="warning")
        self.cancel = W.Button(description="Cancel")
        self.status = W.HTML()
        self.asking = W.VBox([self.question, row(self.confirm, self.cancel)]).add_class("wb-confirm")
        self._told: Callable[[Result], None] = lambda result: None
        super().__init__([self.asking, self.status])
        self.confirm.on_click(lambda _: self._confirmed())
        self.cancel.on_click(lambda _: self._cancelled())
        self.observe(lambda _: visible(self.asking, self.asked is not None), "asked")
        lock.observe(lambda _: self.set_trait("asked", None), "locked")
        visible(self.asking, False)

    @property
    def busy(self) -> bool:
        return self.running is not None

    def refused(self) -> bool:
        """Whether the page is locked; if so that is told."""
        if self.lock.locked:
            self.say(LOCKED)
        return self.lock.locked

    def ask(self, name: str, question: str, do: Callable[[], None]) -> None:
        """Ask back before anything is done.

        Parameters
        ----------
        name : str
            What the deed is called where it fails.
        question : str
            Text, or markup that stands by itself.
        do : callable
            Holds all that it needs: what the page shows may change before it is confirmed.
        """
        if self.refused():
            return
        self.question.value = question if isinstance(question, Markup) else tag("p", question)
        self.asked = Asked(name, do)

    def start(self, told: Callable[[Result], None], *words: str) -> None:
        """Start a command of this workspace's command line; `told` hears how it ended."""
        if self.refused():
            return
        if self.busy:
            self.say("✗ not done: something else is under way here; wait for its end")
            return
        self._told = told
        self.running = self.run(door(self.root, *words))

    def poll(self) -> None:
        """Look after the command; called each tick, never waits."""
        running: Running | None = self.running
        result = running.poll() if running is not None else None
        if result is not None:
            self.running = None
            self._told(result)

    def say(self, text: str) -> None:
        self.status.value = said(text)

    def _cancelled(self) -> None:
        self.asked = None
        self.say("nothing was done")

    def _confirmed(self) -> None:
        asked, self.asked = self.asked, None
        if self.refused() or asked is None:
            return
        try:
            asked.do()
        except (WorkbenchError, OSError) as error:
            self.say(f"✗ {asked.name}: {error}")


def failed(result: Result) -> str:
    """Why a command did not do what it was asked for."""
    return f"✗ not done: {result.errors or result.output or f'exit code {result.code}'}"


def reason(field: W.Text) -> str:
    """A reason from the page as one line: control characters have no place on a command line."""
    return "".join(c for c in field.value if c.isprintable()).strip()[:MAX_REASON] or "by request"
