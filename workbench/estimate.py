"""How large is the model's error now, from inputs and answers alone; and how well did that foretell what actuals said?

Pure. The estimate sees that rows have become harder, and cannot see that the target has changed: that is what the gap
between its track record and the actuals is for. Only with a good record may it alarm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from msgspec.structs import replace
from scipy.special import ndtr

from workbench import bands, scores
from workbench.error_model import LEAST_HOLDOUT, ErrorModel, Forecast, Spread, estimated, learn
from workbench.performance_result import Compared, EstimateResult
from workbench.records import State
from workbench.scores import Sample

__all__ = ["ErrorModel", "estimated", "judge", "learn"]

LEAST_ROWS = 20
BLOCKS = 12
# Blocks that decide whether the record is good, and the fewest that do.
RECENT, FEWEST = 4, 2
# The record is good if it is this close, as a share of the estimate; or within its interval, and this close.
CLOSE, NEAR = 0.1, 0.25
# The newest blocks a persistent gap is looked for in; of the level, a gap and an alarm spend one half each.
STRETCHES = (2, 4, 8, 12)
# How many times the level may be exceeded where something is said to be possible.
POSSIBLE = 20.0
GAP = "possible concept drift: the model's relation to the target has changed"


@dataclass(frozen=True)
class Stretch:
    """Some rows with actuals: what was forecast, and what came."""

    metric: str
    forecast: Forecast
    bounds: tuple[float, float]
    estimated: float
    realised: float
    loss: float
    p: float

    @property
    def n(self) -> int:
        return len(self.forecast.expected)


def judge(
    model: ErrorModel | None,
    now: tuple[pd.DataFrame, Sample],
    past: tuple[pd.DataFrame, Sample, Sequence[str]],
    *,
    metric: str,
    baseline: float | None,
    level: float,
    min_loss: float,
    block: int,
) -> EstimateResult:
    """The metric now, without its actuals; its track record; and the gap between the two where it persists.

    The record is good if the newest blocks (2 to 4, pooled) came out as estimated: less than 10 % apart, or within the
    95 % interval and less than 25 % apart. It alarms where the record is good, and the expected loss is at least
    `min_loss`, improbable without a change of the inputs, and more than the error of what was learnt explains. A gap
    persists where the newest two blocks both came out worse than estimated, by `min_loss` together, and the newest 2,
    4, 8 or 12 by so much as is improbable by chance; in the metric, or in its witness (MAE, log loss).

    Parameters
    ----------
    model : ErrorModel or None
        Of the version that answered.
    now : inputs and answers of the newest window; its actuals are not looked at
    past : inputs, answers with actuals, and event times (ISO text) of older rows, oldest first
    metric, baseline : the metric, and what it was on the holdout
    level : float
        The chance of a false alarm, or a false gap, that this check may spend; one-sided.
    min_loss : float
        The smallest loss that counts, as a share.
    block : int
        Rows of an entry of the track record.
    """
    from threadpoolctl import threadpool_limits

    frame, said = now
    base = EstimateResult(state="insufficient", sentence="", metric=metric, n=len(said), baseline=baseline)
    if model is None:
        why = f"no model of the error was learnt; it takes a holdout of at least {LEAST_HOLDOUT} rows"
        return replace(base, sentence=f"insufficient: {why}")
    if model.metric != metric or baseline is None:
        base = replace(base, metric=model.metric, baseline=model.baseline)
    if not model.knows(said):
        return replace(base, sentence="insufficient: the predictions came without the probabilities to estimate from")
    if len(said) < LEAST_ROWS:
        return replace(base, sentence=f"insufficient: {len(said)} predictions, at least {LEAST_ROWS} are needed")
    # On a busy machine, threads that wait for each other are many times slower than one.
    with threadpool_limits(1):
        forecast = model.forecast(said, model.read(frame, said))
        bounds = model.interval(forecast)
        if forecast.value is None or bounds is None:
            return replace(base, sentence=f"insufficient: {model.metric} is undefined for these predictions")
        record = _Record(model, past, max(block, LEAST_ROWS))
        gap = _gap(record, past, level / 2, min_loss)
        recent = record.newest(RECENT) if record.count >= FEWEST else None
    trusted = None if recent is None else gap is None and _is_good(recent)
    loss = scores.loss(model.metric, forecast.value, base.baseline)
    found = replace(
        base,
        value=forecast.value,
        low=bounds[0],
        high=bounds[1],
        loss=loss,
        record=record.compared(),
        trusted=trusted,
        gap=None if gap is None else gap.loss,
    )
    state: State = "ok" if gap is None else "possible"
    doubt = None
    if loss is not None and loss >= min_loss:
        p = _chance(model, forecast)
        if p > level / 2:
            doubt = "by chance alone it could be"
        elif not _is_learnt(model, forecast):
            doubt = "no alarm while so few actuals are known of such inputs"
        if p <= level / 2 * POSSIBLE:
            state = "alarm" if trusted and doubt is None else "possible"
    return replace(found, state=state, sentence=_sentence(found, recent, gap, record.count, doubt))


class _Record:
    """Older rows with actuals, cut into blocks from the newest end."""

    def __init__(self, model: ErrorModel, past: tuple[pd.DataFrame, Sample, Sequence[str]], block: int) -> None:
        frame, said, times = past
        self.model, self.block = model, block
        self.count = min(len(said) // block, BLOCKS) if model.knows(said) else 0
        start = len(said) - self.count * block
        self.said, self.times = said.take(np.arange(start, len(said))), times[start:]
        self.read = model.read(frame.iloc[start:], self.said) if self.count else None

    def newest(self, blocks: int) -> Stretch | None:
        """The newest blocks, or as many as there are, pooled."""
        return self._stretch(max(self.count - blocks, 0), self.count)

    def each(self) -> list[tuple[int, Stretch]]:
        parts = [(i, self._stretch(i, i + 1)) for i in range(self.count)]
        return [(i, part) for i, part in parts if part is not None]

    def compared(self) -> tuple[Compared, ...]:
        return tuple(
            Compared(
                start=min(self.times[i * self.block : (i + 1) * self.block]),
                end=max(self.times[i * self.block : (i + 1) * self.block]),
                n=part.n,
                estimated=part.estimated,
                low=part.bounds[0],
                high=part.bounds[1],
                realised=part.realised,
            )
            for i, part in self.each()
        )

    def gap(self, level: float, min_loss: float) -> Stretch | None:
        """The newest blocks whose actuals are surest to be worse than estimated; None where that does not persist."""
        last = [self._stretch(self.count - back, self.count - back + 1) for back in (1, 2) if back <= self.count]
        newest = self.newest(2)
        if len(last) < 2 or any(part is None or part.loss <= 0 for part in last):
            return None
        if newest is None or newest.loss < min_loss:
            return None
        lengths = [k for k in STRETCHES if k <= self.count]
        found = [self.newest(k) for k in lengths]
        sure = [s for s in found if s is not None and s.loss >= min_loss and s.p <= level / len(lengths)]
        return min(sure, key=lambda stretch: stretch.p, default=None)

    def _stretch(self, first: int, last: int) -> Stretch | None:
        if self.read is None or first == last:
            return None
        rows = np.arange(first * self.block, last * self.block)
        said = self.said.take(rows)
        forecast = self.model.forecast(said, self.read.take(rows))
        realised = scores.values(said, (self.model.metric,))[self.model.metric]
        bounds, loss = self.model.interval(forecast), scores.loss(self.model.metric, realised, forecast.value)
        if realised is None or forecast.value is None or bounds is None or loss is None:
            return None
        p = _chance_of_surprise(self.model, forecast, forecast.surprise(said))
        return Stretch(self.model.metric, forecast, bounds, forecast.value, realised, loss, p)


def _gap(
    record: _Record, past: tuple[pd.DataFrame, Sample, Sequence[str]], level: float, min_loss: float
) -> Stretch | None:
    """Of the metric or else of its witness, which spend one half of the level each."""
    witness = record.model.witness
    if witness is None:
        return record.gap(level, min_loss)
    return record.gap(level / 2, min_loss) or _Record(witness, past, record.block).gap(level / 2, min_loss)


def _is_good(recent: Stretch) -> bool:
    within = recent.bounds[0] <= recent.realised <= recent.bounds[1]
    return abs(recent.loss) < (NEAR if within else CLOSE)


def _is_learnt(model: ErrorModel, forecast: Forecast) -> bool:
    """Whether the expected loss is more than the error of what was learnt explains, in 39 of 40 cases."""
    moved = float(forecast.ahead.mean()) - forecast.size * model.ahead.mean
    variance = model.scale * float(forecast.variance.mean()) * model.residuals.alike / forecast.moved
    return moved > forecast.size * bands.threshold(bands.P_95) * math.sqrt(variance)


def _chance(model: ErrorModel, forecast: Forecast) -> float:
    """Of so large an expected loss in these rows, when they are drawn from what the holdout was drawn from."""
    moved, n = float(forecast.ahead.mean()) - forecast.size * model.ahead.mean, len(forecast.ahead)
    alike = model.ahead.alike
    return _exceeded(model.ahead, moved, n / alike, model.rows / alike, forecast.ahead, forecast.size)


def _chance_of_surprise(model: ErrorModel, forecast: Forecast, surprise: np.ndarray) -> float:
    """Of losses so far above the expected ones, when these are right but for chance, now and in the holdout."""
    alike, n = model.residuals.alike, len(surprise)
    # On the holdout's scale: where larger losses are expected, larger surprises are.
    stretch = math.sqrt(model.scale * float(forecast.variance.mean()) / max(model.residuals.variance, 1e-300)) or 1.0
    moved = float(surprise.mean()) / stretch
    return _exceeded(model.residuals, moved, n / alike, forecast.learnt / alike, surprise / stretch)


def _exceeded(spread: Spread, moved: float, n: float, m: float, rows: np.ndarray, size: float = 1.0) -> float:
    """The chance that a mean of n rows is as far above `size` times a mean of m.

    The rows' own distribution counts beside the holdout's, which may have seen too few that are far out.
    """
    n, m = max(n, 1.0), max(m, 1.0)
    own = Spread.of(rows)
    share = n / (n + m)
    points = np.concatenate([spread.points, own.points])
    weights = np.concatenate([spread.weights * (1 - share), own.weights * share])
    if not points.any():
        return 1.0 if moved <= 0 else 0.0
    difference, z = bands.mean_curve(points[None], weights[None], np.array([n]), np.array([m]), size)
    return float(ndtr(-np.interp(moved, difference[0], z[0])))


def _sentence(
    found: EstimateResult, recent: Stretch | None, gap: Stretch | None, blocks: int, doubt: str | None
) -> str:
    told = f"{found.metric} {found.value:.4g} estimated without actuals (95 %: {found.low:.4g} to {found.high:.4g})"
    if found.baseline is not None and found.loss is not None:
        word = "worse" if found.loss > 0 else "better"
        told += f", holdout {found.baseline:.4g}: {abs(found.loss):.0%} {word}"
    if gap is not None:
        figures = f"{gap.metric} {gap.realised:.4g} over the newest {gap.n} actuals, {gap.estimated:.4g} estimated"
        return f"{told}; {GAP} ({figures}: {gap.loss:.0%} worse), which the estimate cannot see"
    if recent is None:
        return f"{told}; no alarm without a track record: {blocks} blocks with actuals, at least {FEWEST} are needed"
    blocks = min(blocks, RECENT)
    if found.trusted:
        return "; ".join(filter(None, [told, f"track record good over {blocks} blocks", doubt]))
    apart = f"{recent.realised:.4g} by actuals, {recent.estimated:.4g} estimated"
    return f"{told}; no alarm while its track record is off: {apart} over {blocks} blocks"
