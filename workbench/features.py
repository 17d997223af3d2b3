"""The feature schema: which inputs a model takes, and rows <-> frame; rows.py knows what is wrong with a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.records import (
    Feature,
    Kind,
    Schema,
    Task,
    Value,
)
from workbench.rows import column, text_column, window_columns

MAX_CATEGORIES = 10_000


def comparable(theirs: Schema, ours: Schema) -> bool:
    """Whether a version can be asked about rows of our schema: the same question, and inputs that are there as it
    takes them."""
    same_question = (theirs.task, theirs.target) == (ours.task, ours.target)
    same_key = theirs.hash_key in (None, ours.hash_key)
    return same_question and same_key and _taken(theirs) <= _taken(ours)


def _taken(schema: Schema) -> set[tuple[str, Kind, Kind | None]]:
    return {(f.name, f.kind, f.hashed) for f in schema.features}


def infer_schema(
    frame: pd.DataFrame,
    *,
    task: Task,
    target: str,
    time: str | None = None,
    features: Sequence[str] | None = None,
) -> Schema:
    """The schema of a training frame: kinds from its dtypes, categories from its values.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        Holds the target, the features and, if one is named, the time column.
    features : names, optional
        Default: every column but target and time.

    Raises
    ------
    DataError
        If a named column is not there, a feature is the target or the time column, or there is no feature.

    Examples
    --------
    >>> frame = pd.DataFrame({"km": [1.0, 2.0], "to": ["BOS", "SFO"], "minutes": [30.0, 60.0]})
    >>> infer_schema(frame, task="regression", target="minutes").features[1].categories
    ('BOS', 'SFO')
    """
    reserved = [column for column in (target, time) if column]
    chosen = list(features) if features else [c for c in frame.columns if c not in reserved]
    missing = [c for c in [*reserved, *chosen] if c not in frame.columns]
    if missing:
        raise DataError(
            f"the data have no column {', '.join(map(repr, missing))}; they have {', '.join(map(str, frame.columns))}"
        )
    twice = [c for c in [*reserved, *chosen] if list(frame.columns).count(c) > 1]
    if twice:
        raise DataError(f"the data have more than one column {twice[0]!r}; rename or drop all but one")
    clash = [c for c in chosen if c in reserved]
    if clash:
        raise DataError(f"{clash[0]!r} is the target or the time column and cannot be a feature, too")
    if not chosen:
        raise DataError("no feature is left besides target and time; name some in [model] features")
    return Schema(
        task=task,
        target=target,
        time=time,
        features=tuple(_feature(name, frame[name]) for name in chosen),
    )


def _feature(name: str, column: pd.Series) -> Feature:
    kind = kind_of(column)
    return Feature(name=name, kind=kind, categories=categories(column) if kind == "categorical" else ())


def categories(column: pd.Series) -> tuple[str, ...]:
    """The values of a column of texts; of more than so many, the most frequent."""
    return tuple(sorted(column.dropna().astype(str).value_counts().index[:MAX_CATEGORIES]))


def kind_of(column: pd.Series) -> Kind:
    """What the values of a column are taken as.

    Raises
    ------
    DataError
        If they are times.
    """
    if pd.api.types.is_bool_dtype(column) or {type(v) for v in column.dropna()} == {bool}:
        return "boolean"
    if pd.api.types.is_numeric_dtype(column) or column.isna().all():
        return "numeric"
    if pd.api.types.is_datetime64_any_dtype(column):
        raise DataError(
            f"column {column.name!r} holds times; name it as [model] time, leave it out of [model] features, "
            f"or turn it into numbers"
        )
    return "categorical"


def to_frame(rows: Sequence[Mapping[str, Any]], schema: Schema) -> pd.DataFrame:
    """Rows as the frame a model is fitted on: float64 for numbers and booleans, object for categories.

    A missing value is NaN in either; keys that are no features are left out.

    >>> from workbench.records import Feature
    >>> schema = Schema(task="regression", target="y", time=None, features=(Feature(name="x", kind="numeric"),))
    >>> to_frame([{"x": 1, "other": 2}, {"x": None}], schema)["x"].tolist()
    [1.0, nan]
    """
    return pd.DataFrame({f.name: column(_values(rows, f.name), f.kind) for f in schema.features})


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    try:
        return list(map(itemgetter(name), rows))
    except KeyError:
        # Twice the time, and seldom: a request's rows have all features.
        return [row.get(name) for row in rows]


def window_frame(rows: Sequence[Mapping[str, Any]], schema: Schema) -> tuple[pd.DataFrame, dict[str, int]]:
    """Recorded rows as `to_frame` gives them, and how many values of each feature do not belong there.

    A value of another type, or a feature that a row does not have at all, is missing in the frame.

    >>> from workbench.records import Feature
    >>> schema = Schema(task="regression", target="y", time=None, features=(Feature(name="x", kind="numeric"),))
    >>> window_frame([{"x": 1.0}, {"x": "one"}, {}], schema)[1]
    {'x': 2}
    """
    columns, misfits = window_columns(rows, schema)
    return pd.DataFrame(columns), {name: len(where) for name, where in misfits.items()}


def align(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The features of a frame in the form `to_frame` gives, in the schema's order.

    Raises
    ------
    DataError
        If a column is missing or holds what its kind cannot be.
    """
    columns: dict[str, np.ndarray] = {}
    for feature in schema.features:
        if feature.name not in frame.columns:
            raise DataError(f"the data have no column {feature.name!r}, which the model takes")
        found = frame[feature.name]
        if feature.kind == "categorical":
            columns[feature.name] = text_column(found.astype(object).where(found.notna(), None).tolist())
        else:
            try:
                columns[feature.name] = pd.to_numeric(found).to_numpy(dtype=float, na_value=np.nan)
            except (TypeError, ValueError) as error:
                raise DataError(f"column {feature.name!r} must hold numbers: {error}") from error
    return pd.DataFrame(columns, index=frame.index)


def to_rows(frame: pd.DataFrame) -> list[dict[str, Value]]:
    """A frame as JSON-ready rows: the inverse of `to_frame`, NaN as None.

    >>> to_rows(pd.DataFrame({"x": [1.5, float("nan")], "c": ["a", None]}))
    [{'x': 1.5, 'c': 'a'}, {'x': None, 'c': None}]
    """
    cells = frame.astype(object).where(frame.notna(), None)
    return [dict(zip(frame.columns, row, strict=True)) for row in cells.itertuples(index=False)]


def seed_of(frame: pd.DataFrame) -> int:
    """A seed that the same rows always give.

    >>> seed_of(pd.DataFrame({"x": [1.0, 2.0]})) == seed_of(pd.DataFrame({"x": [1.0, 2.0]}))
    True
    """
    return int(pd.util.hash_pandas_object(frame, index=False).to_numpy().sum() % 2**32)
