"""Who may ask: bearer tokens, loopback, hosts, content types.

Tokens are read from their files with each request, so a new one counts at once, for every worker.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import re
from collections.abc import Sequence
from pathlib import Path

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.failed_tokens import FailedTokens
from service.problems import refuse
from workbench.settings import Settings
from workbench.tokens import FILE, read_token

log = logging.getLogger("workbench.service")
BEARER = "Bearer "
MAINTENANCE = "/maintenance"
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
JSON = b"application/json"
HOSTS_REMEMBERED = 100
# A name, or an IPv6 address in brackets; then perhaps a port.
HOST = re.compile(r"([^\[\]:@/\s]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


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
    failed: FailedTokens = request.app.state.failed_tokens
    host = request.client.host if request.client else ""
    wait_s = failed.wait_s(host)
    if wait_s:
        raise HTTPException(429, f"too many wrong tokens; wait {wait_s} s", {"Retry-After": str(wait_s)})
    told = request.headers.get("authorization", "")
    token = _token(path)
    given = told.removeprefix(BEARER) if told.startswith(BEARER) else ""
    if token and hmac.compare_digest(given.encode(), token.encode()):
        return
    if told:
        failed.failed(host)
    raise HTTPException(
        401, "a bearer token is needed; `python main.py token` shows it", {"WWW-Authenticate": "Bearer"}
    )


def _token(path: Path) -> str:
    try:
        return read_token(path)
    except (OSError, UnicodeDecodeError) as error:
        log.error("the token %s cannot be read: %s", path, error)
        raise HTTPException(
            503, "the token cannot be read; the service's log says why", {"Retry-After": "2"}
        ) from error


def _is_loopback(request: Request) -> bool:
    """Whether a process on this machine asks for itself; a proxy here that speaks for others says so."""
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


class KnownHosts:
    """Lets requests in that name one of the allowed hosts, and one alone; `*.example.org` allows all below that name.

    What a Host header has been found to be is remembered: most requests have the same one.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        self.app = app
        self._allowed = [host.lower() for host in allowed_hosts]
        self._known: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told, hosts = b"", 0
        for name, value in scope["headers"]:
            if name == b"host":
                told, hosts = value, hosts + 1
        if hosts != 1 or not (told in self._known or self._allows(told)):
            await refuse(scope, receive, send, 400, "the Host header names none of [service] allowed_hosts")
            return
        await self.app(scope, receive, send)

    def _allows(self, told: bytes) -> bool:
        found = HOST.fullmatch(told.decode("latin-1").lower())
        if not found:
            return False
        host = found[1]
        allowed = any(
            pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))
            for pattern in self._allowed
        )
        # Where a pattern allows any number of hosts, only the first ones are remembered.
        if allowed and len(self._known) < HOSTS_REMEMBERED:
            self._known.add(told)
        return allowed


class OperatorOnly:
    """Lets the holder of the maintenance token in to whatever lies below /maintenance, and tells nobody else more than
    401: not what is there, and not what would be wrong with a body, which is not read.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._token = settings.root / FILE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(MAINTENANCE):
            try:
                _require(Request(scope), self._token)
            except HTTPException as error:
                await refuse(scope, receive, send, error.status_code, str(error.detail), headers=error.headers)
                return
        await self.app(scope, receive, send)


class JsonOnly:
    """Refuses bodies that are not application/json: a web page of another site cannot send that unasked.

    /v2 takes bytes, too, and refuses by itself what such a page could send.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reads = scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS")
        if not reads and not scope["path"].startswith("/v2/"):
            # Of a header that is there twice the first one counts, as everywhere else.
            headers = dict(reversed(scope["headers"]))
            told = headers.get(b"content-type", b"")
            if told != JSON and (headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers):
                kind = told.decode("latin-1").split(";")[0].strip().lower()
                if kind.encode("latin-1") != JSON:
                    await refuse(scope, receive, send, 415, f"content type {kind[:80]!r} is not application/json")
                    return
            if headers.get(b"content-encoding", b"identity") != b"identity":
                # A few bytes that unfold to any number are not unfolded.
                more = {"Accept-Encoding": "identity"}
                await refuse(scope, receive, send, 415, "compressed bodies are not taken", headers=more)
                return
        await self.app(scope, receive, send)
