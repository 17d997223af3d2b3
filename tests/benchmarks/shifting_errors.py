"""Rows whose error depends on inputs: the inputs may shift, or what the model knows of its target may turn wrong."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import expit, softmax

from workbench.features import infer_schema
from workbench.records import Schema, Task
from workbench.scores import Sample

CITIES = np.array(["Aachen", "Bonn", "Celle", "Dresden", "Erfurt"], dtype=object)
RHO = 0.5


def inputs(rng: np.random.Generator, n: int, shift: float) -> pd.DataFrame:
    """Five independent inputs; `load` shifts, by so many standard deviations."""
    return pd.DataFrame(
        {
            "load": rng.normal(size=n) + shift,
            "size": rng.normal(size=n),
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "noise": rng.normal(size=n),
            "city": rng.choice(CITIES, n),
        }
    )


def minutes(rng: np.random.Generator, n: int, shift: float = 0.0, drift: float = 0.0) -> tuple[pd.DataFrame, Sample]:
    """Regression whose error grows with `load`; under drift, `size` means something else than the model has learnt."""
    return _minutes(rng, n, shift, drift, rng.laplace(size=n))


def remembering(
    rng: np.random.Generator, n: int, shift: float = 0.0, drift: float = 0.0
) -> tuple[pd.DataFrame, Sample]:
    """The same where a row's luck remembers that of the row before."""
    luck = lfilter([np.sqrt(1 - RHO**2)], [1, -RHO], rng.normal(size=n + 200))[200:]
    return _minutes(rng, n, shift, drift, luck)


def _minutes(
    rng: np.random.Generator, n: int, shift: float, drift: float, luck: np.ndarray
) -> tuple[pd.DataFrame, Sample]:
    frame = inputs(rng, n, shift)
    said = 30 + 3 * frame["size"].to_numpy() + 2 * (frame["city"] == "Bonn").to_numpy()
    spread = 0.5 + np.logaddexp(0, 1.5 * frame["load"].to_numpy())
    true = said + 0.3 * (frame["noise"].to_numpy() ** 2 - 1) + luck * spread + drift * frame["size"].to_numpy()
    return frame, Sample("regression", true, said)


def late(rng: np.random.Generator, n: int, shift: float = 0.0, drift: float = 0.0) -> tuple[pd.DataFrame, Sample]:
    """Two classes, too sure of themselves and balanced, as the shipped ensemble is; surer the larger `load` is. Under
    drift a share of the actuals is as it falls."""
    frame = inputs(rng, n, shift)
    score = 1.4 * frame["load"].to_numpy() + 0.7 * frame["size"].to_numpy()
    true = (rng.random(n) < expit(score - 1.2)).astype(int)
    true = np.where(rng.random(n) < drift, rng.random(n) < 0.3, true).astype(int)
    chance = expit(1.6 * score)
    return frame, Sample(
        "classification", true, (chance > 0.5).astype(int), ("0", "1"), np.column_stack([1 - chance, chance])
    )


def kinds(rng: np.random.Generator, n: int, shift: float = 0.0, drift: float = 0.0) -> tuple[pd.DataFrame, Sample]:
    """Three classes; drift as in `late`."""
    frame = inputs(rng, n, shift)
    load, size = frame["load"].to_numpy(), frame["size"].to_numpy()
    scores = np.column_stack([1.5 * load, 1.2 * size, np.zeros(n)])
    true = (softmax(scores, axis=1).cumsum(1) < rng.random(n)[:, None]).sum(1).clip(0, 2)
    true = np.where(rng.random(n) < drift, rng.integers(0, 3, n), true)
    chances = softmax(1.5 * scores + [0.0, 0.5, 0.0], axis=1)
    return frame, Sample("classification", true, chances.argmax(1), ("a", "b", "c"), chances)


@dataclass(frozen=True)
class Stream:
    """How rows are drawn, the metric, and how far `load` shifts and the target drifts where they do."""

    name: str
    draw: Callable[..., tuple[pd.DataFrame, Sample]]
    metric: str
    shift: float
    drift: float


MAE = Stream("MAE", minutes, "mae", 1.0, 2.5)
RMSE = Stream("RMSE", minutes, "rmse", 1.0, 2.5)
MAE_REMEMBERING = Stream(f"MAE, AR(1), rho {RHO}", remembering, "mae", 1.0, 2.5)
F1 = Stream("F1", late, "f1", -1.0, 0.5)
RECALL = Stream("recall", late, "recall", -1.0, 0.5)
LOG_LOSS = Stream("log loss", late, "log_loss", -1.0, 0.5)
ACCURACY = Stream("accuracy, 3 classes", kinds, "accuracy", 1.0, 0.5)


def schema_of(frame: pd.DataFrame, task: Task) -> Schema:
    return infer_schema(frame.assign(target=0.0), task=task, target="target")
