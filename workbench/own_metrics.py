"""One's own metrics, by the name of a scikit-learn scorer ("neg_median_absolute_error") or as "module:function".

A function takes (y_true, y_pred) and returns a number; or it is a scorer, as `sklearn.metrics.make_scorer` gives it.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

import numpy as np

from workbench.errors import SettingsError
from workbench.functions import import_function

log = logging.getLogger(__name__)
LOWER_IS_BETTER = ("_error", "_loss", "_deviance")
SETTING = "[performance] own"


def higher_is_better(name: str) -> bool:
    """By scikit-learn's convention: a scorer's value is better the higher; so is a function's, unless its name ends in
    _error, _loss or _deviance.

    >>> higher_is_better("neg_max_error"), higher_is_better("shop:late_loss")
    (True, False)
    """
    return ":" not in name or not name.endswith(LOWER_IS_BETTER)


@lru_cache(maxsize=100)
def resolve(name: str) -> Any:
    """What a name stands for: a scikit-learn scorer, or a function of (y_true, y_pred).

    Raises
    ------
    SettingsError
        If there is no such scorer, or the function cannot be imported.
    """
    if ":" in name:
        return import_function(name, SETTING)
    from sklearn.metrics import get_scorer

    try:
        return get_scorer(name)
    except ValueError as error:
        raise SettingsError(
            f"{SETTING} names {name!r}, which is no scikit-learn scorer "
            f"(`sklearn.metrics.get_scorer_names()` lists them) and no module:function"
        ) from error


def value(
    name: str,
    y_true: np.ndarray,
    y_pred: np.ndarray,
    chances: np.ndarray | None = None,
    classes: np.ndarray | None = None,
) -> float:
    """One's own metric of answers that were given already.

    Parameters
    ----------
    name : str
        As `resolve` takes it.
    y_true, y_pred : array, shape (n,)
    chances : array, shape (n, classes), optional
        For scorers that look at probabilities.
    classes : array, shape (classes,), for classification

    Returns
    -------
    float
        NaN where the metric is undefined on these rows.
    """
    found = resolve(name)
    try:
        if hasattr(found, "_score_func"):
            return float(found(_recorded(y_pred, chances, classes), np.arange(len(y_true)), y_true))
        return float(found(y_true, y_pred))
    except (ValueError, ZeroDivisionError, AttributeError) as error:
        # What scikit-learn raises for a metric that these rows (one class alone, no probabilities) do not define.
        log.info("%s is undefined over %d rows: %s", name, len(y_true), error)
        return float("nan")


def _recorded(y_pred: np.ndarray, chances: np.ndarray | None, classes: np.ndarray | None) -> Any:
    """An estimator, as scorers want one, that repeats what was answered to row number x."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    kind: Any = RegressorMixin if classes is None else ClassifierMixin

    class Recorded(kind, BaseEstimator):
        classes_ = classes

        def predict(self, rows: np.ndarray) -> np.ndarray:
            return y_pred[rows]

        if chances is not None:

            def predict_proba(self, rows: np.ndarray) -> np.ndarray:
                assert chances is not None
                return chances[rows]

    return Recorded()
