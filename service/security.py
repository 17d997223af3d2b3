"""Who may ask: bearer tokens, loopback, content type. Tokens are read from their files, so a new one counts at once."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from fastapi import HTTPException, Request
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.settings import Settings
from workbench.tokens import FILE, read_token

BEARER = "Bearer "
JSON = b"application/json"
HOSTS_REMEMBERED = 100


def operator(request: Request) -> None:
    """Let the holder of the maintenance token in; 401 for anyone else."""
    settings: Settings = request.app.state.settings
    _require(request, settings.root / FILE)


def app_client(request: Request) -> None:
    """Let anyone in, or the holder of the predict token where the settings name one."""
    settings: Settings = request.app.state.settings
    if settings.service.predict_token_file:
        _require(request, Path(settings.root, settings.service.predict_token_file))


def feedback_client(request: Request) -> None:
    """As `app_client`; without a predict token only from this machine, because feedback feeds training."""
    settings: Settings = request.app.state.settings
    app_client(request)
    if not settings.service.predict_token_file and not _is_loopback(request):
        raise HTTPException(
            403, "without a predict token ([service] predict_token_file) feedback is taken from loopback only"
        )


def _require(request: Request, path: Path) -> None:
    told = request.headers.get("authorization", "")
    token = read_token(path)
    given = told.removeprefix(BEARER) if told.startswith(BEARER) else ""
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        raise HTTPException(
            401, "a bearer token is needed; `python main.py token` shows it", {"WWW-Authenticate": "Bearer"}
        )


def _is_loopback(request: Request) -> bool:
    if request.client is None:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


class KnownHosts:
    """Starlette's allow-list of hosts, which is asked once about each Host header that it lets in."""

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        self.app = app
        self._asked = TrustedHostMiddleware(self._let_in, allowed_hosts=allowed_hosts, www_redirect=False)
        self._known: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope["type"] == "http" and _host(scope) in self._known
        await (self.app if known else self._asked)(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Where a pattern allows any number of hosts, only the first ones are remembered.
        if scope["type"] == "http" and len(self._known) < HOSTS_REMEMBERED:
            self._known.add(_host(scope))
        await self.app(scope, receive, send)


def _host(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"host"), b"")


class JsonOnly:
    """Refuses bodies that are not application/json: a web page of another site cannot send that unasked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            # Of a header that is there twice the first one counts, as everywhere else.
            headers = dict(reversed(scope["headers"]))
            told = headers.get(b"content-type", b"")
            if told != JSON and (headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers):
                kind = told.decode("latin-1").split(";")[0].strip().lower()
                if kind.encode("latin-1") != JSON:
                    answer = JSONResponse({"detail": f"content type {kind[:80]!r} is not application/json"}, 415)
                    await answer(scope, receive, send)
                    return
        await self.app(scope, receive, send)
