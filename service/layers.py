"""The layers that every request passes, and the short way through them to the route that is asked most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.errors import WorkbenchError

Layer = Callable[[ASGIApp], ASGIApp]
# What has a handler of its own; anything else is a 500 by the server's hand, and in its log.
REFUSALS = (HTTPException, RequestValidationError, WorkbenchError, OSError)


class PlainRoute(APIRoute):
    """Documented by a function's signature as any other route, and answered by a plain ASGI app."""

    def __init__(self, path: str, documented: Callable[..., Any], *, app: ASGIApp, **more: Any) -> None:
        super().__init__(path, documented, **more)
        self.app = app


class LayeredApp(FastAPI):
    """A FastAPI app whose requests pass some layers, the first of them first.

    Requests for the plain route pass these and no others: what FastAPI has in between costs as much as the answer. The
    route is among the others all the same, where it is documented, and where other methods are refused.
    """

    def lay(self, layers: list[Layer], plain: PlainRoute, *, needless: tuple[Layer, ...] = ()) -> None:
        """Put layers before all routes, and the plain one before the others. Once, before the first request.

        `needless` are those that would let the plain route's requests through whatever they are.
        """
        self.router.routes.insert(0, plain)
        app: ASGIApp = _Refusals(plain.app, self)
        for layer in reversed(layers):
            self.add_middleware(_factory(layer))
            app = app if layer in needless else layer(app)
        self._plain, self._short_way = plain, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plain = self._plain
        if scope["type"] == "http" and scope["path"] == plain.path and scope["method"] in (plain.methods or ()):
            scope["app"], scope["route"] = self, plain
            await self._short_way(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _factory(layer: Layer) -> Any:
    """A layer as what `add_middleware` takes."""
    return lambda app: layer(app)


class _Refusals:
    """What the plain app raises before it has answered is answered as FastAPI does it for all others."""

    def __init__(self, app: ASGIApp, of: FastAPI) -> None:
        self.app = app
        self._of = of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except REFUSALS as error:
            raised = error

            async def again(scope: Scope, receive: Receive, send: Send) -> None:
                raise raised

            handlers: dict[Any, Any] = dict(self._of.exception_handlers)
            await ExceptionMiddleware(again, handlers=handlers)(scope, receive, send)
