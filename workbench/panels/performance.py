"""Performance: the error over time with what was done about it, and every metric beside the holdout."""

from __future__ import annotations

from workbench.panels.base import Panel, full_width, number, table, tag
from workbench.panels.view import View
from workbench.plots import error_over_time, svg


class Performance(Panel):
    """The main picture of the page."""

    title = "Error over time, and what was done about it"

    def key(self, view: View) -> object:
        return view.checked, view.happened, view.width

    def draw(self, view: View) -> str:
        picture = svg(error_over_time(view.evaluations, view.events, width=full_width(view)), _label(view))
        return picture + _metrics(view)


def _label(view: View) -> str:
    if not view.evaluations:
        return "Error over time: no check yet."
    last = view.evaluations[-1]
    marked = sum(e.kind in {"promoted", "switched", "rolled_back"} for e in view.events)
    return (
        f"{last.performance.metric} of {last.version} over {len(view.evaluations)} checks, {marked} switches marked; "
        f"now: {last.performance.sentence}."
    )


def _metrics(view: View) -> str:
    check = view.current
    if check is None:
        return ""
    result = check.performance
    names = sorted(result.metrics, key=lambda name: name != result.metric)
    rows = [
        ("window", *(number(result.metrics[name]) for name in names)),
        ("holdout of the version", *(number(result.baseline.get(name)) for name in names)),
    ]
    beside = table(
        f"{result.labelled:,} of the {result.n:,} predictions in the window have their actual", ["", *names], rows
    )
    return tag("p", result.sentence) + tag("div", beside, "wb-narrow")
