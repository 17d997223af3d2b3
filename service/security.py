"""Who may ask: bearer tokens, loopback, content type. Tokens are read from their files, so a new one counts at once."""

from __future__ import annotations

import hmac
import ipaddress
from pathlib import Path

from fastapi import HTTPException, Request
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.settings import Settings
from workbench.tokens import FILE, read_token

BEARER = "Bearer "


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


class JsonOnly:
    """Refuses bodies that are not application/json: a web page of another site cannot send that unasked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            headers = Headers(scope=scope)
            has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
            kind = headers.get("content-type", "").split(";")[0].strip().lower()
            if has_body and kind != "application/json":
                answer = JSONResponse({"detail": f"content type {kind[:80]!r} is not application/json"}, 415)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)
