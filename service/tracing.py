"""By which names a request is known: its own (`X-Request-ID`), and that of the trace it is a part of (`traceparent`).

Both are the client's if they are harmless; https://www.w3.org/TR/trace-context says what a traceparent looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import getrandbits
from typing import Any

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
# Version, trace, parent, flags; 55 characters.
TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
NAMES = frozenset((b"x-request-id", b"traceparent"))


def name(headers: Iterable[tuple[bytes, bytes]], state: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Read the names of a request, or make them; a malformed one, and a traceparent that is there twice, is none.

    Parameters
    ----------
    headers : iterable of pairs
        Of the request.
    state : dict
        Of the request; gets `request_id` (bytes), and `traceparent` (text) if there is one.

    Returns
    -------
    list of pairs
        The headers by which any answer tells them.
    """
    request_id, parents = None, None
    for header, value in headers:
        if header in NAMES:
            if header == b"traceparent":
                parents = [value] if parents is None else [*parents, value]
            elif request_id is None and REQUEST_ID.fullmatch(value):
                request_id = value
    if request_id is None:
        request_id = b"%032x" % getrandbits(128)
    state["request_id"] = request_id
    told = [(b"x-request-id", request_id)]
    if parents is not None:
        parent = traceparent(parents[0]) if len(parents) == 1 else None
        if parent is not None:
            state["traceparent"] = parent.decode()
            told.append((b"traceparent", parent))
    return told


def traceparent(value: bytes) -> bytes | None:
    """The part of a traceparent that the standard's first version knows; None if it is malformed.

    Examples
    --------
    >>> traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    b'00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    >>> traceparent(b"00-00000000000000000000000000000000-00f067aa0ba902b7-01") is None
    True
    """
    known, more = value[:55], value[55:]
    if TRACEPARENT.fullmatch(known) is None:
        return None
    # Only versions after the first may tell more, behind another hyphen.
    return known if not more or (more.startswith(b"-") and not known.startswith(b"00")) else None
