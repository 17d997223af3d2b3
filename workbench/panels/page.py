"""A page: panels over one workspace, on one clock; the dashboard is one, and so is a single panel in a notebook."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import ipywidgets as W

from workbench.errors import WorkbenchError
from workbench.panels.base import STYLE, Panel, Status, tag
from workbench.panels.commands import Command, Run
from workbench.panels.desk import Desk
from workbench.panels.lock import Lock
from workbench.panels.pulse import Pulse
from workbench.panels.sweep import Sweep
from workbench.panels.view import View
from workbench.settings import Settings


class Gap(Panel):
    """In the place of a panel that could not be made: the page's parts stay where they are."""

    def __init__(self, desk: Desk, title: str) -> None:
        self.title = title
        super().__init__(desk)
        self.body.value = tag("p", "This part could not be made, see above; a reload tries again.", "wb-quiet")

    def show(self, view: View) -> None:
        """Stays as it is."""


class Page(W.VBox):
    """Reads the files once a tick and hands what they say to every panel.

    A tick draws for `draw_s` seconds, and leaves the rest to the next one, which the browser asks for at once: so the
    page stays quick to answer, whatever has changed.

    Parameters
    ----------
    settings : Settings
    *panels : type of Panel
    locked : bool
        Whether the maintenance token is asked for before anything is done.
    run : callable (argv) -> Running, optional
        How the commands behind the buttons are started.
    """

    draw_s = 0.1

    def __init__(self, settings: Settings, *panels: type[Panel], locked: bool = False, run: Run = Command) -> None:
        self.name = settings.model.name
        self.lock = Lock(settings, locked=locked)
        self.desk = Desk(settings, self.lock, run)
        self.pulse = Pulse(interval=round(settings.pages.refresh_s * 1_000))
        self.status = Status()
        self.panels = [self._made(panel) for panel in panels]
        # Those that the last tick had no time for.
        self._left: list[Panel] = []
        self._sweep = Sweep()
        heading = W.HTML(STYLE + (tag("h1", self.name) if locked else ""))
        head = W.HBox([heading, self.pulse]).add_class("wb-head")
        super().__init__([head, self.status, *self.arranged()])
        self.add_class("wb")
        self.pulse.observe(self._tick, "tick")
        self.refresh()

    def _made(self, panel: type[Panel]) -> Panel:
        """A panel; what cannot be made leaves a gap and a line in the status, and the others alone."""
        with self.status.guard(f"{panel.title or 'Headline'}: making it"):
            return panel(self.desk)
        return Gap(self.desk, panel.title)

    def arranged(self) -> Sequence[W.Widget]:
        """Where the panels stand."""
        return self.panels

    def _tick(self, change: Any) -> None:
        with self._sweep.tick():
            done = self._look(self.draw_s)
            with self.pulse.hold_sync():
                self.pulse.more = not done
                self.pulse.pong = change["new"]

    def refresh(self) -> None:
        """Read the files and draw all that has changed; what fails is told in the status line."""
        self._look(math.inf)

    def _look(self, draw_s: float) -> bool:
        """Whether every panel has had its turn."""
        for panel in self.panels:
            with self.status.guard(f"{panel.title or 'Headline'}: what was started"):
                panel.poll()
        with self.status.guard("Reading the workspace"):
            return self._show(draw_s)
        return True

    def _show(self, draw_s: float) -> bool:
        view, begun = self.desk.reader.read(self.pulse.width), time.perf_counter()
        left = list(self._left or self.panels) if math.isfinite(draw_s) else list(self.panels)
        while left:
            panel = left.pop(0)
            with self.status.guard(panel.title or "Headline"):
                panel.show(view)
            if time.perf_counter() - begun > draw_s:
                break
        self._left = left
        return not left

    def wait(self, timeout_s: float = 300.0, every_s: float = 0.2) -> None:
        """Refresh until nothing that was started from here is under way; for code that presses the buttons.

        Raises
        ------
        WorkbenchError
            If it takes longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while any(panel.busy for panel in self.panels):
            if time.monotonic() > deadline:
                raise WorkbenchError(f"what was started on this page has not ended within {timeout_s:g} s")
            time.sleep(every_s)
            self.refresh()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"
