"""Head and body of an answer in one piece: uvicorn sends each by itself, and looks at every header anew.

What all answers say alike is put together once a second, when their date changes. Answers that come in parts, or end
their connection, go uvicorn's own way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Header = tuple[bytes, bytes]
# Starlette and uvicorn have types of their own for the same messages.
Message = Any
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
# They change how an answer is written.
FRAMING = frozenset((b"connection", b"transfer-encoding"))


class CommonHead:
    """The headers of every answer as they are written; the server has a new list of them whenever one changes."""

    def __init__(self) -> None:
        self._headers: Sequence[Header] | None = None
        self._lines = b""

    def lines(self, headers: Sequence[Header]) -> bytes:
        if headers is not self._headers:
            self._headers, self._lines = headers, _lines(headers)
        return self._lines


class WholeAnswer:
    """An app as it answers one request: the head waits for the body, and both are written at once.

    Parameters
    ----------
    app : ASGI app
    cycle : RequestResponseCycle
        Of the request; what does not come whole it is told as it comes.
    common : CommonHead
    """

    __slots__ = ("_app", "_common", "_cycle", "_head")

    def __init__(self, app: App, cycle: RequestResponseCycle, common: CommonHead) -> None:
        self._app = app
        self._cycle = cycle
        self._common = common
        self._head: Message = None

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        async def whole(message: Message) -> None:
            head = self._head
            if head is None and message["type"] == "http.response.start" and not self._cycle.response_started:
                self._head = message
                return
            self._head = None
            if head is None:
                await send(message)
            elif not self._written(head, message):
                await send(head)
                await send(message)

        await self._app(scope, receive, whole)

    def _written(self, head: Message, rest: Message) -> bool:
        """Whether the answer was whole, and is written."""
        cycle, headers, body = self._cycle, head.get("headers", ()), rest.get("body", b"")
        if rest.get("more_body", False) or not cycle.keep_alive or cycle.disconnected or cycle.flow.write_paused:
            return False
        if cycle.scope["method"] == "HEAD":
            return False
        length = False
        for name, value in headers:
            # What is left to understand, or to refuse.
            if b"\n" in value or b"\r" in value or name in FRAMING:
                return False
            length = length or (name == b"content-length" and value == b"%d" % len(body))
        if not length:
            return False
        common = self._common.lines(cycle.default_headers)
        cycle.transport.write(b"".join((STATUS_LINE[head["status"]], common, _lines(headers), b"\r\n", body)))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True


def _lines(headers: Sequence[Header]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
