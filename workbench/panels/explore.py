"""Explore: one input of a table at a time, a month of it beside what a version learnt from.

For a person's own notebook: it computes what it shows, unlike the panels, which read what was computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as W
import traitlets as t

from workbench import drift
from workbench.distribution_plots import feature_distribution
from workbench.errors import DataError
from workbench.evaluation import DriftResult
from workbench.loaded_version import Reference
from workbench.panels.base import STYLE, Markup, row, tag, verdict
from workbench.plot_style import svg
from workbench.sections import BUDGET
from workbench.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 720


class Explore(W.VBox):
    """Two choices, and for them what a check would say, and a picture.

    Parameters
    ----------
    frame : DataFrame
        Rows with the inputs and the time column.
    version : Reference
        Whose training rows the months are seen beside.
    settings : Settings

    Raises
    ------
    DataError
        If the settings name no time column, or the table lacks it.
    """

    state = t.Unicode()
    sentence = t.Unicode()

    def __init__(self, frame: pd.DataFrame, version: Reference, settings: Settings) -> None:
        import pandas as pd

        time = settings.model.time
        if time is None or time not in frame:
            raise DataError(f"the table has no time column {time!r}; months are told by it: set [model] time")
        months = pd.to_datetime(frame[time]).dt.strftime("%Y-%m")
        self.version, self.settings = version, settings
        self.parts = {str(month): part for month, part in frame.groupby(months.to_numpy())}
        self.checked: dict[str, DriftResult] = {}
        self.profile = {p.name: p for p in version.profile}
        self.feature = W.Dropdown(description="Input", options=list(self.profile))
        self.month = W.Dropdown(description="Month", options=list(self.parts))
        self.body = W.HTML()
        super().__init__([W.HTML(STYLE), row(self.feature, self.month), self.body])
        self.add_class("wb")
        for choice in (self.feature, self.month):
            choice.observe(self._show, "value")
        self._show()

    def _show(self, _: Any = None) -> None:
        found = self._check(self.month.value).feature(self.feature.value)
        self.state, self.sentence = found.state, found.sentence
        figure = feature_distribution(found, self.profile[found.feature], width=WIDTH)
        label = f"{found.feature} in {self.month.value} beside the training rows: {found.sentence}"
        self.body.value = tag("p", Markup(f"{verdict(found.state)} {tag('span', found.sentence)}")) + svg(figure, label)

    def _check(self, month: str) -> DriftResult:
        if month not in self.checked:
            from workbench.features import align

            self.checked[month] = drift.check(
                align(self.parts[month], self.version.schema),
                self.version.profile,
                limits=self.settings.drift,
                false_alarm_rate=self.settings.monitor.false_alarm_rate * BUDGET["drift"],
                signs=False,
            )
        return self.checked[month]

    def __repr__(self) -> str:
        return f"Explore({len(self.profile)} inputs, {len(self.parts)} months)"
