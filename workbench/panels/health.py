"""Health of the service: cards that are watched, the figures over time with what happened, versions, workers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import ipywidgets as W

from workbench.evaluation import Evaluation
from workbench.moments import parse_utc, utc_text
from workbench.panels.base import Panel, full_width, row, tag
from workbench.panels.desk import Desk
from workbench.panels.health_tables import versions, workers
from workbench.panels.sparks import POINTS, card
from workbench.panels.view import View
from workbench.plot_style import svg
from workbench.service_plots import service_over_time
from workbench.show.sheet import clock

# In seconds; 0 is all there is: an ipywidgets choice of None shows nothing.
EVERYTHING = 0
SPANS = (("everything", EVERYTHING), ("15 minutes", 900), ("1 hour", 3_600), ("1 day", 86_400), ("1 week", 604_800))


class Health(Panel):
    """Cards with a line each, a picture of the chosen time, the tables of the last check."""

    title = "Service"

    def __init__(self, desk: Desk) -> None:
        self.view: View | None = None
        self.pictured: object = None
        self.span = W.Dropdown(description="Time span", options=SPANS)
        self.picture, self.tables = W.HTML().add_class("wb-closer"), W.HTML()
        super().__init__(desk, row(self.span), self.picture, self.tables)
        self.span.observe(self._chosen, "value")

    def show(self, view: View) -> None:
        self.view = view
        if self.key(view) != self.drawn:
            self.tables.value = _tables(view)
        super().show(view)
        self._picture(view)

    def _chosen(self, _: Any) -> None:
        if self.view is not None:
            self._picture(self.view)

    def _picture(self, view: View) -> None:
        key = self.key(view), view.happened, view.width, self.span.value
        if key != self.pictured:
            self.picture.value = _over_time(view, self.span.value)
            self.pictured = key

    def key(self, view: View) -> object:
        return view.checked

    @staticmethod
    def draw(view: View) -> str:
        if not view.evaluations:
            return tag("p", "no check yet")
        sentence = tag("p", view.evaluations[-1].service.sentence, "wb-decision")
        return f'<dl class="wb-figures" style="margin:0">{_cards(view.evaluations)}</dl>{sentence}'

    @classmethod
    def whole(cls, view: View) -> str:
        return cls.draw(view) + _over_time(view, EVERYTHING) + _tables(view)


def within(evaluations: Sequence[Evaluation], span_s: float) -> Sequence[Evaluation]:
    """The checks of so many seconds up to the newest one; all of them where that is `EVERYTHING`."""
    if span_s == EVERYTHING or not evaluations:
        return evaluations
    since = utc_text(parse_utc(evaluations[-1].recorded_at) - timedelta(seconds=span_s))
    return evaluations[bisect_left(evaluations, since, key=lambda e: e.recorded_at) :]


def _cards(evaluations: Sequence[Evaluation]) -> str:
    """The last check's figures, each with those of the checks before it."""
    found = [e.service for e in evaluations[-POINTS:]]
    last, up = found[-1], found[-1].uptime
    rates = [s.all.predictions_per_s for s in found]
    failed, refused = last.all.share_5xx, last.all.share_4xx
    cores = "of one core" if len(last.workers) < 2 else f"of one core, {len(last.workers)} workers"
    bad = "wb-bad" if last.cause == "failures" else ""
    slow = "wb-bad" if last.cause == "response_time" else ""
    return "".join(
        (
            card("rate", _told(rates[-1], 1, "{:.3g} / s"), "predictions a second", rates),
            card(
                "mean response",
                _told(last.all.mean_s, 1e3, "{:.1f} ms"),
                _told(last.all.latency_mean_s, 1e3, "first byte after {:.1f} ms"),
                [s.all.mean_s for s in found],
                slow,
            ),
            card(
                "p95",
                _told(last.all.p95_s, 1e3, "{:.1f} ms"),
                f"p50 {_told(last.all.p50_s, 1e3, '{:.1f}')}, p99 {_told(last.all.p99_s, 1e3, '{:.1f}')}",
                [s.all.p95_s for s in found],
            ),
            card("failed (5xx)", _told(failed, 100, "{:.3g}%"), "of requests", [s.all.share_5xx for s in found], bad),
            card("refused (4xx)", _told(refused, 100, "{:.3g}%"), "of requests", [s.all.share_4xx for s in found]),
            card(
                "up",
                f"{up.share:.1%}" if up else "–",
                f"since {clock(up.since)}" if up else "not seen yet",
                [s.uptime.share if s.uptime else None for s in found],
            ),
            card("CPU", _told(last.cpu_share, 100, "{:.0f}%"), cores, [s.cpu_share for s in found]),
            card("memory", _told(last.memory_mb, 1, "{:.0f} MB"), "all workers", [s.memory_mb for s in found]),
        )
    )


def _told(value: float | None, scale: float, form: str) -> str:
    return "–" if value is None else form.format(value * scale)


def _over_time(view: View, span_s: float) -> str:
    checks = within(view.evaluations, span_s)
    sentence = checks[-1].service.sentence if checks else "no check yet"
    figure = service_over_time(checks, view.events, width=full_width(view))
    return svg(figure, f"Service over time, {len(checks)} checks: {sentence}.")


def _tables(view: View) -> str:
    if not view.evaluations:
        return ""
    last = view.evaluations[-1]
    return "".join(tag("div", one, "wb-apart") for one in (versions(last), workers(last)) if one)
