"""Performance: the error over time with what was done about it, every metric beside the holdout, and a closer look."""

from __future__ import annotations

from typing import Any

import ipywidgets as W

from workbench.panels.base import Panel, full_width, row, table, tag
from workbench.panels.desk import Desk
from workbench.panels.performance_looks import LOOKS
from workbench.panels.view import View
from workbench.plot_style import short_id
from workbench.plots import error_over_time, svg
from workbench.policy import SWITCHES
from workbench.show.sheet import bounded

# Not None: an ipywidgets choice of None shows nothing.
ALL = ("all versions", "")


class Performance(Panel):
    """The main picture of the page; below it one look at a time, over all versions or one."""

    title = "Error over time, and what was done about it"

    def __init__(self, desk: Desk) -> None:
        self.view: View | None = None
        self.looked: object = None
        self.version = W.Dropdown(description="Version", options=[ALL])
        self.look = W.ToggleButtons(
            description="Look at",
            tooltip="What to look at more closely",
            options=list(LOOKS),
            style={"button_width": "auto"},
        )
        self.closer = W.HTML().add_class("wb-closer")
        super().__init__(desk, row(self.version, self.look), self.closer)
        for choice in (self.version, self.look):
            choice.observe(self._chosen, "value")

    def show(self, view: View) -> None:
        self.view = view
        if self.key(view) != self.drawn:
            self._offer(view)
        super().show(view)
        self._look(view)

    def _offer(self, view: View) -> None:
        """The versions that gave the newest answers; the chosen one stays where it is one of them."""
        offered = [ALL, *((short_id(v), v) for v in view.answered.versions)]
        if list(self.version.options) != offered:
            kept = self.version.value
            self.version.options = offered
            self.version.value = kept if kept in view.answered.versions else ALL[1]

    def _chosen(self, _: Any) -> None:
        if self.view is not None:
            self._look(self.view)

    def _look(self, view: View) -> None:
        key = self.key(view), self.look.value, self.version.value
        if key != self.looked:
            self.closer.value = LOOKS[self.look.value](view, self.version.value or None)
            self.looked = key

    def key(self, view: View) -> object:
        return view.checked, view.happened, view.width

    @staticmethod
    def draw(view: View) -> str:
        picture = svg(error_over_time(view.evaluations, view.events, width=full_width(view)), _label(view))
        return picture + _metrics(view)

    @classmethod
    def whole(cls, view: View) -> str:
        looks = (tag("h3", name) + look(view, None) for name, look in LOOKS.items())
        return cls.draw(view) + "".join(looks)


def _label(view: View) -> str:
    if not view.evaluations:
        return "Error over time: no check yet."
    last = view.evaluations[-1]
    marked = sum(e.kind in SWITCHES for e in view.events)
    return (
        f"{last.performance.metric} of {last.version} over {len(view.evaluations)} checks, {marked} switches marked; "
        f"now: {last.performance.sentence}."
    )


def _metrics(view: View) -> str:
    check = view.current
    if check is None:
        return ""
    result = check.performance
    lines = [result.sentence, result.labels.sentence if result.labels else "", check.estimate.sentence]
    rows = [
        (
            name,
            bounded(result.metrics[name], result.intervals.get(name)),
            bounded(result.baseline.get(name), result.baseline_intervals.get(name)),
        )
        for name in result.metrics
    ]
    head = f"{result.labelled:,} of the last {result.n:,} mature predictions have their actual; 95 % intervals"
    figures = tag("div", table(head, ["", "window", "holdout"], rows), "wb-narrow")
    return "".join(tag("p", line) for line in lines if line) + figures
