"""The state of the live version in one sentence, for people who read no more than that; pure, from what files say.

"✓ Healthy: 1,000 predictions, error 8.1 ± 0.4, no drift"
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from workbench.evaluation import Evaluation
from workbench.panels.base import Markup, tag
from workbench.panels.view import View
from workbench.plot_style import short_id
from workbench.records import ALARMING, State
from workbench.show.checks import by_state
from workbench.show.sheet import clock

# state: glyph, word, class; never colour alone.
STATES: dict[State, tuple[str, str, str]] = {
    "broken": ("✖", "broken data", "wb-bad"),
    "alarm": ("▲", "alarm", "wb-bad"),
    "drift": ("▲", "drift", "wb-bad"),
    "possible": ("△", "possible trouble", "wb-wait"),
    "ok": ("✓", "healthy", "wb-good"),
    "insufficient": ("●", "too little data", "wb-wait"),
}
# What the parts are called in a sentence, and what is said of them.
PARTS = {"drift": "inputs", "model": "the model's view", "estimate": "estimated performance"}
SAID: dict[State, str] = {
    "broken": "{} broken",
    "alarm": "{} in alarm",
    "drift": "drift of {}",
    "possible": "{} possibly off",
    "ok": "{} ok",
    "insufficient": "{} insufficient",
}
METRICS = {"mae": "error", "r2": "R²", "roc_auc": "ROC AUC", "log_loss": "log loss", "f1": "F1"}
CAUSES = {"response_time": "slow answers", "failures": "failing requests"}
NAMED = 2


def state_of(view: View) -> tuple[str, str, str, str]:
    """Glyph, word, class and sentence of the live version as a whole."""
    if view.trouble:
        return "✖", "damaged", "wb-bad", "which version is live cannot be read"
    if view.live is None:
        return "○", "nothing live", "wb-wait", "no version is live"
    if view.current is None:
        return "○", "no check yet", "wb-wait", "the live version has not been checked yet"
    named = by_state(view.current)
    worst = next(iter(named))
    told = [state for state in named if state in ALARMING] or [worst]
    parts = (SAID[state].format(", ".join(PARTS.get(name, name) for name in named[state])) for state in told)
    return *STATES[worst], "; ".join(parts)


def state_line(view: View) -> Markup:
    """State, what it rests on, and which version that is said of."""
    glyph, word, css, parts = state_of(view)
    state = tag("b", f"{glyph} {word.capitalize()}", css, parts)
    live = f"version {short_id(view.live.version_id)}, live since {clock(view.live.activated_at)}" if view.live else ""
    version = tag("span", live, "wb-quiet") if live else ""
    return tag("p", Markup(f"{state}{tag('span', f': {rests_on(view)}')} {version}"), "wb-state")


def rests_on(view: View) -> str:
    """What the state rests on: predictions, error, drift; else what is missing."""
    if view.trouble:
        return "which version is live cannot be read; make one live again to mend it"
    if view.live is None:
        there = len(view.versions)
        return f"{there} version{'s are' if there > 1 else ' is'} there to switch to" if there else "no version yet"
    check = view.current
    if check is not None and check.n == 0:
        return "no predictions since it went live"
    if check is None:
        return f"{view.predictions:,} predictions on record" if view.predictions else "no traffic yet"
    count = f"{check.n:,} prediction{'s' * (check.n != 1)}"
    return ", ".join([count, _error(check, view.settings.metric), *_drift(check), *_service(check)])


def _error(check: Evaluation, metric: str) -> str:
    """The deciding metric with its uncertainty; estimated while no actual is there."""
    name = METRICS.get(metric, metric.replace("_", " "))
    result, estimate = check.performance, check.estimate
    value = result.metrics.get(metric)
    if value is not None:
        told = f"{name} {around(value, result.intervals.get(metric))}"
        if result.state in ALARMING and result.loss is not None:
            return f"{told}, {result.loss:.0%} worse than on its holdout"
        return f"{told}, the newest estimated to be worse" if estimate.state in ALARMING else told
    if estimate.value is not None and estimate.state != "insufficient":
        bounds = None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)
        return f"{name} estimated at {around(estimate.value, bounds)}"
    return "no actuals yet"


def around(value: float, bounds: tuple[float, float] | None) -> str:
    """A value with half the width of its interval, both to the digit that the interval leaves standing.

    >>> around(8.134, (7.72, 8.55)), around(0.3149, (0.2951, 0.3349)), around(1234.0, (1200.0, 1270.0))
    ('8.1 ± 0.4', '0.31 ± 0.02', '1,230 ± 40')
    >>> around(8.134, None), around(8.134, (8.134, 8.134))
    ('8.13', '8.13')
    """
    half = (bounds[1] - bounds[0]) / 2 if bounds else 0.0
    if not 0 < half < math.inf:
        return f"{value:,.3g}" if abs(value) < 1_000 else f"{value:,.0f}"
    digits = -math.floor(math.log10(half))
    return f"{round(value, digits):,.{max(digits, 0)}f} ± {round(half, digits):,.{max(digits, 0)}f}"


def _drift(check: Evaluation) -> list[str]:
    """Of the inputs; and of what the model makes of them, where that alone has moved."""
    if check.data.state == "broken":
        return [f"broken: {_names(check.data.features)}" if check.data.features else "broken inputs"]
    moved = [f.feature for f in check.drift.features if f.state in ALARMING]
    if check.drift.state in ALARMING:
        return [f"drift of {_names(moved)}" if moved else "the inputs drift"]
    if check.model.state in ALARMING:
        return ["no single input drifts, but what the model makes of them does"]
    if check.drift.state == "possible":
        perhaps = [f.feature for f in check.drift.features if f.state == "possible"]
        return [f"perhaps drift of {_names(perhaps)}" if perhaps else "perhaps drift"]
    return ["no drift"] if check.drift.state == "ok" else ["too few to tell drift"]


def _service(check: Evaluation) -> list[str]:
    if check.service.state not in ALARMING:
        return []
    return [CAUSES[check.service.cause] if check.service.cause else "the service is in alarm"]


def _names(features: Sequence[str]) -> str:
    """
    >>> _names(["a", "b"]), _names(["a", "b", "c", "d"])
    ('a and b', 'a, b and 2 more')
    """
    more = len(features) - NAMED
    if more > 0:
        return f"{', '.join(features[:NAMED])} and {more} more"
    return " and ".join(features)
