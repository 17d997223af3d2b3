"""The model of a model's error: what a row's inputs and its answer say of the loss it will have.

Learnt on the holdout, from which the version has not learnt. Numbers: a ridge on the size of the error and small trees
on what that leaves, so that it extrapolates a little. Classes: the probabilities, calibrated. Out of fold, in
contiguous folds of event time, it measures its own residuals and how they depend on each other. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from workbench import learners, soft_scores
from workbench.autocorrelation import dependence
from workbench.learners import Ask, Inputs
from workbench.profiles import moments, support
from workbench.records import Schema, Task
from workbench.row_losses import interval, row_losses
from workbench.scores import Sample, values
from workbench.soft_scores import Terms

LEAST_HOLDOUT = 100
FOLDS = 5
# Rows' worth of doubt in every direction of the inputs, where the error of what was learnt is told.
PRIOR = 10.0
# A short holdout tells too little of how its rows depend on each other: simulated, by this factor.
MARGIN = 1.25
REGRESSION = ("mae", "mse", "rmse")
CLASSIFICATION = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier")
# What shows a changed relation sooner than shares and squares do: each row counts, and none for much.
WITNESS = {"regression": "mae", "classification": "log_loss"}


def estimated(task: Task, metric: str) -> str:
    """Which metric is estimated where this one decides.

    >>> estimated("regression", "rmse"), estimated("regression", "r2"), estimated("classification", "f1")
    ('rmse', 'mae', 'f1')
    """
    known, usual = (REGRESSION, "mae") if task == "regression" else (CLASSIFICATION, "accuracy")
    return metric if metric in known else usual


@dataclass(frozen=True)
class Read:
    """What is said of some rows: expected losses or chances of the classes, and inputs as numbers; `refits` has the
    expected losses by each refit, shape (n, folds)."""

    told: np.ndarray
    columns: np.ndarray
    refits: np.ndarray

    def take(self, rows: np.ndarray) -> Read:
        return Read(self.told[rows], self.columns[rows], self.refits[rows])


@dataclass(frozen=True)
class Forecast:
    """What is expected of some rows: their metric, and each row's loss.

    `variance` is that of each row's loss, `losses` what the row would lose as each class, shape (n, classes). `ahead`
    has the expected losses on the holdout's terms: their mean is larger than the holdout's where the metric is worse,
    by so much times `size`: how large the denominators of shares are here, as a multiple of the holdout's. `learnt` is
    how many rows of the holdout the level of the loss was learnt from, in effect, and `moved` the same of the
    difference to the holdout's level: few where the inputs are far from the holdout's. `shaken` is how much the mean of
    the expected losses varies with what was learnt from, by the jackknife over folds; of classes it is not taken.
    """

    metric: str
    value: float | None
    expected: np.ndarray
    variance: np.ndarray
    ahead: np.ndarray
    learnt: float
    moved: float
    losses: np.ndarray | None = None
    size: float = 1.0
    shaken: float = 0.0

    def surprise(self, said: Sample) -> np.ndarray:
        """How much more than expected each row lost by its actual; shape (n,)."""
        if self.losses is not None:
            return self.losses[np.arange(len(said)), said.y_true] - self.expected
        return _lost(said, self.metric) - self.expected


@dataclass(frozen=True)
class Spread:
    """How a quantity varied over the holdout: mean, points and weights around it, rows worth one independent row."""

    mean: float
    variance: float
    points: np.ndarray
    weights: np.ndarray
    alike: float

    @classmethod
    def of(cls, series: np.ndarray) -> Spread:
        ordered = np.sort(series)
        mean, std = moments(ordered)
        points, weights = support(ordered, mean, std)
        return cls(mean, std**2, points - mean, weights, 1 + MARGIN * (dependence(series) - 1))


class ErrorModel:
    """Estimates one metric of a version's answers; learnt from inputs, answers and actuals of its holdout.

    Attributes
    ----------
    metric : str
    baseline : float or None
        What the metric was on the holdout.
    rows : int
    residuals, ahead : Spread
        Of what actual losses were beyond the expected ones, out of fold; and of the expected ones.
    scale : float
        The squared residual as a multiple of the variance that was expected.
    refits : sequence of Ask
        Learnt without one fold each; none of classes, whose chances are too simple a model to be unsteady.
    witness : ErrorModel or None
        Of the same answers, where another metric shows sooner that their relation to the target has changed.
    """

    refits: Sequence[Ask] = ()
    witness: ErrorModel | None = None

    def __init__(self, frame: pd.DataFrame, said: Sample, metric: str, schema: Schema) -> None:
        self.metric, self.rows, self.classes = metric, len(said), said.classes
        self.by_chances = said.chances is not None
        self.baseline = values(said, (metric,))[metric]
        self.inputs, self.answers = Inputs(frame, schema), learners.scaling(said.y_pred.astype(float))
        columns = self._columns(frame, said)
        self.middle = columns.mean(0)
        columns = columns - self.middle
        self.doubt = np.linalg.inv(columns.T @ columns + PRIOR * np.eye(columns.shape[1]))
        folds, target = learners.folds(len(said), FOLDS), self._target(said)
        fit = self._learner(columns, target, folds)
        self.ask: Ask = fit(columns, target)
        told = self.ask(columns)
        self.terms = soft_scores.terms(said, metric, told) if self.by_chances else Terms({}, {})
        apart = np.empty_like(told)
        refits = [fit(columns[rest], target[rest]) for rest, _ in folds]
        for ask, (_, fold) in zip(refits, folds, strict=True):
            apart[fold] = ask(columns[fold])
        none = np.empty((len(said), 0))
        held = self.forecast(said, Read(apart, columns, none))
        residual = held.surprise(said)
        self.residuals, self.ahead = Spread.of(residual), Spread.of(held.ahead)
        # Out of fold for how they vary, but around what the model that is asked expects.
        self.ahead = replace(self.ahead, mean=float(self.forecast(said, Read(told, columns, none)).ahead.mean()))
        self.refits = () if self.by_chances else refits
        self.scale = float((residual**2).mean() / max(held.variance.mean(), 1e-300))

    def knows(self, said: Sample) -> bool:
        """Whether the answers carry what this was learnt from: probabilities, or none."""
        return not self.by_chances or said.chances is not None

    def read(self, frame: pd.DataFrame, said: Sample) -> Read:
        """Ask the model and its refits, of each row once."""
        columns = self._columns(frame, said) - self.middle
        refits = np.column_stack([ask(columns) for ask in self.refits]) if self.refits else np.empty((len(said), 0))
        return Read(self.ask(columns), columns, refits)

    def forecast(self, said: Sample, read: Read) -> Forecast:
        """What is expected of rows that were read, or of some of them; of at least one. Actuals are not looked at."""
        told, columns = read.told, read.columns
        away = columns.mean(0)
        far = float(away @ self.doubt @ away)
        learnt, moved = 1 / (1 / self.rows + far), 1 / max(far, 1e-12)
        if not self.by_chances:
            mean = float(told.mean())
            level = {"rmse": math.sqrt(mean), "accuracy": 1 - mean}.get(self.metric, mean)
            spread = told * (1 - told) if self.classes else told**2
            return Forecast(self.metric, level, told, spread, told, learnt, moved, shaken=_shaken(read.refits))
        chances = self._of_classes(told, said.classes)
        own = soft_scores.terms(said, self.metric, chances)
        losses = soft_scores.row_terms(said, self.metric, own)
        expected = (losses * chances).sum(1)
        variance = (losses**2 * chances).sum(1) - expected**2
        ahead = (soft_scores.row_terms(said, self.metric, self.terms) * chances).sum(1)
        value = soft_scores.value(said, self.metric, chances, own)
        size = soft_scores.weight(own, self.terms)
        return Forecast(self.metric, value, expected, variance, ahead, learnt, moved, losses, size)

    def interval(self, forecast: Forecast) -> tuple[float, float] | None:
        """In which actuals will find the metric with 95 %: by the luck of its rows, and of the holdout's."""
        n = len(forecast.expected)
        row = self.scale * float(forecast.variance.mean()) * self.residuals.alike
        error = math.sqrt(row / n + max(row / forecast.learnt, forecast.shaken))
        if self.metric == "rmse" and forecast.value:
            error /= 2 * forecast.value
        return interval(self.metric, forecast.value, error, n)

    def _columns(self, frame: pd.DataFrame, said: Sample) -> np.ndarray:
        return np.column_stack([self._answered(said), self.inputs.columns(frame)])

    def _answered(self, said: Sample) -> np.ndarray:
        """The answers as numbers; of probabilities the logarithms, but one that follows from the others."""
        if not self.classes:
            return self.answers.columns(said.y_pred)[:, :1]
        if not self.by_chances:
            return (np.array(said.classes)[said.y_pred][:, None] == np.array(self.classes)).astype(float)
        assert said.chances is not None
        logs = np.log(self._of_named(said.chances, said.classes).clip(1e-4, 1.0))
        return (logs - logs.mean(1, keepdims=True))[:, 1:]

    def _of_named(self, table: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """The columns of the holdout's classes; 0 for what the table does not have."""
        return _renamed(table, names, self.classes)

    def _of_classes(self, table: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        return _renamed(table, self.classes, names)

    def _target(self, said: Sample) -> np.ndarray:
        return said.y_true if self.by_chances else _lost(said, self.metric)

    def _learner(
        self, columns: np.ndarray, target: np.ndarray, folds: learners.Folds
    ) -> Callable[[np.ndarray, np.ndarray], Ask]:
        if not self.by_chances:
            return partial(learners.Losses, most=1.0 if self.classes else math.inf)
        k = len(self.classes)
        return learners.calibration(columns, target, folds, classes=k, certain=k - 1)


def learn(frame: pd.DataFrame, said: Sample, metric: str, schema: Schema) -> ErrorModel | None:
    """Learn the error of a version on its holdout.

    Parameters
    ----------
    frame : DataFrame, shape (n, features)
        As `features.align` gives it, in event time.
    said : its answers and actuals
        Classes without probabilities: how often an answer is wrong is learnt, and the accuracy estimated.
    metric : str
        As `estimated` gives it.

    Returns
    -------
    ErrorModel, or None where the holdout is too small, its actuals are all of one class, or the metric is undefined
    """
    from threadpoolctl import threadpool_limits

    if said.task == "classification" and said.chances is None:
        metric = "accuracy"
    kinds = len(np.unique(said.y_true)) if said.task == "classification" else 2
    if len(said) < LEAST_HOLDOUT or kinds < 2 or values(said, (metric,))[metric] is None:
        return None
    # On a busy machine, threads that wait for each other are many times slower than one.
    with threadpool_limits(1):
        model = ErrorModel(frame, said, metric, schema)
        witness = WITNESS[said.task]
        if witness != metric and (said.task == "regression" or said.chances is not None):
            model.witness = ErrorModel(frame, said, witness, schema)
            # Its gap is judged row by row; nobody asks for its interval.
            model.witness.refits = ()
    return model


def _shaken(refits: np.ndarray) -> float:
    """The variance of the mean expected loss: the jackknife over folds (Tukey 1958), whose rows are neighbours."""
    means = refits.mean(0)
    return float((len(means) - 1) * means.var()) if len(means) else 0.0


def _lost(said: Sample, metric: str) -> np.ndarray:
    lost = row_losses(said, metric, {})
    assert lost is not None, metric
    return lost


def _renamed(table: np.ndarray, names: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    found = np.zeros((len(table), len(wanted)))
    for i, name in enumerate(wanted):
        if name in names:
            found[:, i] = table[:, names.index(name)]
    return found
