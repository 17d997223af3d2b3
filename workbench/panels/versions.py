"""Versions: a table that sorts, two of them compared, one asked what it would have said, and the way to another."""

from __future__ import annotations

import ipywidgets as W
import traitlets as t

from workbench.panels.asking import AskWhatIf, Compare
from workbench.panels.base import Panel, row
from workbench.panels.desk import Desk
from workbench.panels.switch import Switch
from workbench.panels.version_table import COLUMNS, version_table
from workbench.panels.view import View


class Versions(Panel):
    """The table is for everybody; below it, what starts a process, for those who have unlocked the page."""

    title = "Versions"

    def __init__(self, desk: Desk) -> None:
        self.view: View | None = None
        self.sort = W.Dropdown(description="Sort by", options=COLUMNS)
        self.descending = W.ToggleButton(value=True, tooltip="the order of the table")
        self.switch, self.whatif, self.compare = Switch(desk), AskWhatIf(desk), Compare(desk)
        self.sections = (self.switch, self.whatif, self.compare)
        super().__init__(desk, row(self.sort, self.descending), *self.sections)
        self.sort.observe(lambda _: self._sorted(), "value")
        self.descending.observe(lambda _: self._sorted(), "value")
        t.dlink((self.descending, "value"), (self.descending, "description"), _direction)
        t.dlink((self.whatif, "found"), (self.switch, "asked"))

    @property
    def busy(self) -> bool:
        return any(section.busy for section in self.sections)

    def _sorted(self) -> None:
        if self.view is not None:
            self.show(self.view)

    def poll(self) -> None:
        for section in self.sections:
            section.poll()

    def show(self, view: View) -> None:
        self.view, key = view, self.key(view)
        if key != self.drawn:
            self.body.value = version_table(view, self.sort.value, descending=self.descending.value)
            self.drawn = key
        for section in self.sections:
            section.show(view)

    def key(self, view: View) -> object:
        versions = [m.version_id for m in view.versions]
        return versions, view.live, len(view.promotions), self.sort.value, self.descending.value

    @staticmethod
    def draw(view: View) -> str:
        return version_table(view)


def _direction(descending: bool) -> str:
    return "▼ descending" if descending else "▲ ascending"
