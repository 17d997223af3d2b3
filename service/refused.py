"""How a connection refuses what never becomes a request of the app; as bytes, too, where no app is there to send."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from service import tracing

Headers = Iterable[tuple[bytes, bytes]]
# Who finds no place here is to come again, as wherever else that is said.
RETRY: Headers = ((b"retry-after", b"1"),)


def refusal(status: int, detail: str, asked: Headers = ()) -> Response:
    """A problem (RFC 9457) of a request that never reached the app, and the last answer on its connection.

    Parameters
    ----------
    status : int
    detail : str
    asked : headers
        Of the request, as far as they were read: its names are told as in any other answer.
    """
    state: dict[str, Any] = {}
    named = tracing.name(asked, state)
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": state["request_id"].decode(),
    }
    answer = Response(msgspec.json.encode(content), status, {"Connection": "close"}, "application/problem+json")
    answer.raw_headers += [*named, *(RETRY if status == HTTPStatus.SERVICE_UNAVAILABLE else ())]
    return answer


def refusal_bytes(status: int, detail: str, asked: Headers, more: Headers) -> bytes:
    """The same with a status line.

    Parameters
    ----------
    status, detail, asked
        As of `refusal`.
    more : headers
        That the server gives every answer.
    """
    answer = refusal(status, detail, asked)
    lines = [b"%s: %s\r\n" % header for header in [*more, *answer.raw_headers]]
    phrase = HTTPStatus(status).phrase.encode()
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, phrase, b"".join(lines), bytes(answer.body))
