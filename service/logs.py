"""A line in the log for each request, where the settings ask for it."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("workbench.access")


class AccessLog:
    """One line a request: who asked what, and what came of it. Never a header, a query or a body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            client, path = (scope.get("client") or ("", 0))[0], scope["path"][:200]
            milliseconds = round((time.perf_counter() - begun) * 1e3, 2)
            fields = {
                "client": client,
                "method": scope["method"],
                "path": path,
                "status": status,
                "milliseconds": milliseconds,
            }
            log.info("%s %s %s %d %g ms", client, scope["method"], path, status, milliseconds, extra={"fields": fields})
