"""Health of the service: response times and rate over time, by version, and the workers that answer."""

from __future__ import annotations

from workbench.evaluation import Evaluation
from workbench.panels.base import Panel, clock, half_width, number, table, tag
from workbench.panels.view import View
from workbench.plot_style import short_id
from workbench.plots import service_over_time, svg
from workbench.traffic_words import failures_told, mean_told, p95_told


class Health(Panel):
    """Response times, predictions a second, versions, workers."""

    title = "Service"

    def key(self, view: View) -> object:
        return view.checked, view.width

    @staticmethod
    def draw(view: View) -> str:
        last = view.evaluations[-1] if view.evaluations else None
        sentence = last.service.sentence if last else "no check yet"
        picture = svg(service_over_time(view.evaluations, width=half_width(view)), f"Service over time: {sentence}.")
        if last is None:
            return picture
        traffic = _traffic(last) if last.service.all.requests else ""
        return picture + tag("p", sentence) + traffic + (_workers(last) if last.service.workers else "")


def _traffic(check: Evaluation) -> str:
    """All requests, then each version's; the figures with what chance leaves of them."""
    shown = [("all", check.service.all), *((short_id(v), t) for v, t in check.service.by_version.items())]
    rows = [
        (
            name,
            f"{t.requests:,}",
            f"{number(t.requests_per_s, 3)}/s",
            mean_told(t, level=""),
            p95_told(t, level=""),
            "–" if t.share_4xx is None else f"{t.share_4xx:.1%}",
            failures_told(t, level=""),
        )
        for name, t in shown
    ]
    caption = f"requests up to {clock(check.recorded_at)} (in brackets: 95 %)"
    head = ["version", "requests", "rate", "mean response", "p95", "4xx", "5xx"]
    return table(caption, head, rows, css=["wb-nowrap"])


def _workers(check: Evaluation) -> str:
    rows = [
        (w.worker, short_id(w.version or "none"), clock(w.started_at), f"{w.cpu_share:.0%}", f"{w.memory_mb:.0f} MB")
        for w in check.service.workers
    ]
    return table(f"workers at {clock(check.recorded_at)}", ["worker", "version", "since", "cpu", "memory"], rows)
