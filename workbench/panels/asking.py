"""Questions to stored versions: a what-if, and two of them side by side; the command line asks, the page shows."""

from __future__ import annotations

from typing import TypeVar

import ipywidgets as W
import msgspec
import traitlets as t

from workbench.panels import sides
from workbench.panels.base import row
from workbench.panels.commands import Result
from workbench.panels.deed import failed
from workbench.panels.desk import Desk
from workbench.panels.section import Section, offer
from workbench.panels.view import View
from workbench.whatif_result import SideBySide, WhatIf

T = TypeVar("T")
ASKED = "● being asked about the recorded inputs; that takes some seconds"


class Question(Section):
    """What both have: an answer that is read from a command's JSON, and stays until there is another one."""

    def __init__(self, desk: Desk, *controls: W.Widget) -> None:
        self.result = W.HTML()
        super().__init__(desk, *controls, below=[self.result])

    def _read(self, result: Result, kind: type[T]) -> T | None:
        if result.code != 0:
            self.deed.say(failed(result))
            return None
        try:
            found = msgspec.json.decode(result.output, type=kind)
        except msgspec.DecodeError as error:
            self.deed.say(f"✗ the answer cannot be read: {error}")
            return None
        self.deed.say("✓ answered")
        return found


class AskWhatIf(Question):
    """What a version would have said to the window, and the rows that change most."""

    title = "What if another version had answered?"
    found = t.Instance(WhatIf, allow_none=True)

    def __init__(self, desk: Desk) -> None:
        self.choice = W.Dropdown(description="Ask", options=[], tooltip="whose answers")
        self.most = W.Dropdown(description="Rows shown", options=[5, 10, 25, 50], value=10)
        self.ask = W.Button(description="Ask it", icon="question", tooltip="about the last recorded inputs")
        super().__init__(desk, row(self.choice, self.most, self.ask))
        self.ask.on_click(lambda _: self._ask())

    def arrange(self) -> None:
        super().arrange()
        self.ask.disabled = self.deed.busy or not self.choice.value

    def show(self, view: View) -> None:
        live = view.live.version_id if view.live else None
        newest = [m.version_id for m in reversed(view.versions)]
        offer(self.choice, newest, next((name for name in newest if name != live), None))
        self.arrange()

    def _ask(self) -> None:
        if not self.choice.value:
            self.deed.say("✗ not asked: there is no version yet")
            return
        self.deed.say(ASKED)
        self.deed.start(self._answered, "whatif", self.choice.value, f"--most={self.most.value}", "--json")

    def _answered(self, result: Result) -> None:
        found = self._read(result, WhatIf)
        if found is not None:
            self.found, self.result.value = found, sides.whatif(found)


class Compare(Question):
    """Two versions side by side."""

    title = "Compare two"
    found = t.Instance(SideBySide, allow_none=True)

    def __init__(self, desk: Desk) -> None:
        self.a = W.Dropdown(description="A", options=[], tooltip="the first of the two")
        self.b = W.Dropdown(description="B", options=[], tooltip="the second of the two")
        self.ask = W.Button(description="Compare", icon="columns", tooltip="on the same recorded inputs")
        super().__init__(desk, row(self.a, self.b, self.ask))
        self.ask.on_click(lambda _: self._ask())

    def arrange(self) -> None:
        super().arrange()
        self.ask.disabled = self.deed.busy or not self.a.value

    def show(self, view: View) -> None:
        live = view.live.version_id if view.live else None
        newest = [m.version_id for m in reversed(view.versions)]
        offer(self.a, newest, live)
        offer(self.b, newest, next((name for name in newest if name != live), None))
        self.arrange()

    def _ask(self) -> None:
        a, b = self.a.value, self.b.value
        if a == b or not a:
            self.deed.say("✗ not asked: choose two that differ")
            return
        self.deed.say(ASKED)
        self.deed.start(self._answered, "compare", a, b, "--json")

    def _answered(self, result: Result) -> None:
        found = self._read(result, SideBySide)
        if found is not None:
            self.found, self.result.value = found, sides.side_by_side(found)
