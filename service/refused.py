"""How a connection refuses what never becomes a request of the app; as bytes, too, where no app is there to send."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.responses import Response


def refusal(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem (RFC 9457) of a request that never reached the app."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(msgspec.json.encode(content), status, headers, "application/problem+json")


def refusal_bytes(status: int, detail: str, more: list[tuple[bytes, bytes]]) -> bytes:
    """The same with a status line, as the last answer on a connection.

    Parameters
    ----------
    status : int
    detail : str
    more : list of (name, value)
        The headers that the server gives every answer.
    """
    answer = refusal(status, detail, {"Connection": "close"})
    lines = [b"%s: %s\r\n" % header for header in [*more, *answer.raw_headers]]
    phrase = HTTPStatus(status).phrase.encode()
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, phrase, b"".join(lines), bytes(answer.body))
