"""How good is the model, where actuals have arrived? Regression and classification.

Pure functions on arrays; the metrics are scikit-learn's, imported when first needed so that a reader of stored
evaluations does not pay for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from workbench.evaluation import PerformanceResult, Score
from workbench.records import METRICS, Task

HIGHER_IS_BETTER = {
    "mse": False,
    "rmse": False,
    "mae": False,
    "r2": True,
    "accuracy": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "roc_auc": True,
}


def scores(
    task: Task,
    y_true: Sequence[Any] | np.ndarray,
    y_pred: Sequence[Any] | np.ndarray,
    probabilities: Sequence[Mapping[str, float] | None] | None = None,
    only: str | None = None,
) -> dict[str, float | None]:
    """Metrics of predictions against actuals.

    Parameters
    ----------
    task : "regression" or "classification"
    y_true, y_pred : array-like, shape (n,)
    probabilities : sequence of {class: probability}, optional
        For ROC AUC; keyed by the classes as text.
    only : str, optional
        Just this metric.

    Returns
    -------
    dict
        Regression: mse, rmse, mae, r2. Classification: accuracy, precision, recall, f1, roc_auc; of the last class in
        sorted order where there are two, else averaged over classes (macro, one against the rest). None where a
        metric is undefined: no rows, or r2 and ROC AUC without at least two different actuals.

    Examples
    --------
    >>> scores("regression", [1.0, 2.0, 4.0], [1.0, 3.0, 4.0])["rmse"] ** 2 == 1 / 3
    True
    """
    names = METRICS[task] if only is None else (only,)
    if len(y_true) == 0:
        return dict.fromkeys(names)
    if task == "regression":
        return _regression(np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float), names)
    return _classification([label_text(v) for v in y_true], [label_text(v) for v in y_pred], probabilities, names)


def _regression(y_true: np.ndarray, y_pred: np.ndarray, names: Sequence[str]) -> dict[str, float | None]:
    from sklearn import metrics

    functions: dict[str, Callable[[], float | None]] = {
        "mse": lambda: metrics.mean_squared_error(y_true, y_pred),
        "rmse": lambda: metrics.root_mean_squared_error(y_true, y_pred),
        "mae": lambda: metrics.mean_absolute_error(y_true, y_pred),
        "r2": lambda: metrics.r2_score(y_true, y_pred) if len(np.unique(y_true)) > 1 else None,
    }
    return {name: _finite(functions[name]()) for name in names}


def _classification(
    y_true: list[str],
    y_pred: list[str],
    probabilities: Sequence[Mapping[str, float] | None] | None,
    names: Sequence[str],
) -> dict[str, float | None]:
    from sklearn import metrics

    known = set(next((p for p in probabilities or () if p), ()))
    classes = sorted({*y_true, *y_pred, *known}, key=_natural)
    how: dict[str, Any] = {"zero_division": 0}
    # Two classes have a positive one; more are averaged, each counting the same.
    how |= {"pos_label": classes[-1], "average": "binary"} if len(classes) <= 2 else {"average": "macro"}
    functions: dict[str, Callable[[], float | None]] = {
        "accuracy": lambda: metrics.accuracy_score(y_true, y_pred),
        "precision": lambda: metrics.precision_score(y_true, y_pred, **how),
        "recall": lambda: metrics.recall_score(y_true, y_pred, **how),
        "f1": lambda: metrics.f1_score(y_true, y_pred, **how),
        "roc_auc": lambda: _roc_auc(y_true, probabilities, classes),
    }
    return {name: _finite(functions[name]()) for name in names}


def _roc_auc(
    y_true: list[str],
    probabilities: Sequence[Mapping[str, float] | None] | None,
    classes: list[str],
) -> float | None:
    from sklearn import metrics

    present = set(y_true)
    if not probabilities or any(p is None for p in probabilities) or len(present) < 2:
        return None
    if len(classes) == 2:
        positive = classes[-1]
        points = [p.get(positive, 0.0) for p in probabilities if p is not None]
        return metrics.roc_auc_score([y == positive for y in y_true], points)
    if present != set(classes):
        return None
    labels = sorted(classes)
    table = np.array([[p.get(c, 0.0) for c in labels] for p in probabilities if p is not None])
    return metrics.roc_auc_score(y_true, table, multi_class="ovr", labels=labels)


def loss(metric: str, value: float | None, baseline: float | None) -> float | None:
    """How much worse `value` is than `baseline`, as a share of the baseline; negative where it is better.

    >>> round(loss("mae", 12.0, 8.0), 3), round(loss("f1", 0.3, 0.4), 3)
    (0.5, 0.25)
    """
    if value is None or baseline is None or not baseline:
        return None
    worse = (baseline - value) if HIGHER_IS_BETTER[metric] else (value - baseline)
    return worse / abs(baseline)


def judge(
    current: Mapping[str, float | None],
    baseline: Mapping[str, float | None],
    *,
    metric: str,
    n: int,
    labelled: int,
    min_rows: int,
    max_loss: float,
    by_version: tuple[Score, ...] = (),
    over_time: tuple[Score, ...] = (),
) -> PerformanceResult:
    """The window's metrics against the version's own holdout.

    Parameters
    ----------
    current, baseline : metrics by name
        Of the window's labelled predictions, and of the version's holdout.
    metric : str
        The one that decides.
    n, labelled : int
        Predictions of the version in the window, and those of them that have an actual.
    min_rows : int
        Below this many actuals the verdict is `insufficient`.
    max_loss : float
        As a share of the baseline; more than this is an alarm.
    """
    lost = loss(metric, current.get(metric), baseline.get(metric))
    result = PerformanceResult(
        state="ok",
        sentence="",
        metric=metric,
        n=n,
        labelled=labelled,
        metrics=dict(current),
        baseline=dict(baseline),
        loss=lost,
        by_version=by_version,
        over_time=over_time,
    )
    if labelled < min_rows:
        return _with(
            result,
            "insufficient",
            f"insufficient: {labelled} actuals of {n} predictions, {min_rows} needed",
        )
    if lost is None:
        return _with(result, "insufficient", f"{metric} is undefined here or on the holdout")
    figures = f"{metric} {current[metric]:.4g} over {labelled} actuals, holdout {baseline[metric]:.4g}"
    word = "worse" if lost > 0 else "better"
    sentence = f"{figures} ({abs(lost):.0%} {word}; {max_loss:.0%} worse is too much)"
    return _with(result, "alarm" if lost > max_loss else "ok", sentence)


def _with(result: PerformanceResult, state: Any, sentence: str) -> PerformanceResult:
    return msgspec.structs.replace(result, state=state, sentence=sentence)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def label_text(label: Any) -> str:
    """Labels compare as text: 1, 1.0 and True from JSON, CSV and numpy are the same class.

    >>> label_text(1.0), label_text(True), label_text("yes")
    ('1', '1', 'yes')
    """
    if isinstance(label, bool | np.bool_):
        return str(int(label))
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def _natural(label: str) -> tuple[float, str]:
    """Numbers in order of size, then texts: the last class of two is the positive one."""
    try:
        return float(label), label
    except ValueError:
        return math.inf, label
