"""What each metric is: scikit-learn's value of some answers against their actuals, and which way is better.

Pure; scikit-learn is imported when first needed, so that a reader of stored evaluations does not pay for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from workbench import own_metrics
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
    "log_loss": False,
    "brier": False,
}
# Nearer to zero is better: it is shown, and does not decide.
SHOWN_ONLY = ("bias",)


@dataclass(frozen=True)
class Sample:
    """Answers and actuals as arrays; classes as their numbers in `classes`, the positive one of two last.

    `y_true`, `y_pred`: shape (n,), float for regression, int for classification. `chances`: shape (n, classes), or None
    where an answer came without probabilities.
    """

    task: Task
    y_true: np.ndarray
    y_pred: np.ndarray
    classes: tuple[str, ...] = ()
    chances: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y_true)

    def take(self, rows: np.ndarray) -> Sample:
        """Some of the rows: an array of their numbers, or a mask."""
        chances = None if self.chances is None else self.chances[rows]
        return Sample(self.task, self.y_true[rows], self.y_pred[rows], self.classes, chances)


def sample(
    task: Task,
    y_true: Sequence[Any] | np.ndarray,
    y_pred: Sequence[Any] | np.ndarray,
    probabilities: Sequence[Mapping[str, float] | None] | None = None,
    classes: Sequence[str] = (),
) -> Sample:
    """Answers and actuals as they are stored -> arrays.

    Parameters
    ----------
    y_true, y_pred : shape (n,)
        Numbers, or labels of any kind: they compare as text.
    probabilities : sequence of {class: probability}, optional
        Keyed by the classes as text.
    classes : sequence of str, optional
        Classes that are known to exist, whether they occur here or not.
    """
    if task == "regression":
        return Sample(task, np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float))
    # Equal keys of a dict (1, 1.0 and True) are equal as text, too.
    texts = {label: label_text(label) for label in {*y_true, *y_pred}}
    known = set(next((p for p in probabilities or () if p), ()))
    names = sorted({*texts.values(), *known, *classes}, key=natural)
    number = {label: names.index(text) for label, text in texts.items()}
    codes = np.array([number[label] for label in (*y_true, *y_pred)], dtype=int)
    chances = None
    if probabilities and all(p is not None for p in probabilities):
        rows = [[p.get(c, 0.0) for c in names] for p in probabilities if p is not None]
        chances = np.array(rows, dtype=float)
    n = len(y_true)
    return Sample(task, codes[:n], codes[n:], tuple(names), chances)


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
        For ROC AUC, log loss and Brier score; keyed by the classes as text.
    only : str, optional
        Just this metric.

    Returns
    -------
    dict
        As `values` gives it.

    Examples
    --------
    >>> scores("regression", [1.0, 2.0, 4.0], [1.0, 3.0, 4.0])["rmse"] ** 2 == 1 / 3
    True
    """
    return values(sample(task, y_true, y_pred, probabilities), METRICS[task] if only is None else (only,))


def values(sample: Sample, names: Sequence[str]) -> dict[str, float | None]:
    """Metrics by name, one's own among them.

    Returns
    -------
    dict
        Regression: mse, rmse, mae, r2, bias (mean of prediction minus actual). Classification: accuracy, precision,
        recall, f1, roc_auc, log_loss, brier; of the last class in natural order where there are two, else averaged
        over classes (macro, one against the rest; Brier from 0 to 2). None where a metric is undefined: no rows, no
        probabilities, or r2 and ROC AUC without at least two different actuals.
    """
    if len(sample) == 0:
        return dict.fromkeys(names)
    functions = _regression(sample) if sample.task == "regression" else _classification(sample)
    return {name: _finite(functions[name]() if name in functions else own(sample, name)) for name in names}


def own(sample: Sample, name: str) -> float:
    """One's own metric, of labels as they were before they were numbered."""
    if sample.task == "regression":
        return own_metrics.value(name, sample.y_true, sample.y_pred)
    labels = np.array([_plain(c) for c in sample.classes])
    return own_metrics.value(name, labels[sample.y_true], labels[sample.y_pred], sample.chances, labels)


def _regression(sample: Sample) -> dict[str, Callable[[], float | None]]:
    from sklearn import metrics

    y_true, y_pred = sample.y_true, sample.y_pred
    return {
        "mse": lambda: metrics.mean_squared_error(y_true, y_pred),
        "rmse": lambda: metrics.root_mean_squared_error(y_true, y_pred),
        "mae": lambda: metrics.mean_absolute_error(y_true, y_pred),
        "r2": lambda: _r2(y_true, y_pred) if len(np.unique(y_true)) > 1 else None,
        "bias": lambda: float(np.mean(y_pred - y_true)),
    }


def _r2(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    from sklearn import metrics

    # Actuals that differ by next to nothing: the ratio overflows, and is then undefined.
    with np.errstate(over="ignore"):
        return metrics.r2_score(y_true, y_pred)


def _classification(sample: Sample) -> dict[str, Callable[[], float | None]]:
    from sklearn import metrics

    y_true, y_pred, chances, k = sample.y_true, sample.y_pred, sample.chances, len(sample.classes)
    # Two classes have a positive one; more are averaged, each counting the same.
    how: dict[str, Any] = {"zero_division": 0}
    how |= {"pos_label": k - 1, "average": "binary"} if k <= 2 else {"average": "macro"}
    if k == 1:
        how["pos_label"] = 0
    several = len(np.unique(y_true)) > 1

    @cache
    def shares() -> tuple[float, float, float]:
        return metrics.precision_recall_fscore_support(y_true, y_pred, **how)[:3]

    def roc_auc() -> float | None:
        if chances is None or not several:
            return None
        if k == 2:
            return metrics.roc_auc_score(y_true, chances[:, 1])
        if len(np.unique(y_true)) < k:
            return None
        return metrics.roc_auc_score(y_true, chances, multi_class="ovr", labels=range(k))

    def log_loss() -> float | None:
        return None if chances is None or k < 2 else metrics.log_loss(y_true, _whole(chances), labels=range(k))

    def brier() -> float | None:
        if chances is None or k < 2:
            return None
        if k == 2:
            return metrics.brier_score_loss(y_true, chances[:, 1], pos_label=1)
        return metrics.brier_score_loss(y_true, _whole(chances), labels=range(k))

    return {
        "accuracy": lambda: metrics.accuracy_score(y_true, y_pred),
        "precision": lambda: shares()[0],
        "recall": lambda: shares()[1],
        "f1": lambda: shares()[2],
        "roc_auc": roc_auc,
        "log_loss": log_loss,
        "brier": brier,
    }


def _whole(chances: np.ndarray) -> np.ndarray:
    """Rows that sum to 1, which they do up to what JSON and float32 have rounded."""
    return chances / np.maximum(chances.sum(1, keepdims=True), 1e-12)


def higher_is_better(name: str) -> bool:
    """Of one's own metrics: as scikit-learn's scorers, and names that end in _error, _loss or _deviance, have it."""
    return HIGHER_IS_BETTER[name] if name in HIGHER_IS_BETTER else own_metrics.higher_is_better(name)


def loss(metric: str, value: float | None, baseline: float | None) -> float | None:
    """How much worse `value` is than `baseline`, as a share of the baseline; negative where it is better.

    >>> round(loss("mae", 12.0, 8.0), 3), round(loss("f1", 0.3, 0.4), 3)
    (0.5, 0.25)
    """
    if value is None or baseline is None or not baseline:
        return None
    worse = (baseline - value) if higher_is_better(metric) else (value - baseline)
    return worse / abs(baseline)


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


def _plain(text: str) -> int | float | str:
    number = natural(text)[0]
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() else number


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def natural(label: str) -> tuple[float, str]:
    """Numbers in order of size, then texts: the last class of two is the positive one."""
    try:
        return float(label), label
    except ValueError:
        return math.inf, label
