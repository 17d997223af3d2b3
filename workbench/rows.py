"""Rows as they are asked and recorded: what is wrong with one, when it happened, and many of them as columns.

Missing is a value (JSON null, NaN in a column); an unseen category is allowed; a wrong type or name is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.moments import EARLIEST, parse_utc, utc_text
from workbench.records import LARGEST, Kind, Schema

# In the place of a value that a row does not have at all; it fits no kind.
NOTHING = object()
# A text that cannot pass for more than one line of a log: no control characters, no separators of lines.
ONE_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*")
# What kept_inputs.py makes of a value: which key, and the hash.
HASH = re.compile(r"#[0-9a-f]{8}:[0-9a-f]{16}")


def problems(row: Any, schema: Schema, latest: str | None = None) -> list[dict[str, Any]]:
    """What is wrong with one instance: field, what was found, what is allowed; empty when it is right.

    An event time before 1900 or after `latest` (UTC text) is wrong: one row of a far future would pass for the newest
    knowledge for good.

    Examples
    --------
    >>> from workbench.records import Feature
    >>> schema = Schema(task="regression", target="y", time=None, features=(Feature(name="x", kind="numeric"),))
    >>> problems({"x": "far"}, schema)
    [{'field': 'x', 'found': 'far', 'allowed': 'a number or null'}]
    """
    if not isinstance(row, Mapping):
        return [{"field": None, "found": type(row).__name__, "allowed": "an object of feature: value"}]
    wrong = misfits(row, schema)
    known = {*schema.names, *schema.dropped, schema.time}
    for name in row:
        if name not in known:
            wrong.append(_problem(name, "an unknown field", f"the fields {', '.join(schema.names)}"))
    if schema.time in row:
        when = moment(row[schema.time])
        if when is None or when < EARLIEST or (latest is not None and when > latest):
            until = f" from 1900 to {latest}" if latest else ""
            wrong.append(_problem(schema.time, row[schema.time], f"an ISO 8601 time{until}, or leave it out for now"))
    return wrong


def misfits(row: Mapping[str, Any], schema: Schema) -> list[dict[str, Any]]:
    """As `problems`, of the features alone: those that a row lacks, or has in another kind.

    A feature that is kept hashed may come as its hash; what else is found there is not told.
    """
    wrong = []
    for feature in schema.features:
        if feature.name not in row:
            wrong.append(_problem(feature.name, "nothing", f"{ALLOWED[feature.asked]} (null where it is not known)"))
        elif not _fits(row[feature.name], feature.asked) and not (feature.hashed and is_hash(row[feature.name])):
            found = f"a value of type {type(row[feature.name]).__name__}" if feature.hashed else row[feature.name]
            wrong.append(_problem(feature.name, found, ALLOWED[feature.asked]))
    return wrong


def is_hash(value: Any) -> bool:
    """Whether a value is what is kept of a hashed one."""
    return isinstance(value, str) and HASH.fullmatch(value) is not None


ALLOWED: dict[Kind, str] = {
    "numeric": "a number or null",
    "boolean": "true, false or null",
    "categorical": "a text or null",
}


def _problem(field: str | None, found: Any, allowed: str) -> dict[str, Any]:
    plain = found is None or (isinstance(found, int | float) and abs(found) < 1e300)
    shown = found if plain else safe_text(repr(found) if isinstance(found, int | float) else str(found))
    return {"field": None if field is None else safe_text(field), "found": shown, "allowed": allowed}


def is_text(value: str) -> bool:
    """Whether a text can be written as UTF-8; JSON can smuggle in halves of surrogate pairs."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def safe_text(value: str) -> str:
    """A text for an error message: short, and writable as UTF-8."""
    return value[:300].encode(errors="backslashreplace").decode()


def _fits(value: Any, kind: Kind) -> bool:
    if value is None:
        return True
    if kind == "numeric":
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str) and is_text(value)


def event_time(row: Mapping[str, Any], schema: Schema, now: str) -> str:
    """When a row happened: its time column as UTC text, or `now` where it carries none."""
    return (moment(row.get(schema.time)) if schema.time else None) or now


def moment(value: Any) -> str | None:
    """An incoming event time as UTC text; None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        return utc_text(parse_utc(value))
    except (ValueError, OverflowError):
        return None


def window_columns(
    rows: Sequence[Mapping[str, Any]], schema: Schema
) -> tuple[dict[str, np.ndarray], dict[str, list[int]]]:
    """Recorded rows as an array a feature, and the rows whose values do not belong there: missing, in the array."""
    columns, misfits = {}, {}
    for feature in schema.features:
        values = [row.get(feature.name, NOTHING) for row in rows]
        strange = [i for i, value in enumerate(values) if not _fits(value, feature.kind)]
        for i in strange:
            values[i] = None
        if strange:
            misfits[feature.name] = strange
        columns[feature.name] = column(values, feature.kind)
    return columns, misfits


def column(values: Sequence[Any], kind: Kind) -> np.ndarray:
    """Values as a frame holds them: float64 for numbers and booleans, object for categories, NaN for missing."""
    if kind == "categorical":
        return text_column(values)
    # numpy has NaN for None in an array of floats.
    return np.array(values, dtype=float)


def text_column(values: Sequence[Any]) -> np.ndarray:
    """Texts; NaN for missing."""
    texts = np.empty(len(values), dtype=object)
    texts[:] = [np.nan if v is None else str(v) for v in values]
    return texts
