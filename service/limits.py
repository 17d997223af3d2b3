"""How much one worker takes on at once, and how large a body may be; said before the body is read where that is known.

A request counts once its body is there: those who send slowly take nobody's place.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import refuse
from workbench.sections import ServiceSettings

# Who looks after an overloaded worker must be answered.
ALWAYS = ("/health", "/ready", "/metrics", "/v2/health/live", "/v2/health/ready")
# So many bodies of the largest size may be under way together.
LARGEST_BODIES = 4
RETRY = {"Retry-After": "1"}
BUSY = "the service has as much to do as it takes on ([service] max_busy); try again in a moment"


@dataclass
class Load:
    """What a worker has taken on: requests that are answered, and bytes of bodies that are held."""

    busy: int = 0
    held: int = 0


class Limits:
    """Refuses what is too much, with 413 or, for a moment, 503.

    Parameters
    ----------
    app : ASGI app
    limits : ServiceSettings
    load : Load
        Of the worker, whichever way its requests take.
    """

    def __init__(self, app: ASGIApp, limits: ServiceSettings, load: Load) -> None:
        self.app = app
        self._load = load
        self._most = limits.max_busy
        self._max_body = int(limits.max_body_mb * 1e6)
        self._too_large = f"the body is larger than {limits.max_body_mb:g} MB ([service] max_body_mb)"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS:
            await self.app(scope, receive, send)
            return
        if self._load.busy >= self._most:
            await refuse(scope, receive, send, 503, BUSY, headers=RETRY)
            return
        told = _told_length(scope)
        if told is not None and told > self._max_body:
            await refuse(scope, receive, send, 413, self._too_large)
            return
        held, counted = 0, told == 0

        async def bounded() -> Message:
            nonlocal held, counted
            message = await receive()
            size = len(message.get("body", b""))
            held += size
            self._load.held += size
            if held > self._max_body:
                raise HTTPException(413, self._too_large)
            if counted or message["type"] == "http.disconnect":
                return message
            if not message.get("more_body", False):
                # Others may have got ahead while this one was sent.
                if self._load.busy >= self._most:
                    raise HTTPException(503, BUSY, RETRY)
                self._load.busy += 1
                counted = True
            elif self._load.held > LARGEST_BODIES * self._max_body:
                raise HTTPException(503, BUSY, RETRY)
            return message

        self._load.busy += counted
        try:
            await self.app(scope, bounded, send)
        finally:
            self._load.busy -= counted
            self._load.held -= held


def _told_length(scope: Scope) -> int | None:
    """How long the body is said to be; None if that is not said."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
        if name == b"transfer-encoding":
            return None
    return 0
