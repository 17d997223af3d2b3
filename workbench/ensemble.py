"""Builds the ensemble a setting describes, fits it member by member with progress, and asks it.

The shape is always a pipeline of `encode` (impute, scale, one-hot) and `vote` (members.py; one of them linear, since
trees cannot extrapolate), unless the setting names a factory of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler
from sklearn.utils.validation import has_fit_parameter

from workbench import members
from workbench.answers import Answers, plain
from workbench.bars import Progress, silent
from workbench.errors import SettingsError
from workbench.features import to_frame
from workbench.functions import import_function
from workbench.records import Label, Schema, Task
from workbench.scores import label_text

# (estimator, X, y, progress, weights) -> fitted, as `fit` does it.
Fit = Callable[..., Any]
RARE = 10


def build(
    kind: str,
    schema: Schema,
    *,
    names: Sequence[str] = members.USUAL,
    seed: int,
    threads: int,
    size: float = 1.0,
) -> BaseEstimator:
    """An unfitted estimator.

    Parameters
    ----------
    kind : "voting" or "module:function"
        A function is called without arguments and returns an estimator that takes the feature frame.
    names : of the members of a vote
    seed : int
        Fixes every random choice of the ensemble.
    threads : int
        Cap for members that can use several.
    size : float
        Share of the usual trees and steps that members have.

    Raises
    ------
    SettingsError
        If the kind is neither, or the function cannot be imported or returns no estimator.
    """
    if kind == "voting":
        vote = members.vote(names, schema.task, seed=seed, threads=threads)
        estimator: Any = Pipeline([("encode", _encoder(schema)), ("vote", vote)])
    else:
        estimator = import_function(kind, "[model] ensemble")()
    if not isinstance(estimator, BaseEstimator):
        raise SettingsError(f"[model] ensemble = {kind!r} returned a {type(estimator).__name__}, not an estimator")
    return estimator if size == 1.0 else members.smaller(estimator, size) or estimator


def _encoder(schema: Schema) -> ColumnTransformer:
    numbers = [f.name for f in schema.features if f.kind != "categorical"]
    texts = [f.name for f in schema.features if f.kind == "categorical"]
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=RARE, sparse_output=False)
    return ColumnTransformer(
        [("numbers", make_pipeline(impute, StandardScaler()), numbers), ("texts", one_hot, texts)],
        sparse_threshold=0,
    )


def takes_weights(estimator: BaseEstimator) -> bool:
    """Whether all that learn in an estimator take a weight for each row."""
    learners = [estimator[-1]] if isinstance(estimator, Pipeline) else [estimator]
    if isinstance(learners[0], VotingRegressor | VotingClassifier):
        learners = [member for _, member in learners[0].estimators]
    return all(has_fit_parameter(learner, "sample_weight") for learner in learners)


def fit(
    estimator: BaseEstimator,
    X: pd.DataFrame,
    y: np.ndarray,
    progress: Progress = silent,
    weights: np.ndarray | None = None,
) -> BaseEstimator:
    """Fit an estimator; a pipeline that ends in a vote is fitted member by member, each a step of progress.

    Parameters
    ----------
    weights : array, shape (n,), optional
        Of the rows, for an estimator that `takes_weights`.

    Returns
    -------
    estimator
        Fitted; answers single rows on one thread, which is fastest for them.
    """
    if not (isinstance(estimator, Pipeline) and isinstance(estimator[-1], VotingRegressor | VotingClassifier)):
        progress("model", 0, 1)
        last = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
        return estimator.fit(X, y, **({} if weights is None else {f"{last}sample_weight": weights}))
    encode, vote = clone(estimator[:-1]), clone(estimator[-1])
    encoded = encode.fit_transform(X, y)
    # A voting classifier numbers the classes for its members and translates back.
    target = LabelEncoder().fit_transform(y) if isinstance(vote, VotingClassifier) else y
    weighted = {} if weights is None else {"sample_weight": weights}
    voters = []
    for done, (name, member) in enumerate(vote.estimators):
        progress(name, done, len(vote.estimators))
        fitted = member.fit(encoded, target, **weighted)
        if "n_jobs" in fitted.get_params():
            fitted.set_params(n_jobs=None)
        voters.append((name, FrozenEstimator(fitted)))
    vote.estimators = voters
    vote.fit(encoded, y)
    progress("model", len(voters), len(voters))
    return Pipeline([*encode.steps, (estimator.steps[-1][0], vote)])


def answer(estimator: Any, schema: Schema, rows: Sequence[Mapping[str, Any]]) -> Answers:
    """What an estimator says to rows, in JSON-ready values."""
    return answer_frame(estimator, schema, to_frame(rows, schema))


def answer_frame(estimator: Any, schema: Schema, frame: pd.DataFrame) -> Answers:
    """As `answer`, for a frame that `features.align` or `features.to_frame` made."""
    if schema.task == "regression":
        values = np.asarray(estimator.predict(frame), dtype=float)
        if not np.isfinite(values).all():
            raise FloatingPointError(f"the model answered {values[~np.isfinite(values)][0]} to a row")
        return Answers([float(v) for v in values])
    classes = [plain(c) for c in estimator.classes_]
    if not hasattr(estimator, "predict_proba"):
        return Answers([plain(v) for v in estimator.predict(frame)], None, classes)
    table = estimator.predict_proba(frame)
    names = [label_text(c) for c in classes]
    probabilities = [dict(zip(names, map(float, row), strict=True)) for row in table]
    # A soft vote predicts its likeliest class; others may have a threshold of their own, so they are asked.
    likeliest = isinstance(estimator, Pipeline) and isinstance(estimator[-1], VotingClassifier)
    predictions = [classes[i] for i in table.argmax(axis=1)] if likeliest else map(plain, estimator.predict(frame))
    return Answers(list(predictions), probabilities, classes)


def ask(estimator: Any, schema: Schema, frame: pd.DataFrame) -> np.ndarray:
    """Values, or probabilities (of the class alone where there are none); array of shape (rows, outputs)."""
    if schema.task == "regression":
        return np.asarray(estimator.predict(frame), dtype=float)[:, None]
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(frame), dtype=float)
    return (np.asarray(estimator.predict(frame))[:, None] == np.asarray(estimator.classes_)[None, :]).astype(float)


def output_column(
    task: Task, predictions: Sequence[Label], probabilities: Sequence[Mapping[str, float] | None] | None
) -> pd.Series:
    """Answers as one column to look at: values, the probability of the last of two classes, or else the class."""
    if task == "regression":
        return pd.Series(predictions, dtype=float, name="prediction")
    if probabilities and all(p is not None and len(p) == 2 for p in probabilities):
        last = list(probabilities[0] or ())[-1]
        return pd.Series([p[last] for p in probabilities if p], dtype=float, name=f"probability of {last}")
    return pd.Series([label_text(p) for p in predictions], dtype=object, name="predicted class")


def disagreement(estimator: Any, frame: pd.DataFrame) -> np.ndarray | None:
    """How far the members of a vote are apart on each row: their standard deviation, averaged over classes.

    Returns
    -------
    array of float, shape (rows,), or None for an estimator without members
    """
    if not (isinstance(estimator, Pipeline) and isinstance(estimator[-1], VotingRegressor | VotingClassifier)):
        return None
    encoded, members = estimator[:-1].transform(frame), estimator[-1].estimators_
    if isinstance(estimator[-1], VotingRegressor):
        return np.std([m.predict(encoded) for m in members], axis=0)
    if not all(hasattr(m, "predict_proba") for m in members):
        return None
    return np.std([m.predict_proba(encoded) for m in members], axis=0).mean(axis=1)


def parameters(estimator: Any) -> dict[str, Any]:
    """Hyper-parameters as text where JSON has no better form; steps and members by their own entries."""
    kept = {}
    for name, value in estimator.get_params().items():
        if isinstance(value, int | float | str | bool) or value is None:
            kept[name] = value
    return kept
