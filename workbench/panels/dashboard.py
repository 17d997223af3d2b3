"""The dashboard: every panel over one workspace, on one clock."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as W

from workbench.panels.backtest import Backtest
from workbench.panels.base import heading, jumps
from workbench.panels.commands import Command, Run
from workbench.panels.drift import Drift
from workbench.panels.events import Events
from workbench.panels.headline import Headline
from workbench.panels.health import Health
from workbench.panels.page import Page
from workbench.panels.performance import Performance
from workbench.panels.retrain import Retrain
from workbench.panels.versions import Versions
from workbench.settings import Settings


class Dashboard(Page):
    """One workspace, live; display it in a cell or serve it with Voila.

    Parameters
    ----------
    settings : Settings
    run : callable (argv) -> Running, optional
        How the commands behind the buttons are started.
    """

    def __init__(self, settings: Settings, *, run: Run = Command) -> None:
        panels = Headline, Performance, Drift, Health, Retrain, Versions, Backtest, Events
        super().__init__(settings, *panels, locked=True, run=run)

    def arranged(self) -> Sequence[W.Widget]:
        self.headline, self.performance, self.drift, self.health = self.panels[:4]
        self.retrain, self.versions, self.backtest, self.events = self.panels[4:]
        links = W.HTML(jumps([panel.title for panel in self.panels[1:]]))
        door = W.VBox([W.HTML(heading("Maintenance")), self.lock]).add_class("wb-panel")
        return [self.headline, links, *self.panels[1:4], door, *self.panels[4:]]
