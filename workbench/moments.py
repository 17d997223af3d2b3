"""Moments as they are stored and read: UTC text with microseconds and `Z`, which sorts as it reads."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from workbench.errors import DataError

# What happened before is believed of no row.
EARLIEST = "1900-01-01T00:00:00.000000Z"


def utc_text(moment: datetime) -> str:
    """A moment as stored text; a moment without a zone is taken as UTC.

    >>> utc_text(datetime(2013, 3, 1, 5, 45))
    '2013-03-01T05:45:00.000000Z'
    """
    if moment.tzinfo is not UTC:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment.microsecond:
        # A tenth of what isoformat takes; it leaves out microseconds that are 0.
        return str(msgspec.to_builtins(moment))
    # Not strftime: it leaves years before 1000 unpadded on some systems.
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """The moment a stored or an incoming ISO 8601 text names; the inverse of `utc_text`.

    >>> parse_utc("2013-03-01T05:45:00.000000Z") == parse_utc("2013-03-01 00:45:00-05:00")
    True
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_moment(text: str, what: str) -> datetime:
    """As `parse_utc`, for what a person typed.

    Raises
    ------
    DataError
        Naming what was found, and the form that is read.
    """
    try:
        return parse_utc(text)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{what} = {text[:80]!r} is no moment; write it like 2026-01-31T10:42:00Z") from error


def utc_now() -> datetime:
    """The clock everything uses unless it is given another one."""
    return datetime.now(UTC)
