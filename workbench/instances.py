"""Rows as a request's body carries them: decoded once, straight into what a schema allows, or left to be explained.

A reader accepts what is right beyond doubt and says nothing else: why a body is wrong is told by who has the time
(`rows.problems`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, NotRequired, TypedDict, TypeVar

import msgspec

from workbench.moments import EARLIEST
from workbench.records import LARGEST, Kind, Schema, Value
from workbench.rows import moment

INT64 = 2**63
# Strict: a whole number stays one. What is beyond 64 bits or `LARGEST` is in doubt.
NUMBERS: dict[Kind, Any] = {
    "numeric": Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
    | Annotated[int, msgspec.Meta(ge=-INT64, le=INT64 - 1)]
    | None,
    "boolean": bool | None,
}


class Instances(msgspec.Struct, frozen=True):
    """Rows that a schema allows, without their time column, which is in `times`: UTC text, empty where a row has none;
    None if no row has one."""

    rows: Sequence[dict[str, Value]]
    times: Sequence[str] | None = None


Row = TypeVar("Row")


class _Body(msgspec.Struct, Generic[Row], forbid_unknown_fields=True):
    instances: Annotated[list[Row], msgspec.Meta(min_length=1)]


class InstanceReader:
    """Reads the bodies of requests for versions of one schema.

    Parameters
    ----------
    schema : Schema
    max_text : int, optional
        Characters that a text may have.

    Examples
    --------
    >>> from workbench.records import Feature
    >>> schema = Schema(task="regression", target="y", time=None, features=(Feature(name="x", kind="numeric"),))
    >>> read = InstanceReader(schema).read
    >>> read(b'{"instances": [{"x": 1}, {"x": null}]}').rows
    [{'x': 1}, {'x': None}]
    >>> read(b'{"instances": [{"x": 1, "x": 2}]}') is read(b'{"instances": [{"x": "far"}]}') is None
    True
    """

    def __init__(self, schema: Schema, max_text: int | None = None) -> None:
        allowed = NUMBERS | {"categorical": Annotated[str, msgspec.Meta(max_length=max_text)] | None}
        fields: dict[str, Any] = {feature.name: allowed[feature.asked] for feature in schema.features}
        # What is not kept may be sent, too, and is looked at by nobody.
        fields |= dict.fromkeys(schema.dropped, NotRequired[Any])
        self._time = schema.time
        self._texts = [feature.name for feature in schema.features if feature.asked == "categorical"]
        if schema.time is not None:
            fields[schema.time] = NotRequired[str]
            self._texts.append(schema.time)
        # Which names there are is only known here, and they need not be identifiers; so it is a TypedDict, and `Any`.
        typed_dict: Any = TypedDict
        body: Any = _Body
        row: Any = typed_dict("Row", fields)
        of_rows: Any = list
        self._rows: Any = of_rows[row]
        self._decode: Callable[[bytes], _Body[dict[str, Any]]]
        self._decode = msgspec.json.Decoder(body[row]).decode
        self._colons_in_names = {name: name.count(":") for name in fields if ":" in name}

    def read(self, body: bytes, latest: Callable[[], str] | None = None) -> Instances | None:
        """The rows of a body; None if it is wrong, or in doubt.

        Parameters
        ----------
        body : bytes
        latest : callable, optional
            The newest event time that is believed, as UTC text; asked only if a row has one.
        """
        try:
            rows = self._decode(body).instances
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if not self._each_key_once_and_known(body, rows):
            return None
        return self._timed(rows, latest)

    def take(self, rows: Sequence[dict[str, Any]], latest: Callable[[], str] | None = None) -> Instances | None:
        """As `read`, of rows that are decoded already, and have no keys but known ones."""
        try:
            return self._timed(msgspec.convert(rows, self._rows), latest)
        except msgspec.ValidationError:
            return None

    def _timed(self, rows: list[dict[str, Any]], latest: Callable[[], str] | None) -> Instances | None:
        """Rows, and the times that they have in them; None if a time is wrong."""
        if self._time is None or not any(self._time in row for row in rows):
            return Instances(rows)
        until = latest() if latest is not None else None
        times = []
        for row in rows:
            when = moment(row.pop(self._time)) if self._time in row else ""
            if when is None or (when and (when < EARLIEST or (until is not None and when > until))):
                return None
            times.append(when)
        return Instances(rows, times)

    def _each_key_once_and_known(self, body: bytes, rows: list[dict[str, Any]]) -> bool:
        """Whether a body has no keys but those that were decoded.

        The decoder takes the last of keys that are there twice, and skips those that it does not know. Each key has a
        colon behind it, and nothing but a text has another one.
        """
        colons = body.count(b":")
        known = 1 + sum(map(len, rows))
        if colons == known:
            return True
        if b"\\" in body:
            # A colon in a text may be written in another way there.
            return False
        for name, count in self._colons_in_names.items():
            known += count * sum(name in row for row in rows)
        for name in self._texts:
            known += sum(row[name].count(":") for row in rows if row.get(name))
        return colons == known
