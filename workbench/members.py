"""The members of a vote, by name or as one's own; and how they are made smaller where answers must come sooner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge

from workbench.errors import SettingsError
from workbench.functions import import_function
from workbench.records import Task

USUAL = ("linear", "forest", "boosting")
KNOWN = ("linear", "forest", "extra_trees", "gradient_boosting", "boosting")
# What the time of an answer grows with.
SIZES = ("n_estimators", "max_iter")
SMALLEST = 5


def vote(names: Sequence[str], task: Task, *, seed: int, threads: int) -> BaseEstimator:
    """An unfitted vote of members.

    Parameters
    ----------
    names : of `KNOWN`, or "module:function" returning an estimator that takes an array without missing values
    seed : int
        Fixes every random choice.
    threads : int
        Cap for members that can use several.

    Raises
    ------
    SettingsError
        If a name is neither, comes twice, or its function returns no estimator of the task.
    """
    if len(set(names)) < len(names):
        raise SettingsError(f"[model] members names one twice: {', '.join(names)}")
    members = [(name.replace(":", "_").replace(".", "_"), _member(name, task, seed, threads)) for name in names]
    # A soft vote averages probabilities, which a member of one's own may not have.
    soft = all(hasattr(member, "predict_proba") for _, member in members)
    if task == "regression":
        return VotingRegressor(members)
    return VotingClassifier(members, voting="soft" if soft else "hard")


def _member(name: str, task: Task, seed: int, threads: int) -> BaseEstimator:
    if ":" in name:
        member = import_function(name, "[model] members")()
        if not isinstance(member, BaseEstimator) or is_classifier(member) != (task == "classification"):
            raise SettingsError(f"[model] members = {name!r} returned a {type(member).__name__}, no {task} estimator")
        return member
    if name not in KNOWN:
        raise SettingsError(f"[model] members = {name!r} is none of {', '.join(KNOWN)}, nor module:function")
    trees: dict[str, Any] = {"n_estimators": 60, "min_samples_leaf": 3, "random_state": seed, "n_jobs": threads}
    steps: dict[str, Any] = {"max_iter": 150, "learning_rate": 0.08, "random_state": seed}
    grown: dict[str, Any] = {"n_estimators": 100, "random_state": seed}
    if task == "regression":
        return {
            "linear": lambda: Ridge(alpha=1.0),
            "forest": lambda: RandomForestRegressor(max_features=0.4, **trees),
            "extra_trees": lambda: ExtraTreesRegressor(max_features=0.4, **trees),
            "gradient_boosting": lambda: GradientBoostingRegressor(**grown),
            "boosting": lambda: HistGradientBoostingRegressor(**steps),
        }[name]()
    # Balanced where it can be, so that a rare class is not simply never predicted at the usual threshold of 1/2.
    return {
        "linear": lambda: LogisticRegression(class_weight="balanced", max_iter=2_000),
        "forest": lambda: RandomForestClassifier(class_weight="balanced_subsample", **trees),
        "extra_trees": lambda: ExtraTreesClassifier(class_weight="balanced_subsample", **trees),
        "gradient_boosting": lambda: GradientBoostingClassifier(**grown),
        "boosting": lambda: HistGradientBoostingClassifier(class_weight="balanced", **steps),
    }[name]()


def smaller(estimator: BaseEstimator, share: float = 0.5) -> BaseEstimator | None:
    """The same, unfitted, with a share of the trees or steps in every member; None where nothing is left to cut."""
    sizes = {
        name: max(SMALLEST, int(value * share))
        for name, value in estimator.get_params().items()
        # The iterations of a solver are no size: its answers take as long after ten as after a thousand.
        if name.rpartition("__")[2] in SIZES and isinstance(value, int) and value > SMALLEST and _grows(estimator, name)
    }
    return clone(estimator).set_params(**sizes) if sizes else None


def _grows(estimator: BaseEstimator, name: str) -> bool:
    owner, _, size = name.rpartition("__")
    part = estimator.get_params()[owner] if owner else estimator
    return size == "n_estimators" or "Boosting" in type(part).__name__
