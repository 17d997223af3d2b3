"""The backtests that came to their end: one is picked, its curves, figures and decisions are shown."""

from __future__ import annotations

import ipywidgets as W
import traitlets as t

from workbench import backtest_records
from workbench.backtest_result import BacktestResult
from workbench.errors import WorkbenchError
from workbench.panels.backtest_views import decisions, drawn, titled
from workbench.panels.base import row, tag, visible
from workbench.settings import Settings

OFFERED = 30


class BacktestPicker(W.VBox):
    """Shown as soon as there is a record.

    Parameters
    ----------
    settings : Settings
    """

    record = t.Instance(BacktestResult, allow_none=True)
    width = t.Int(0)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.chosen = W.Dropdown(description="Record", options=[])
        self.course = W.Dropdown(description="Decisions of", options=[])
        self.picture, self.steps = W.HTML(), W.HTML()
        self._titles: dict[str, str] = {}
        super().__init__([row(self.chosen), self.picture, row(self.course), self.steps])
        self.add_class("wb-record")
        self.chosen.observe(lambda _: self._read(), "value")
        self.observe(lambda _: self._offer_courses(), "record")
        self.observe(lambda _: self._draw(), ["record", "width"])
        self.course.observe(lambda _: self._tell(), "value")
        visible(self, False)

    def offer(self, *, newest: bool = False) -> None:
        """List the records there are now; `newest`: and show the one that was made last."""
        found = backtest_records.ids(self.settings)[::-1][:OFFERED]
        visible(self, bool(found))
        if list(self._titles) != found:
            chosen = self.chosen.value
            self._titles = {each: self._titles.get(each) or self._title(each) for each in found}
            self.chosen.options = [(title, each) for each, title in self._titles.items()]
            self.chosen.value = chosen if chosen in found else next(iter(found), None)
        if newest and found:
            self.chosen.value = found[0]

    def _title(self, backtest_id: str) -> str:
        try:
            return titled(backtest_records.read(self.settings, backtest_id))
        except WorkbenchError:
            return f"{backtest_id}  damaged"

    def _read(self) -> None:
        try:
            self.record = backtest_records.read(self.settings, self.chosen.value) if self.chosen.value else None
        except WorkbenchError as error:
            self.record, self.picture.value = None, tag("p", f"✗ {error}", "wb-bad")

    def _offer_courses(self) -> None:
        names = [course.name for course in self.record.policies] if self.record else []
        visible(self.course, len(names) > 1)
        self.course.options = names
        self.course.value = next(iter(names), None)
        self._tell()

    def _draw(self) -> None:
        if self.record is not None:
            self.picture.value = drawn(self.record, self.width or 1_100)

    def _tell(self) -> None:
        name = self.course.value
        self.steps.value = decisions(self.record.course(name)) if self.record and name else ""
