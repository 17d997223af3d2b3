"""What classification metrics are, and what each row adds to them, where chances of classes stand in for actuals.

Every row counts as each class with its chance; with chances of 0 and 1 all is as scores.py and row_losses.py have it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.row_losses import row_losses
from workbench.scores import Sample

SHARES_OF_CLASSES = ("precision", "recall", "f1")
# Below so many expected rows of a class, what it is hit with says nothing.
LEAST_WEIGHT = 1e-9


@dataclass(frozen=True)
class Ranking:
    """One class's ROC AUC, and what to rank a row's probability among: (ascending, weights up to each) of others."""

    area: float
    share: float
    ordered: np.ndarray
    ups: np.ndarray
    downs: np.ndarray


@dataclass(frozen=True)
class Terms:
    """What makes a metric a mean over rows: constants of shares by class, rankings by class; empty for plain means."""

    shares: dict[str, tuple[float, float]]
    rankings: dict[str, Ranking]


def terms(said: Sample, metric: str, chances: np.ndarray) -> Terms:
    """Of these rows.

    Parameters
    ----------
    said : answers; its actuals are not looked at
    chances : shape (n, classes)
        How probable each class is as the actual.
    """
    counted = _counted(said, chances)
    shares, rankings = {}, {}
    for c in counted:
        if metric in SHARES_OF_CLASSES:
            true, is_said = chances[:, c], (said.y_pred == c).astype(float)
            hit = true * is_said
            above, below = {
                "precision": (hit, is_said),
                "recall": (hit, true),
                "f1": (2 * hit, true + is_said),
            }[metric]
            total = float(below.mean())
            shares[said.classes[c]] = (float(above.mean() / total) if total else 0.0, total)
        elif metric == "roc_auc" and said.chances is not None:
            ranking = _ranking(said.chances[:, c], chances[:, c])
            if ranking is not None:
                rankings[said.classes[c]] = ranking
    return Terms(shares, rankings)


def row_terms(said: Sample, metric: str, at: Terms) -> np.ndarray:
    """What each row would add to the loss as each class; shape (n, classes).

    The mean over rows of what their classes add is larger exactly if the metric is worse than `at`; of ROC AUC to first
    order (the influence function).
    """
    n, k = len(said), len(said.classes)
    if metric == "roc_auc":
        return _row_areas(said, at)
    found = np.zeros((n, k))
    for c in range(k):
        lost = row_losses(Sample(said.task, np.full(n, c), said.y_pred, said.classes, said.chances), metric, at.shares)
        assert lost is not None, metric
        found[:, c] = lost
    return found


def value(said: Sample, metric: str, chances: np.ndarray, at: Terms) -> float | None:
    """The metric that is expected of these rows, with `at` their own terms; None where it is undefined."""
    if not len(said):
        return None
    if metric in SHARES_OF_CLASSES:
        return float(np.mean([share for share, _ in at.shares.values()])) if at.shares else None
    if metric == "roc_auc":
        return float(np.mean([ranking.area for ranking in at.rankings.values()])) if at.rankings else None
    lost = float((row_terms(said, metric, at) * chances).sum(1).mean())
    return 1 - lost if metric == "accuracy" else lost


def weight(here: Terms, there: Terms) -> float:
    """As row_losses.weight has it: how large the denominators of shares are here, as a multiple of those there."""
    found = [here.shares[c][1] / total if c in here.shares else 0.0 for c, (_, total) in there.shares.items() if total]
    return float(np.mean(found)) if found else 1.0


def _counted(said: Sample, chances: np.ndarray) -> list[int]:
    """The classes that metrics are of: the last of two, else all that are said or expected."""
    k = len(said.classes)
    if k <= 2:
        return [k - 1]
    expected = chances.sum(0) > LEAST_WEIGHT
    return [c for c in range(k) if expected[c] or (said.y_pred == c).any()]


def _ranking(score: np.ndarray, positive: np.ndarray) -> Ranking | None:
    share = float(positive.mean())
    if not LEAST_WEIGHT < share < 1 - LEAST_WEIGHT:
        return None
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    ups, downs = (np.concatenate([[0.0], np.cumsum(w[order]) / w.sum()]) for w in (positive, 1 - positive))
    found = Ranking(math.nan, share, ordered, ups, downs)
    below = _below(found, score, found.downs)
    return Ranking(float((below * positive).sum() / positive.sum()), share, ordered, ups, downs)


def _below(ranking: Ranking, score: np.ndarray, up_to: np.ndarray) -> np.ndarray:
    """The weight of what has a smaller score, ties by half."""
    left, right = (np.searchsorted(ranking.ordered, score, side) for side in ("left", "right"))
    return (up_to[left] + up_to[right]) / 2


def _row_areas(said: Sample, at: Terms) -> np.ndarray:
    """As row_losses.influence has it (DeLong et al. 1988), for each class a row could be."""
    assert said.chances is not None
    n, k = len(said), len(said.classes)
    total = np.zeros((n, k))
    for name, ranking in at.rankings.items():
        if name not in said.classes:
            continue
        c = said.classes.index(name)
        score = said.chances[:, c]
        as_up = (ranking.area - _below(ranking, score, ranking.downs)) / ranking.share
        as_down = (ranking.area - 1 + _below(ranking, score, ranking.ups)) / (1 - ranking.share)
        for other in range(k):
            total[:, other] += as_up if other == c else as_down
    return total / max(len(at.rankings), 1)
