"""Performance in sentences: which metric fell, by how much, since when, in which segment."""

from __future__ import annotations

import math

from scipy.special import ndtri

from workbench.holdout import LEAST_ROWS, Holdout
from workbench.performance import BLIND, LOOKS, Rules, looks
from workbench.performance_result import Judged, Labels, Score
from workbench.scores import higher_is_better


def verdict(decided: Judged, bounds: tuple[float, float] | None, since: str | None, segment: str | None) -> str:
    """What a metric is beside its holdout.

    >>> judged = Judged(metric="mae", state="alarm", value=12.0, baseline=8.0, loss=0.5, noise=3.14, rows=800)
    >>> verdict(judged, (11.0, 13.1), "2013-05-02T14:00:00.000000Z", None)
    'mae 12 (95 %: 11 to 13.1) over 800 actuals, holdout 8: 50% worse, 3.1x noise, since 2013-05-02 14:00'
    """
    loss, chance = decided.loss or 0.0, decided.chance or 0.0
    told = (
        f"{figure(decided.metric, decided.value, bounds)} over {decided.rows} actuals, holdout {decided.baseline:.4g}"
    )
    if decided.state == "ok":
        rest = f"; chance leaves up to {chance:.0%} worse" if loss > 0 else ""
        return f"{told}: {abs(loss):.0%} {'worse' if loss > 0 else 'better'}{rest}"
    worse = f"{told}: {loss:.0%} worse, {decided.noise:.1f}x noise"
    if decided.state == "possible":
        return f"{worse}: possible, not sure yet"
    moment = f"since {since[:16].replace('T', ' ')}" if since else None
    return ", ".join(filter(None, [worse, moment, f"most in {segment}" if segment else None]))


def figure(metric: str, value: float | None, bounds: tuple[float, float] | None) -> str:
    if value is None:
        return f"{metric} undefined"
    return f"{metric} {value:.4g}" + (f" (95 %: {bounds[0]:.4g} to {bounds[1]:.4g})" if bounds else "")


def insufficient(
    decided: Judged, predictions: int, newest: Score | None, labels: Labels, holdout: Holdout, rules: Rules
) -> str:
    """Why there is no verdict, and what it takes."""
    wanted = needed(holdout, rules) if decided.chance is None else needed_beside(decided, holdout, rules)
    takes = "the holdout's rows are too few" if wanted is None else f"about {wanted:,} are needed"
    if newest is not None and newest.provisional and newest.n and not decided.rows:
        told = figure(rules.metric, newest.metrics.get(rules.metric), newest.intervals.get(rules.metric))
        return f"provisional: {told} over {newest.n} of {predictions} predictions; {labels.sentence}"
    if decided.rows < LEAST_ROWS or decided.chance is None:
        return f"insufficient: {decided.rows} mature actuals of {predictions} predictions, {takes}; {labels.sentence}"
    told = figure(decided.metric, decided.value, None)
    return f"insufficient: {told} over {decided.rows} actuals, {decided.chance:.0%} worse could be chance; {takes}"


def needed(holdout: Holdout, rules: Rules) -> int | None:
    """Actuals from which on a verdict is given; None if the holdout is too small for any number of them."""
    yard = holdout.yardsticks.get(rules.metric)
    if yard is None:
        return None
    reach = BLIND[higher_is_better(rules.metric)] * abs(yard.value) / -float(ndtri(rules.rate(rules.metric) / LOOKS))
    if yard.losses is None or yard.losses.std is None:
        # Of n rows the error is that of the holdout's m rows, times the root of m / n.
        rest = reach**2 - yard.error**2
        return max(math.ceil(yard.error**2 * holdout.n / rest), LEAST_ROWS) if rest > 0 else None
    if rules.metric == "rmse":
        reach = (yard.value + reach) ** 2 - yard.value**2
    spread = yard.losses.std**2 * yard.dependence
    rest = reach**2 - spread / yard.losses.n
    return max(math.ceil(spread / rest), LEAST_ROWS) if rest > 0 else None


def needed_beside(judged: Judged, holdout: Holdout, rules: Rules) -> int | None:
    """The same where some actuals have come: by what these tell, which may be less than as many of the holdout's.

    >>> from workbench.holdout import Yardstick
    >>> yards = {"mae": Yardstick(value=8.0, error=1.0)}
    >>> held = Holdout(n=400, start=None, end=None, classes=(), score=Score(n=400, metrics={}), yardsticks=yards)
    >>> judged = Judged(metric="mae", state="insufficient", value=9.0, baseline=8.0, chance=1.2, rows=100)
    >>> needed_beside(judged, held, Rules("mae", (), 0.1, 0.0025))
    156
    """
    yard, scale = holdout.yardsticks[judged.metric], abs(judged.baseline or 1.0)
    reach = -float(ndtri(rules.rate(judged.metric) / looks(judged.rows, holdout.n))) / scale
    found, wanted = (
        (chance / reach) ** 2 - yard.error**2
        for chance in (judged.chance or 0.0, BLIND[higher_is_better(judged.metric)])
    )
    return max(math.ceil(judged.rows * found / wanted), judged.rows + 1) if wanted > 0 else None
