"""/feedback: the true values of earlier predictions, up to 10,000 a request, each judged by itself.

A plain ASGI app: a body of that size takes a thread some tenths of a second, in which predictions must not wait. It is
worked on in parts, so that neither they nor other workers wait for the whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, Any

import anyio
import anyio.to_thread
import msgspec
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.types import Receive, Scope, Send

from service.inference import Serving
from service.layers import PlainRoute
from service.predict import hang_up, whole_body
from service.problems import documented
from service.refusals import PROBLEMS_SHOWN, unreadable
from service.schemas import FeedbackRequest, FeedbackResponse
from service.security import feedback_client
from workbench.errors import Busy
from workbench.monitor import ModelMonitor
from workbench.records import LARGEST, Label
from workbench.rows import safe_text
from workbench.scores import label_text

MOST, PART = 10_000, 500
LINES = b"application/x-ndjson"


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    actuals: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MOST)]


class _Item(msgspec.Struct, forbid_unknown_fields=True):
    prediction_id: Annotated[str, msgspec.Meta(max_length=200)]
    actual: Any


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item; `message` where it is invalid."""

    row: int
    prediction_id: str | None
    fate: str
    field: str | None = None
    found: str | None = None
    allowed: str | None = None
    message: str | None = None


def feedback(body: FeedbackRequest) -> None:
    """Send the true values of earlier predictions; each id is accepted, duplicate, conflict, unknown or expired.

    An item that cannot be one is told under `invalid` and does not keep the others out; 422 if all are. Asked with
    `Accept: application/x-ndjson`, the verdicts come as they are reached, a line an item.
    """


def feedback_route(serving: Serving, monitor: ModelMonitor) -> PlainRoute:
    """POST /feedback as it is documented and answered."""
    return PlainRoute(
        "/feedback",
        feedback,
        app=FeedbackApp(serving, monitor),
        methods=["POST"],
        tags=["predictions"],
        response_model=FeedbackResponse,
        responses={
            200: {"content": {LINES.decode(): {"schema": {"type": "string"}}}},
            **documented(401, 403, 413, 415, 422),
        },
    )


class FeedbackApp:
    """Judges the items of a request in a thread.

    Parameters
    ----------
    serving : Serving
        Its version knows the classes that there are.
    monitor : ModelMonitor
        Joins actuals to predictions.
    """

    def __init__(self, serving: Serving, monitor: ModelMonitor) -> None:
        self._serving = serving
        self._monitor = monitor
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        feedback_client(Request(scope))
        body = await whole_body(receive)
        if body is None:
            await hang_up(send)
            return
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(os.cpu_count() or 1)
        items = await anyio.to_thread.run_sync(_items, body, limiter=self._limiter)
        scope["state"]["rows"] = len(items)
        if any(name == b"accept" and LINES in value for name, value in scope["headers"]):
            await self._stream(items, send)
            return
        found = []
        for part in _parts(items):
            found += await anyio.to_thread.run_sync(self._judge, part, limiter=self._limiter)
        content = await anyio.to_thread.run_sync(_summed, found, limiter=self._limiter)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _stream(self, items: list[msgspec.Raw], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", LINES)]})
        for part in _parts(items):
            verdicts = await anyio.to_thread.run_sync(self._judge, part, limiter=self._limiter)
            lines = b"".join(msgspec.json.encode(verdict) + b"\n" for verdict in verdicts)
            await send({"type": "http.response.body", "body": lines, "more_body": True})
        await send({"type": "http.response.body"})

    def _judge(self, part: list[tuple[int, msgspec.Raw]]) -> list[Verdict]:
        """The fates of some items, in their order; what is accepted is written down."""
        verdicts: dict[int, Verdict] = {}
        able: list[tuple[int, str, Label]] = []
        for row, raw in part:
            try:
                item = msgspec.json.decode(raw, type=_Item)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                told = safe_text(f"row {row}: {error or 'it is nested too deeply'}")
                verdicts[row] = Verdict(row, None, "invalid", message=told)
                continue
            allowed = self._refusal(item.actual)
            if allowed:
                verdicts[row] = _invalid(row, item, allowed)
            else:
                able.append((row, item.prediction_id, item.actual))
        try:
            fates = self._monitor.judge([(name, actual) for _, name, actual in able]) if able else []
        except Busy as error:
            raise HTTPException(503, str(error), {"Retry-After": "2"}) from error
        for (row, name, _), fate in zip(able, fates, strict=True):
            verdicts[row] = Verdict(row, name, fate)
        return [verdicts[row] for row, _ in part]

    def _refusal(self, actual: Any) -> str | None:
        """What an actual has to be, if it is not; a class nobody has seen would spoil every later training."""
        if self._monitor.settings.model.task == "regression":
            number = isinstance(actual, int | float) and not isinstance(actual, bool) and abs(actual) <= LARGEST
            return None if number else "a number"
        most = self._monitor.settings.service.max_text
        if isinstance(actual, str) and len(actual) > most:
            return f"a text of at most {most} characters"
        version = self._serving.current
        classes = version.classes if version else ()
        if not isinstance(actual, Label):
            return f"one of {', '.join(classes)}" if classes else "a class: a text, a number, true or false"
        return None if not classes or label_text(actual) in classes else f"one of {', '.join(classes)}"


def _items(body: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=_Body).actuals
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(str(error) or "it is nested too deeply") from error


def _parts(items: list[msgspec.Raw]) -> Iterator[list[tuple[int, msgspec.Raw]]]:
    for start in range(0, len(items), PART):
        yield list(enumerate(items[start : start + PART], start))


def _invalid(row: int, item: _Item, allowed: str) -> Verdict:
    found = safe_text(repr(item.actual))
    message = f"row {row}, field 'actual': found {found}, allowed is {allowed}"
    name = safe_text(item.prediction_id)
    return Verdict(row, name, "invalid", field="actual", found=found, allowed=allowed, message=message)


def _summed(verdicts: list[Verdict]) -> bytes:
    """All verdicts as one answer.

    Raises
    ------
    RequestValidationError
        If all items are invalid.
    """
    invalid = [verdict for verdict in verdicts if verdict.fate == "invalid"]
    if len(invalid) == len(verdicts):
        shown = invalid[:PROBLEMS_SHOWN]
        raise RequestValidationError([{f: getattr(v, f) for f in PROBLEM} for v in shown])
    by_fate: dict[str, list[Any]] = {name: [] for name in FATES}
    for verdict in verdicts:
        if verdict.fate != "invalid":
            by_fate[verdict.fate].append(verdict.prediction_id)
    counts = {name: len(ids) for name, ids in by_fate.items()} | {"invalid": len(invalid)}
    told = [{"row": v.row, "prediction_id": v.prediction_id, "message": v.message} for v in invalid]
    return msgspec.json.encode({"counts": counts, **by_fate, "invalid": told})


FATES = ("accepted", "duplicate", "conflict", "unknown", "expired")
PROBLEM = ("row", "field", "found", "allowed", "message")
