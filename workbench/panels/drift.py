"""Drift: how far each input of the window is from what the live version was trained on, and what that does to it."""

from __future__ import annotations

import ipywidgets as W
import msgspec

from workbench.drift_plots import drift_by_feature
from workbench.evaluation import Evaluation, FeatureDrift, Impact
from workbench.panels.base import Markup, Panel, half_width, table, tag, verdict
from workbench.panels.desk import Desk
from workbench.panels.drift_drill import FireDrill
from workbench.panels.drift_feature import FeaturePicker, by_impact
from workbench.panels.drift_records import Records
from workbench.panels.drift_sliders import Sliders
from workbench.panels.view import View
from workbench.plot_style import svg
from workbench.records import ALARMING, Task
from workbench.show.sheet import number

SHOWN = 20


class Drift(Panel):
    """A row a feature, those that have moved in a table; one of them more closely; sliders; the fire drill."""

    title = "Drift of the inputs"

    def __init__(self, desk: Desk) -> None:
        records = Records(desk.reader)
        self.feature = FeaturePicker(records)
        self.sliders = Sliders(desk.settings, records)
        self.drill = FireDrill(desk, records)
        self.view: View | None = None
        closer = W.HTML(tag("h3", "One input more closely"))
        super().__init__(desk, closer, self.feature, self.sliders, self.drill)
        self.sliders.observe(lambda _: self._closer(), "newest")

    def poll(self) -> None:
        self.drill.deed.poll()

    def show(self, view: View) -> None:
        super().show(view)
        self.view = view
        self.sliders.show(view)
        self._closer()
        self.drill.show(view)

    def _closer(self) -> None:
        if self.view is not None:
            self.feature.show(self.view, self.sliders.newest)

    def key(self, view: View) -> object:
        return view.checked, view.width

    @staticmethod
    def draw(view: View) -> str:
        check = view.current
        sentence = check.drift.sentence if check else "no check of the live version yet"
        if check is not None:
            ordered = tuple(by_impact(check.drift.features, check.model.impacts))
            check = msgspec.structs.replace(check, drift=msgspec.structs.replace(check.drift, features=ordered))
        picture = svg(drift_by_feature(check, width=half_width(view)), f"Drift by feature: {sentence}.")
        if check is None:
            return picture
        # Without rows the figure is the sentence.
        lines = [tag("p", sentence)] if check.drift.features else []
        if check.data.state == "broken":
            lines.append(_line("broken data", check.data.sentence, "wb-bad"))
        lines.append(_line("the model's view", check.model.sentence, "wb-bad" if check.model.state in ALARMING else ""))
        told = tag("div", Markup("".join(lines) + _moved(check, view.settings.model.task)))
        return tag("div", Markup(tag("div", Markup(picture)) + told), "wb-duo")


def _line(what: str, sentence: str, css: str) -> Markup:
    return tag("p", Markup(f"{tag('b', what, css)}: {tag('span', sentence)}"), "wb-decision")


def _moved(check: Evaluation, task: Task) -> str:
    """What is not as it was: beside the training reference, beside the window before, and what it does."""
    found = [f for f in check.drift.features if f.state in ("drift", "possible", "broken") or f.accepted is not None]
    if not found:
        return ""
    before = {f.feature: f for f in check.previous.features}
    impacts = {i.feature: i for i in check.model.impacts}
    rows = [
        (
            Markup(f"{tag('b', f.feature)} {verdict(f.state)}"),
            _rest(f),
            _before(before.get(f.feature), check.previous.sentence),
            _impact(impacts.get(f.feature), task),
        )
        for f in found[:SHOWN]
    ]
    left = len(found) - len(rows)
    caption = f"{len(found)} of {len(check.drift.features)} inputs" + (f", {left} of them not shown" if left else "")
    caption += "; impact: how far the move of one moves the predictions" if impacts else ""
    head = ["input", "against training data", "against window before", "impact"]
    return tag("div", table(caption, head, rows, css=["wb-name", "wb-some", "wb-some", ""]), "wb-decision")


def _rest(feature: FeatureDrift) -> str:
    """The feature's sentence without the name it begins with."""
    return feature.sentence.removeprefix(f"{feature.feature}: ")


def _before(feature: FeatureDrift | None, otherwise: str) -> Markup:
    """It never alarms, so it has no colour."""
    if feature is None:
        return tag("span", otherwise, "wb-quiet")
    moved = {"drift": "moved since", "broken": "moved since", "possible": "perhaps moved", "ok": "as before"}
    state = moved.get(feature.state)
    return tag("span", f"{state}: {_rest(feature)}" if state else _rest(feature))


def _impact(impact: Impact | None, task: Task) -> str:
    if impact is None:
        return "–"
    moved = f"{impact.moved:.1%} of the probability" if task == "classification" else number(impact.moved, 3)
    return f"{moved} ({number(impact.share, 2)}\N{NO-BREAK SPACE}sd)"
