"""Drift: how far each input of the window is from what the live version was trained on, and what that does to it."""

from __future__ import annotations

from workbench.drift_plots import drift_by_feature
from workbench.evaluation import Evaluation, FeatureDrift, Impact
from workbench.panels.base import Markup, Panel, half_width, number, table, tag, verdict
from workbench.panels.view import View
from workbench.plot_style import svg
from workbench.records import ALARMING, Task

SHOWN = 20


class Drift(Panel):
    """A row a feature; those that have moved in a table."""

    title = "Drift of the inputs"

    def key(self, view: View) -> object:
        return view.checked, view.width

    @staticmethod
    def draw(view: View) -> str:
        check = view.current
        sentence = check.drift.sentence if check else "no check of the live version yet"
        picture = svg(drift_by_feature(check, width=half_width(view)), f"Drift by feature: {sentence}.")
        if check is None:
            return picture
        # Without rows the figure is the sentence.
        lines = [tag("p", sentence)] if check.drift.features else []
        if check.data.state == "broken":
            lines.append(_line("broken data", check.data.sentence, "wb-bad"))
        lines.append(_line("the model's view", check.model.sentence, "wb-bad" if check.model.state in ALARMING else ""))
        return picture + "".join(lines) + _moved(check, view.settings.model.task)


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
