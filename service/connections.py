"""A connection that waits only so long: for the head of a request, for its body, and for those who do not read.

uvicorn ends idle connections and bounds neither the time that a half request takes nor the size of its head. A request
that comes whole, as nearly all do, sets no timer.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, ClassVar, Literal

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.refused import refusal, refusal_bytes
from service.whole_answers import CommonHead, WholeAnswer
from workbench.sections import ServiceSettings

# A body in chunks is longer on the wire than what it says; so much longer nobody needs.
CHUNKED, MORE_BYTES = 2, 100_000
TOO_LARGE = "the head of the request is too large ([service] max_head_kb, max_headers)"
LATE: dict[str, str] = {
    "head": "the head of the request did not come in time ([service] head_timeout_s)",
    "body": "the body of the request did not come in time ([service] body_timeout_s)",
}


def connections(limits: ServiceSettings) -> type[Connection]:
    """The protocol of a server with these limits."""
    return type("Connection", (Connection,), {"limits": limits, "common": CommonHead()})


class Connection(HttpToolsProtocol):
    """As uvicorn's, and ended where it is slow: 408, or without a word where there is nobody to tell."""

    limits: ClassVar[ServiceSettings]
    common: ClassVar[CommonHead]

    # What is under way of the request that is being read; its number on this connection; its bytes so far, those that
    # came last, and whether these hold another request before it.
    _reading: Literal["head", "body"] | None = None
    _number = _bytes = _last = 0
    _behind = False
    _timer: asyncio.TimerHandle | None = None
    _armed: tuple[int, str] | None = None
    _unread: asyncio.TimerHandle | None = None
    _answered: RequestResponseCycle | None = None
    # What is said to a request that is refused, once those before it have been answered.
    _last_word: bytes | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self._refuse(503, "too many connections; try again in a moment ([service] max_connections)")
            return
        self._arm("head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._read_again()
        self._hang_up()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._last_word is not None:
            return
        self._last, self._behind = len(data), False
        self._bytes += self._last
        super().data_received(data)
        if self.transport.is_closing() or self._last_word is not None:
            self._disarm()
        elif self._reading == "head" and self._bytes > self.limits.max_head_kb * 1024:
            self._refuse(431, TOO_LARGE)
        elif self._reading == "body" and self._bytes > CHUNKED * self.limits.max_body_mb * 1e6 + MORE_BYTES:
            self._end(413, "the body is too large ([service] max_body_mb)")
        elif self._reading is not None:
            self._arm(self._reading)
        elif self._answering:
            self._disarm()
        else:
            # Line ends before a request, or the rest of one that has been answered.
            self._arm("head")

    def on_message_begin(self) -> None:
        self._reading, self._number, self._bytes = "head", self._number + 1, 0 if self._behind else self._last
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._reading = "body"
        most = self.limits.max_head_kb * 1024
        if len(self.headers) > self.limits.max_headers or (
            max(self._bytes, self._last) > most and self._head_size() > most
        ):
            self.app = _too_large
        elif not self.url.startswith(b"/"):
            self.app = _no_path
        super().on_headers_complete()
        self.app = self.config.loaded_app
        # Trailers behind a body are no headers.
        self.headers = []

    def on_message_complete(self) -> None:
        self._reading, self._behind = None, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._last_word is not None and self._answered is not None and self._answered.response_complete:
            self._write(self._last_word)

    def send_400_response(self, msg: str) -> None:
        self._end(400, "this cannot be read as one HTTP request")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.body_timeout_s, self._abort)

    def resume_writing(self) -> None:
        self._read_again()
        super().resume_writing()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _arm(self, what: Literal["head", "body"]) -> None:
        """Begin to wait; what is waited for already has no more time by another byte."""
        if self._armed == (self._number, what):
            return
        self._disarm()
        seconds = self.limits.head_timeout_s if what == "head" else self.limits.body_timeout_s
        self._armed = self._number, what
        self._timer = self.loop.call_later(seconds, self._late, what)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed = None

    def _read_again(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # Of requests that came together, `cycle` is the last, and this one is answered.
        self._answered = cycle
        super()._start_asgi_task(cycle, WholeAnswer(app, cycle, self.common))

    def _hang_up(self) -> None:
        """Whoever answers, or waits for the rest of a body, learns that nobody is there any more."""
        if self._answered is not None:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _abort(self) -> None:
        self._hang_up()
        # The kernel, too, forgets what is not read, and tells the other side.
        linger = struct.pack("ii", 1, 0)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()

    def _late(self, what: Literal["head", "body"]) -> None:
        self._timer = self._armed = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused or (what == "head" and self._answering):
            # We do not read, or owe an answer to the request before.
            self._arm(what)
        elif self._reading is None:
            self.transport.close()
        else:
            self._end(408, LATE[what])

    def _end(self, status: int, detail: str) -> None:
        """End the connection, with an answer unless one has begun."""
        if self._reading == "body" and self.cycle.response_started:
            self._disarm()
            self.transport.close()
            return
        if self._reading == "body" and self._answered is self.cycle:
            self._hang_up()
        self._refuse(status, detail)

    def _refuse(self, status: int, detail: str) -> None:
        """The last answer on this connection, which must not pass for that of a request before."""
        self._disarm()
        asked = self.scope["headers"] if self._reading == "body" else self.headers or ()
        last = refusal_bytes(status, detail, asked, self.server_state.default_headers)
        if self._reading == "body" and self.pipeline:
            # The last one in the queue is the one that is refused.
            self.pipeline.popleft()
            self._last_word = last
        elif self._reading != "body" and self._answering:
            self._last_word = last
        else:
            self._write(last)

    def _write(self, last: bytes) -> None:
        self.transport.write(last)
        self.transport.close()


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    await refusal(431, TOO_LARGE, scope["headers"])(scope, receive, send)


async def _no_path(scope: Scope, receive: Receive, send: Send) -> None:
    """A target with a host of its own would count more than the Host header that is checked; no proxy is here."""
    why = "the target of a request is a path that begins with /"
    await refusal(400, why, scope["headers"])(scope, receive, send)
