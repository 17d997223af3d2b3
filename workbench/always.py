"""What a policy is held beside: never retraining, and retraining every period, come what may."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.blocks import weights
from workbench.ensemble import build
from workbench.labelled_history import History
from workbench.said import Said
from workbench.sections import Recipe
from workbench.settings import Settings
from workbench.shared_fits import SharedFits
from workbench.simulation import FIRST, Simulation, answered, simulated
from workbench.training_data import MIN_ROWS, TIME, Rows

AT_ONCE = 5_000
DAY = 86_400_000_000


def never(
    settings: Settings,
    history: History,
    folder: Path,
    fits: SharedFits,
    *,
    chances: bool,
    progress: Callable[[int], None],
) -> Said:
    """The first version answers everything: the very version a policy begins with."""
    first = Simulation(settings, history, folder, fits, chances=chances)
    _ask(first.begin().estimator, FIRST, first.said, history.told.start, history.told.rows, progress)
    first.said.flush()
    return first.said


def always(
    recipe: Recipe,
    settings: Settings,
    history: History,
    folder: Path,
    fits: SharedFits,
    edges: np.ndarray,
    *,
    chances: bool,
    progress: Callable[[int], None],
) -> Said:
    """At the beginning of each period a model of what is labelled by then, without a gate, as a cron job does it.

    Parameters
    ----------
    recipe : which rows it learns
    edges : microseconds at which periods begin and, last, the history ends
    """
    said = Said(folder / "said", history, chances=chances)
    settings = simulated(settings, history, folder)
    estimator, name = None, ""
    places = np.maximum(np.searchsorted(history.times, edges), history.told.start)
    places[-1] = history.told.rows
    for k, (start, end) in enumerate(pairwise(places.tolist())):
        if end == start:
            continue
        rows = _known(history, int(edges[k]), recipe, settings)
        if len(rows) >= MIN_ROWS and len(pd.unique(rows.y)) > 1:
            estimator, name = _fitted(rows, settings, recipe, fits), f"period-{k + 1}"
        elif estimator is None:
            # Nothing recent to learn at the very beginning: the first version, as all others have it.
            estimator, name = Simulation(settings, history, folder / "first", fits).begin().estimator, FIRST
        _ask(estimator, name, said, start, end, progress)
    said.flush()
    return said


def _known(history: History, until: int, recipe: Recipe, settings: Settings) -> Rows:
    """The rows whose actuals are known at a moment; of the reference all are."""
    end = int(np.searchsorted(history.times, until))
    known = history.known()[:end] & ((history.due[:end] <= until) | (np.arange(end) < history.told.start))
    if recipe == "recent":
        newest = int(history.times[end - 1])
        known &= history.times[:end] >= newest - int(settings.retrain.recent_days * DAY)
    rows = np.flatnonzero(known)[-settings.retrain.labelled_rows :]
    begin = int(rows[0]) if len(rows) else 0
    frame = history.frame(begin, max(end, begin + 1)).iloc[rows - begin]
    y = [history.actual(int(row)) for row in rows]
    times = pd.to_datetime(np.asarray(history.times)[rows], unit="us", utc=True).as_unit("us")
    frame = frame.assign(**{history.schema.target: y, TIME: times})
    return Rows(frame.reset_index(drop=True), history.schema)


def _fitted(rows: Rows, settings: Settings, recipe: Recipe, fits: SharedFits) -> Any:
    model, told = settings.model, settings.retrain
    estimator = build(
        settings.ensembles[0],
        rows.schema,
        names=model.members,
        seed=told.seed,
        threads=told.threads,
        size=model.size,
    )
    return fits(estimator, rows.X, rows.y, weights=weights(recipe, rows, told))


def _ask(estimator: Any, name: str, said: Said, start: int, end: int, progress: Callable[[int], None]) -> None:
    history = said.history
    for a in range(start, end, AT_ONCE):
        b = min(a + AT_ONCE, end)
        able, answers = answered(estimator, history.schema, history.frame(a, b), name)
        said.write(a + able, answers, name)
        progress(b)
