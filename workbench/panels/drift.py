"""Drift: how far each input of the window is from what the live version was trained on."""

from __future__ import annotations

from workbench.panels.base import Panel, half_width, tag
from workbench.panels.view import View
from workbench.plots import drift_by_feature, svg


class Drift(Panel):
    """A bar a feature."""

    title = "Drift of the inputs"

    def key(self, view: View) -> object:
        return view.checked, view.width

    def draw(self, view: View) -> str:
        sentence = view.current.drift.sentence if view.current else "no check of the live version yet"
        figure = drift_by_feature(view.current, width=half_width(view))
        picture = svg(figure, f"Drift by feature: {sentence}.")
        # Without bars the figure is the sentence.
        return picture + tag("p", sentence) if view.current and view.current.drift.features else picture
