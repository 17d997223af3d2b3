"""What lost performance has cost since it began, beside what an attempt may cost: worth it, or wait a little.

Going on as it is costs the loss, prediction by prediction; an attempt costs labelled rows, a machine's time and a
switch. Who pays the one until it has come to as much as the other never pays more than twice what hindsight would have
(the ski rental problem: Karlin, Manasse, Rudolph and Sleator 1988). A large loss is answered at once, a small one that
soon passes never.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile
from math import inf

from workbench.evaluation import Evaluation
from workbench.performance_result import decide


def not_yet(evaluations: Sequence[Evaluation], price: float, last_attempt: str | None = None) -> str | None:
    """Why lost performance is no reason for an attempt yet; None if it is one, or is not in alarm.

    Parameters
    ----------
    evaluations : of the live version, oldest first
    price : float
        What an attempt costs, in the unit of `cost`.
    last_attempt : ISO text, optional
    """
    if not evaluations or "performance" not in evaluations[-1].alarms:
        return None
    if evaluations[-1].performance.passed:
        return "the newest rows, by which a challenger would be judged, show it no more"
    lost = cost(evaluations, last_attempt)
    if lost >= price:
        return None
    return f"it has cost as much as {lost:.0f} predictions twice as bad as the holdout's, an attempt costs {price:g}"


def cost(evaluations: Sequence[Evaluation], last_attempt: str | None = None) -> float:
    """What the loss in alarm has cost, in predictions: 100 of them a quarter worse than the holdout cost 25.

    Parameters
    ----------
    evaluations : of the live version, oldest first
    last_attempt : ISO text, optional
        What was lost before it was weighed then.
    """
    run = list(takewhile(lambda e: _loss(e) is not None, reversed(evaluations)))[::-1]
    since = last_attempt or ""
    lost = sum(
        # The count of a full history grows no more: then the rows that show the loss.
        (_loss(after) or 0.0) * (max(_labelled(after) - _labelled(before), 0) or _shown(after))
        for before, after in pairwise(run)
        if after.recorded_at > since
    )
    # What alarmed first had been lost by then: in the rows that showed it.
    if run and run[0].recorded_at > since:
        lost += (_loss(run[0]) or 0.0) * _shown(run[0])
    return lost


def _loss(evaluation: Evaluation) -> float | None:
    if "performance" not in evaluation.alarms:
        return None
    judged = evaluation.performance.judged
    # A record of an older release tells no loss: nothing is waited for.
    return max(decide(judged).loss or 0.0, 0.0) if judged else inf


def _shown(evaluation: Evaluation) -> int:
    """The rows that the loss shows in."""
    judged = evaluation.performance.judged
    return decide(judged).rows if judged else 1


def _labelled(evaluation: Evaluation) -> int:
    labels = evaluation.performance.labels
    return labels.labelled if labels else 0
