"""What a version's values were before a window, when they were right: what a change of unit is seen beside.

Pure: from the rows before the window and from the evaluations of them, so that the same rows give the same answer
whenever they are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd

from workbench import channels, units
from workbench.evaluation import Evaluation, FeatureDrift, FeatureProfile
from workbench.features import window_frame
from workbench.loaded_version import Reference
from workbench.records import Prediction
from workbench.usual import Usual, of_profile, of_values

# Rows before those that no evaluation has looked at, and of how many windows these are looked through.
BEFORE, LATELY = 2 * units.SIDE, 5


def usual_before(
    history: Sequence[Prediction],
    own: Sequence[Prediction],
    live: Reference,
    evaluations: Sequence[Evaluation],
    size: int,
) -> dict[str, Usual]:
    """By feature: its values in the last evaluated window of this version that was not broken there.

    Where the values of a window were in another unit, what they would have been in the right one; where no evaluation
    is of rows before this window, the rows themselves.

    Parameters
    ----------
    history : the predictions on record, oldest first
    own : the window's predictions, of the live version
    evaluations : of the live version, oldest first; those that look at any row of this window are passed over
    size : int
        Rows of a window.

    Returns
    -------
    dict of feature to Usual
        Numbers alone; without those of which there are too few values.
    """
    if not own:
        return {}
    inside = {p.id for p in own}
    past = [e for e in reversed(evaluations) if e.n and e.last_id not in inside]
    numbers = [p for p in live.profile if p.kind == "numeric"]
    rows = _Rows(history, own[0].id, live, size)
    # In a version's first rows, its first evaluation has looked at some of them.
    first = next((e for e in evaluations if e.n and e.last_id != own[-1].id), None)
    found = {p.name: _evaluated(p.name, past, rows) if past else _unevaluated(p, rows, first) for p in numbers}
    return {name: usual for name, usual in found.items() if usual is not None}


class _Rows:
    """A version's rows that end before a window."""

    def __init__(self, history: Sequence[Prediction], first: str, live: Reference, size: int) -> None:
        end = next((i for i in range(len(history) - 1, -1, -1) if history[i].id == first), 0)
        self._all = [p for p in history[:end] if p.version == live.id] if end else []
        self._schema, self._size = live.schema, size
        self.upto: Callable[[str | None], pd.DataFrame] = cache(self._upto)
        self.since: Callable[[str | None], pd.DataFrame] = cache(self._since)

    def _upto(self, last: str | None) -> pd.DataFrame:
        """The window that ends with a prediction, or with the newest; empty if it is no longer on record."""
        count = len(self._all)
        end = count if last is None else 1 + next((i for i in range(count - 1, -1, -1) if self._all[i].id == last), -1)
        return self._frame(max(0, end - self._size), end)

    def _since(self, last: str | None) -> pd.DataFrame:
        """From a little before a prediction on, or before the end, to the window; not more than a few windows."""
        count = len(self._all)
        place = next((i for i in range(count - 1, -1, -1) if self._all[i].id == last), count) if last else count
        return self._frame(max(0, place - BEFORE, count - LATELY * self._size), count)

    def _frame(self, start: int, end: int) -> pd.DataFrame:
        return window_frame([p.inputs for p in self._all[start:end]], self._schema)[0]


def _evaluated(name: str, past: Sequence[Evaluation], rows: _Rows) -> Usual | None:
    for evaluation in past:
        mended = _in_another_unit(name, evaluation)
        if mended is not None:
            return mended
        feature = _of(name, evaluation)
        if feature is not None and feature.state != "broken":
            last = evaluation.last_id
            return of_values(_finite(rows.upto(last)[name]), lately=_finite(rows.since(last)[name]))
    return None


def _finite(column: pd.Series) -> np.ndarray:
    values = column.to_numpy(dtype=float)
    return values[np.isfinite(values)]


def _of(name: str, evaluation: Evaluation) -> FeatureDrift | None:
    return next((f for f in evaluation.drift.features if f.feature == name), None)


def _in_another_unit(name: str, evaluation: Evaluation) -> Usual | None:
    """What its values would have been in the right unit, if that was not theirs and nobody has accepted it."""
    feature = _of(name, evaluation)
    if feature is None or feature.unit is None or feature.accepted:
        return None
    return of_values(np.asarray(feature.mended), feature.unit, behind=feature.n)


def _unevaluated(profile: FeatureProfile, rows: _Rows, first: Evaluation | None) -> Usual | None:
    """By rows that no evaluation has looked at alone; they may be in another unit themselves."""
    began = _in_another_unit(profile.name, first) if first else None
    if began is not None:
        return began
    frame = rows.upto(None)
    if not len(frame):
        return None
    col = channels.column(frame[profile.name], profile)
    other = units.find(col.values, of_profile(profile), None, dependence=col.dependence, moved=True)
    if other is None:
        return of_values(col.values, lately=_finite(rows.since(None)[profile.name]))
    return of_values(other.mended(col.values), other.name)
