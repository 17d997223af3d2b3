"""Errors as RFC 9457 problem details: one form for whatever any layer refuses, or fails at.

Clients tell problems apart by `type`; those of `about:blank` say no more than their status. No text of an error tells
where the workspace is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from service.discreet import discreet
from service.schemas import Invalid, ProblemDetails
from workbench.errors import Busy, CorruptVersion, DatabaseAway, UnknownVersion, VersionTaken, WorkbenchError
from workbench.rows import safe_text

log = logging.getLogger("workbench.service")
MEDIA_TYPE = "application/problem+json"
BLANK, INVALID = "about:blank", "/docs#invalid"
# What a client may act on, beyond the status: its status, its type and its title.
KINDS: dict[type[WorkbenchError], tuple[int, str, str]] = {
    UnknownVersion: (404, "/docs#unknown-version", "No such version"),
    VersionTaken: (409, "/docs#version-taken", "Another version has this id"),
    CorruptVersion: (409, "/docs#corrupt-version", "A version is damaged"),
    Busy: (409, "/docs#busy", "Another one is under way"),
    DatabaseAway: (503, "/docs#database-away", "The shared database is away"),
    WorkbenchError: (422, INVALID, "The request does not fit"),
}
TITLES = {kind: title for _, kind, title in KINDS.values()}
# What each documented status means, where its own phrase does not say.
MEANINGS = {
    400: "The Host header is not allowed, or the body broke off.",
    401: "A bearer token is needed, and this is none.",
    403: "Not from this machine, or not without a predict token.",
    404: "There is no such thing.",
    405: "Not by this method; the header Allow tells by which.",
    408: "The body took too long to arrive.",
    409: "It cannot be done now; the detail says why.",
    413: "More rows or bytes than a request may have.",
    415: "The body is not application/json.",
    422: "What was asked does not fit; `errors` names rows and fields.",
    429: "Too many requests; try again later.",
    431: "The head of the request is too large.",
    500: "The service failed; its log says why, under the request id.",
    503: "Not at present; try again later.",
}


def problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    kind: str = BLANK,
    errors: Sequence[Mapping[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as a response.

    Parameters
    ----------
    scope : Scope
        Of the request; the id under which the log knows it is told.
    status : int
    detail : str
        A sentence for people.
    kind : str
        The problem's type, a relative URI.
    errors : sequence of dict, optional
        With row, field, found, allowed and message.
    headers : mapping, optional
    """
    content = {
        "type": kind,
        "title": TITLES[kind] if kind in TITLES else HTTPStatus(status).phrase,
        "status": status,
        "detail": without_paths(scope, detail),
        "request_id": scope.get("state", {}).get("request_id", b"").decode(),
    }
    if scope["path"].startswith("/v2"):
        # Where that protocol's clients look for it.
        content["error"] = content["detail"]
    if errors is not None:
        content["errors"] = [{**error, "message": without_paths(scope, error["message"])} for error in errors]
    return Response(msgspec.json.encode(content), status, headers, MEDIA_TYPE)


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, detail: str, **more: Any) -> None:
    """Answer a request with a problem, from a layer before the endpoints; takes what `problem` takes."""
    await problem(scope, status, detail, **more)(scope, receive, send)


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 500 for the exception that is being handled, which the log tells and the client does not learn."""
    request_id = scope["state"]["request_id"].decode()
    log.exception("request %s: %s %r failed", request_id, scope["method"], scope["path"])
    await refuse(
        scope, receive, send, 500, "the service failed at this request; its log says why, under the request id"
    )


def without_paths(scope: Scope, text: str) -> str:
    """A text that can be sent: short, writable as UTF-8, and without folders of this machine."""
    told = discreet(text, scope["app"].state.settings.root)
    return told[:2000].encode(errors="backslashreplace").decode()


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers with these statuses, as a route declares them."""
    return {
        status: {"model": Invalid if status == 422 else ProblemDetails, "description": MEANINGS[status]}
        for status in statuses
    }


def add_handlers(app: FastAPI) -> None:
    """Let an app's endpoints answer by problems whatever they raise."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(WorkbenchError, _not_possible)
    app.add_exception_handler(OSError, _disk_refuses)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    detail = error.detail
    if error.status_code == 405:
        # The router tells the methods of the first route of a path; there may be another one.
        headers["Allow"] = allowed = ", ".join(_methods(request))
        detail = f"{request.method[:20]} is not answered here, but {allowed}"
    elif error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = "nothing is answered under this path; /docs tells what is"
    return problem(request.scope, error.status_code, detail, headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """422 that names row and field, ours and pydantic's in one form."""
    assert isinstance(error, RequestValidationError)
    errors = [_told(e) for e in error.errors()]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return problem(request.scope, 422, f"{errors[0]['message']}{more}", kind=INVALID, errors=errors)


async def _not_possible(request: Request, error: Exception) -> Response:
    status, kind, _ = next(told for known, told in KINDS.items() if isinstance(error, known))
    errors = [_told({"message": str(error)})] if status == 422 else None
    return problem(request.scope, status, str(error), kind=kind, errors=errors)


async def _disk_refuses(request: Request, error: Exception) -> Response:
    """A full, broken or vanished disk is nothing that the client did, and may be over soon."""
    request_id = request.scope["state"]["request_id"].decode()
    log.error("request %s: %s %r failed", request_id, request.method, request.url.path, exc_info=error)
    detail = f"the workspace cannot be read or written: {error}"
    return problem(request.scope, 503, detail, headers={"Retry-After": "2"})


def _told(error: Mapping[str, Any]) -> dict[str, Any]:
    """An error of ours or of pydantic's as a row, a field, what was found, what is allowed, and a sentence."""
    if "message" in error:
        known = {name: error.get(name) for name in ("row", "field", "found", "allowed")}
        return known | {"message": safe_text(error["message"])}
    where = [part for part in error["loc"] if part != "body"]
    rows = [part for part in where if isinstance(part, int)]
    names = [safe_text(str(part)) for part in where if isinstance(part, str)]
    return {
        "row": rows[0] if rows else None,
        "field": names[-1] if names else None,
        "found": _found(error.get("input")),
        "allowed": safe_text(error["msg"]),
        "message": safe_text(f"{'.'.join(map(str, where)) or 'body'}: {error['msg']}"),
    }


def _found(value: Any) -> str | None:
    """A value as it was asked, if it is a plain one; else its kind."""
    if value is None:
        return None
    return safe_text(repr(value)) if isinstance(value, str | int | float) else type(value).__name__


def _methods(request: Request) -> list[str]:
    """What the path of a request could be asked by."""
    found: set[str] = set()
    for method in ("DELETE", "GET", "PATCH", "POST", "PUT"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            found.add(method)
    return sorted(found)
