"""The dashboard: every panel over one workspace, on one clock."""

from __future__ import annotations

from typing import Any

import ipywidgets as W

from workbench.panels.actions import Actions
from workbench.panels.base import STYLE, Panel, Status, tag
from workbench.panels.commands import Command, Run
from workbench.panels.drift import Drift
from workbench.panels.events import Events
from workbench.panels.headline import Headline
from workbench.panels.health import Health
from workbench.panels.performance import Performance
from workbench.panels.pulse import Pulse
from workbench.panels.versions import Versions
from workbench.panels.view import Reader
from workbench.settings import Settings


class Dashboard(W.VBox):
    """One workspace, live; display it in a cell or serve it with Voila.

    Parameters
    ----------
    settings : Settings
    run : callable (argv) -> Running, optional
        How the commands behind the buttons are started.
    """

    def __init__(self, settings: Settings, *, run: Run = Command) -> None:
        self.reader = Reader(settings)
        self.pulse = Pulse(interval=round(settings.pages.refresh_s * 1_000))
        self.status = Status()
        self.headline, self.performance = Headline(), Performance()
        self.drift, self.health = Drift(), Health()
        self.versions, self.events = Versions(), Events()
        self.actions = Actions(settings, self.reader.jobs, run=run)
        self.panels: list[Panel] = [
            self.headline, self.performance, self.drift, self.health, self.versions, self.events,
        ]  # fmt: skip
        heading = W.HTML(STYLE + tag("h1", settings.model.name))
        pair = W.HBox([self.drift, self.health]).add_class("wb-pair")
        super().__init__(
            [
                W.HBox([heading, self.pulse]).add_class("wb-head"),
                self.status,
                self.headline,
                self.performance,
                pair,
                self.versions,
                self.events,
                self.actions,
            ]
        )
        self.add_class("wb")
        self.name = settings.model.name
        self.pulse.observe(self._tick, "tick")
        self.refresh()

    def _tick(self, change: Any) -> None:
        self.refresh()
        self.pulse.pong = change["new"]

    def refresh(self) -> None:
        """Read the files and draw what has changed; what fails is told in the status line."""
        with self.status.guard("Maintenance"):
            self.actions.poll()
        with self.status.guard("Reading the workspace"):
            self._show()

    def _show(self) -> None:
        view = self.reader.read(self.pulse.width)
        for panel in self.panels:
            with self.status.guard(panel.title or "Headline"):
                panel.show(view)
        with self.status.guard("Actions"):
            self.actions.show(view)

    def __repr__(self) -> str:
        return f"Dashboard({self.name!r})"
