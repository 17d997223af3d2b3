"""Evaluations + settings + now + what was done before -> act or wait, and why; challenger against champion.

Pure: the clock and the history are arguments, so a backtest asks the same questions in simulated time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np

from workbench.evaluation import DataResult, Evaluation
from workbench.records import Decision, Event, GateVerdict, parse_utc
from workbench.settings import RetrainSettings

ATTEMPT = "retrain_started"
TRIGGERS = ("performance", "estimate", "drift", "model", "service")
CONFIDENCE = 0.95
ROUNDS = 400


def decide(
    evaluations: Sequence[Evaluation],
    events: Sequence[Event],
    settings: RetrainSettings,
    *,
    now: datetime,
    new_rows: int,
    running: bool = False,
    hold: str | None = None,
) -> Decision:
    """Whether to retrain now.

    Parameters
    ----------
    evaluations : of the live version, oldest first
    events : all kept events, oldest first; the attempts among them are counted
    new_rows : int
        Actuals that arrived since the last attempt.
    running : bool
        Whether a retrain is under way.
    hold : str, optional
        Why people told the automation to do nothing.

    Returns
    -------
    Decision
        `action` "retrain" or "wait", with the reason in words.
    """
    trigger, why = _alarm(evaluations, settings.checks_in_a_row)
    if trigger is None:
        return Decision(action="wait", reason=_broken(evaluations) or why)
    refusal = hold or _broken(evaluations) or _refusal(events, settings, now, new_rows, running)
    if refusal:
        return Decision(action="wait", reason=why, trigger=trigger, refusal=refusal)
    return Decision(action="retrain", reason=why, trigger=trigger)


def _alarm(evaluations: Sequence[Evaluation], in_a_row: int) -> tuple[str | None, str]:
    """The first alarm that stood in the last `in_a_row` checks; or why there is none."""
    if not evaluations:
        return None, "no check of the live version yet"
    for name in TRIGGERS:
        streak = 0
        for evaluation in reversed(evaluations):
            if name not in evaluation.alarms:
                break
            streak += 1
        if streak >= in_a_row:
            return name, f"{name}: {evaluations[-1].alarms[name]}"
        if streak:
            return None, f"suspected: {name} in alarm in {streak} of {in_a_row} checks in a row"
    return None, "nothing in alarm"


def _broken(evaluations: Sequence[Evaluation]) -> str | None:
    """Nothing good is learnt from broken data."""
    data = evaluations[-1].data if evaluations else DataResult(state="insufficient", sentence="")
    return f"the data are broken: {data.sentence}" if data.state == "broken" else None


def _refusal(
    events: Sequence[Event], settings: RetrainSettings, now: datetime, new_rows: int, running: bool
) -> str | None:
    if not settings.automatic:
        return "automatic retraining is off ([retrain] automatic)"
    if running:
        return "a retrain is under way"
    attempts = [parse_utc(e.recorded_at) for e in events if e.kind == ATTEMPT]
    if attempts and now < attempts[-1] + timedelta(seconds=settings.cooldown_s):
        until = attempts[-1] + timedelta(seconds=settings.cooldown_s)
        return f"cooling down until {until:%Y-%m-%d %H:%M:%SZ}"
    today = [a for a in attempts if a > now - timedelta(days=1)]
    if len(today) >= settings.max_attempts_a_day:
        return f"{len(today)} attempts in the last 24 hours, {settings.max_attempts_a_day} are allowed"
    if new_rows < settings.min_new_rows:
        return f"fewer than {settings.min_new_rows} new labelled predictions to learn from"
    return None


def gate(
    advantage: Callable[[np.ndarray], float],
    n: int,
    *,
    metric: str,
    min_rows: int,
    margin: float,
    seed: int,
    block_rows: int | None = None,
) -> GateVerdict:
    """Is the challenger better than the champion on the same rows?

    Paired bootstrap over blocks of rows that are neighbours in event time (moving blocks), since errors of the same
    hour or day go together (Kuensch 1989).

    Parameters
    ----------
    advantage : callable, array of int (k,) -> float
        How much better the challenger is in the metric on these rows (of 0..n-1, with repetition), positive is better.
    n : int
        Rows on which both were asked.
    min_rows : int
        Fewer rows than this cannot tell.
    margin : float
        How much better it must be at least, in units of the metric.
    seed : int
    block_rows : int, optional
        Default: twice the cube root of n, at least 10.

    Returns
    -------
    GateVerdict
        better: the whole 95 % interval lies above the margin; not worse: it lies above 0 but not above the margin;
        worse: the whole interval lies below 0; else cannot tell.
    """
    if n < min_rows:
        sentence = f"cannot tell: {n} rows to compare on, {min_rows} are needed"
        return GateVerdict(verdict="cannot tell", metric=metric, rows=n, sentence=sentence)
    size = min(block_rows or max(10, round(2 * n ** (1 / 3))), n)
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, n - size + 1, size=(ROUNDS, -(-n // size)))
    offsets = np.arange(size)
    rounds = np.array([advantage((row[:, None] + offsets).ravel()[:n]) for row in starts])
    value = advantage(np.arange(n))
    low, high = (float(q) for q in np.nanquantile(rounds, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    if low > margin:
        verdict = "better"
    elif high < 0:
        verdict = "worse"
    elif low >= 0:
        verdict = "not worse"
    else:
        verdict = "cannot tell"
    sentence = (
        f"{verdict}: {metric} {value:+.4g} in the challenger's favour over {n} rows (95 %: {low:+.4g} to {high:+.4g})"
    )
    return GateVerdict(
        verdict=verdict,  # type: ignore[arg-type]
        metric=metric,
        rows=n,
        sentence=sentence,
        advantage=float(value),
        low=low,
        high=high,
    )
