"""Health of the service: response times and rate over time, and the workers that answer."""

from __future__ import annotations

from workbench.evaluation import Evaluation
from workbench.panels.base import Panel, clock, half_width, table, tag
from workbench.panels.view import View
from workbench.plot_style import short_id
from workbench.plots import service_over_time, svg


class Health(Panel):
    """Response times, predictions a second, workers."""

    title = "Service"

    def key(self, view: View) -> object:
        return view.checked, view.width

    def draw(self, view: View) -> str:
        last = view.evaluations[-1] if view.evaluations else None
        sentence = last.service.sentence if last else "no check yet"
        picture = svg(service_over_time(view.evaluations, width=half_width(view)), f"Service over time: {sentence}.")
        return (
            picture + (tag("p", sentence) if last else "") + (_workers(last) if last and last.service.workers else "")
        )


def _workers(check: Evaluation) -> str:
    rows = [
        (w.worker, short_id(w.version or "none"), clock(w.started_at), f"{w.cpu_share:.0%}", f"{w.memory_mb:.0f} MB")
        for w in check.service.workers
    ]
    return table(f"workers at {clock(check.recorded_at)}", ["worker", "version", "since", "cpu", "memory"], rows)
