"""The headline: how the model does in a sentence, the figures in cards, and what the maintainer last decided."""

from __future__ import annotations

from workbench.evaluation import ServiceResult
from workbench.panels.base import Markup, Panel, tag
from workbench.panels.state_line import state_line
from workbench.panels.view import View
from workbench.show.sheet import clock, number


class Headline(Panel):
    """The state's sentence, cards, and the last decision's sentence."""

    def key(self, view: View) -> object:
        phase = view.standing.phase if view.standing else None
        return view.checked, view.happened, view.live, view.predictions, view.trouble, len(view.versions), phase

    @staticmethod
    def draw(view: View) -> str:
        cards = "".join(_card(*card) for card in _cards(view))
        return f'{state_line(view)}<dl class="wb-cards">{cards}</dl>{_sentences(view)}'


def _cards(view: View) -> list[tuple[str, object, str]]:
    check, metric = view.current, view.settings.metric
    performance = check.performance if check else None
    value = performance.metrics.get(metric) if performance else None
    baseline = performance.baseline.get(metric) if performance else None
    # The service goes on whichever version is live.
    service = view.evaluations[-1].service if view.evaluations else None
    up = service.uptime if service else None
    at_least = "+" if view.predictions >= view.settings.monitor.history else ""
    return [
        (
            f"{metric} now",
            number(value),
            f"holdout {number(baseline)}{_percent(performance.loss if performance else None)}",
        ),
        ("predictions", f"{view.predictions:,}{at_least}", f"{check.n:,} in the window" if check else ""),
        ("response", _milliseconds(service.all.mean_s if service else None), _p95(service)),
        ("rate", _rate(service.all.predictions_per_s if service else None), "predictions a second"),
        ("up", f"{up.share:.1%}" if up else "–", f"since {clock(up.since)}" if up else "service not seen yet"),
    ]


def _card(name: str, value: object, detail: str) -> Markup:
    shown = tag("dd", Markup(f"{tag('span', value)}{tag('small', detail)}"))
    return Markup(f'<div class="wb-card">{tag("dt", name)}{shown}</div>')


def _sentences(view: View) -> str:
    """What to do while there is nothing to show; else the last decision."""
    lines: list[object] = []
    if view.trouble:
        lines.append(tag("span", f"▲ {view.trouble}", "wb-bad"))
    if view.live is None and not view.trouble:
        lines.append(
            Markup(
                f"No version is live yet. Train the first one with {tag('code', 'python main.py')}, then start the "
                f"service with {tag('code', 'python main.py serve')} and send it some traffic with "
                f"{tag('code', 'python main.py replay')}; this page fills by itself."
            )
        )
    elif view.current is None and not view.trouble:
        lines.append("The live version has not been checked since it went live; checks start with traffic.")
    if view.standing is not None and view.live is not None:
        css = "wb-wait" if view.standing.phase in ("paused", "probation", "cooling down") else ""
        lines.append(Markup(f"{tag('b', 'Maintenance')}: {tag('span', view.standing.told, css)}"))
    decision = next((e for e in reversed(view.events) if e.kind == "decision"), None)
    if decision:
        lines.append(
            Markup(f"{tag('b', 'Last decision')} ({clock(decision.recorded_at)}): {tag('span', decision.reason)}")
        )
    return "".join(tag("p", line, "wb-decision") for line in lines)


def _percent(loss: float | None) -> str:
    return "" if loss is None else f", {abs(loss):.0%} {'worse' if loss > 0 else 'better'}"


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1e3:.3g} ms"


def _p95(service: ServiceResult | None) -> str:
    p95 = service.all.p95_s if service else None
    if p95 is not None:
        return f"mean; p95 {_milliseconds(p95)}"
    longest = service.all.max_s if service else None
    return f"mean; longest {_milliseconds(longest)}" if longest is not None else "mean"


def _rate(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
