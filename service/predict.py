"""/predict: a plain ASGI app inside the FastAPI one, since it is asked a thousand times as often as all others.

It is documented as any other route, and the same layers stand before it. What takes longer than about a millisecond
leaves the event loop; an answer is recorded before it is given.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import msgspec
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.types import Receive, Scope, Send

from service.inference import Serving
from service.layers import PlainRoute
from service.problems import documented
from service.refusals import explain, too_many
from service.schemas import PredictRequest, PredictResponse
from service.security import app_client
from workbench.answers import Answers
from workbench.instances import InstanceReader, Instances
from workbench.monitor import ModelMonitor
from workbench.served_version import ServedVersion

log = logging.getLogger("workbench.service")
# So many bytes are decoded, and so many rows recorded, in a fraction of a millisecond.
BYTES_ON_LOOP, ROWS_ON_LOOP = 64_000, 100
T = TypeVar("T")
# An answer's bytes, and the headers that say what they are.
Content = tuple[bytes, tuple[tuple[bytes, bytes], ...]]
JSON_TYPE = ((b"content-type", b"application/json"),)


def predict(body: PredictRequest) -> None:
    """Predict one or more instances; every prediction is recorded under an id that `/feedback` takes."""


def predict_route(serving: Serving, monitor: ModelMonitor) -> PlainRoute:
    """POST /predict as it is documented and answered."""
    return PlainRoute(
        "/predict",
        predict,
        app=Predict(serving, monitor),
        methods=["POST"],
        tags=["predictions"],
        response_model=PredictResponse,
        responses=documented(401, 413, 415, 422, 503),
    )


class Predict:
    """Reads, answers and records the instances of a request.

    Parameters
    ----------
    serving : Serving
        Knows the version that answers.
    monitor : ModelMonitor
        Records what it said.
    threads : int, optional
        Requests that are worked on beside the event loop at once; others wait for their turn.
    """

    def __init__(self, serving: Serving, monitor: ModelMonitor, *, threads: int | None = None) -> None:
        self._serving = serving
        self._monitor = monitor
        self._guarded = bool(monitor.settings.service.predict_token_file)
        self._threads = threads or 2 * (os.cpu_count() or 1) + 2
        self._limiter: anyio.CapacityLimiter | None = None
        self._read_for: ServedVersion | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._guarded:
            app_client(Request(scope))
        version = self._version(scope)
        state = scope["state"]
        state["version"] = version.id
        body = await whole_body(receive)
        if body is None:
            await hang_up(send)
            return
        reader = self._reader_of(version)
        if len(body) > BYTES_ON_LOOP:
            content, kind = await self._beside(
                lambda: self._answer(version, self._read(version, reader, body, state), state)
            )
        else:
            asked = self._read(version, reader, body, state)
            if self._quick(version, len(asked.rows)):
                content, kind = self._answer(version, asked, state)
            else:
                content, kind = await self._beside(lambda: self._answer(version, asked, state))
        headers = [
            (b"content-length", b"%d" % len(content)),
            *kind,
            (b"x-model-version", version.id.encode()),
        ]
        if self._monitor.store.deferred_predictions():
            headers.append((b"x-recorded", b"deferred"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _version(self, scope: Scope) -> ServedVersion:
        """The version that is asked."""
        if self._serving.current is None:
            raise HTTPException(503, self._serving.error or "no version is live yet", {"Retry-After": "2"})
        return self._serving.current

    def _quick(self, version: ServedVersion, rows: int) -> bool:
        """Whether the event loop may wait for so many rows."""
        return rows <= ROWS_ON_LOOP and version.predictor.quick(rows) and not self._monitor.store.waits_for_disk

    async def _beside(self, work: Callable[[], T]) -> T:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._threads)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    def _reader_of(self, version: ServedVersion) -> InstanceReader:
        """That of the version's schema; made once, for those who ask one after another the same version."""
        if self._read_for is not version:
            self._read_for, self._reader = (
                version,
                InstanceReader(version.schema, self._monitor.settings.service.max_text),
            )
        return self._reader

    def _read(self, version: ServedVersion, reader: InstanceReader, body: bytes, state: dict[str, Any]) -> Instances:
        limits, latest = self._monitor.settings.service, self._monitor.latest
        asked = reader.read(body, latest)
        if asked is None:
            return explain(body, version.schema, latest(), limits=limits, state=state)
        state["rows"] = len(asked.rows)
        if len(asked.rows) > limits.max_rows:
            raise too_many(len(asked.rows), limits.max_rows)
        return asked

    def _answer(self, version: ServedVersion, asked: Instances, state: dict[str, Any]) -> Content:
        """The answer to some rows, recorded and encoded."""
        request_id = state["request_id"].decode()
        kept = version.keeper.rows(asked.rows)
        if kept is not asked.rows:
            asked = msgspec.structs.replace(asked, rows=kept)
        said = _said(version, asked, request_id)
        begun = time.perf_counter()
        ids = self._monitor.record_answers(
            asked,
            said,
            version=version.id,
            response_s=begun - state["received"],
            request_id=request_id,
            traceparent=state.get("traceparent", msgspec.UNSET),
        )
        state["recording_s"] = time.perf_counter() - begun
        return self._encoded(version, asked, said, ids)

    def _encoded(self, version: ServedVersion, asked: Instances, said: Answers, ids: list[str]) -> Content:
        content: dict[str, Any] = {
            "predictions": said.predictions,
            "prediction_ids": ids,
            "model_version": version.id,
        }
        if said.classes is not None:
            content["probabilities"], content["classes"] = said.probabilities, said.classes
        return msgspec.json.encode(content), JSON_TYPE


def _said(version: ServedVersion, asked: Instances, request_id: str) -> Answers:
    try:
        return version.predictor.answer(asked.rows)
    except ValueError as error:
        # What the schema allows and the model cannot take, such as numbers beyond its precision.
        message = f"the model refuses: {error}"
        raise RequestValidationError([{"row": None, "field": None, "message": message}]) from error
    except Exception as error:
        # A model may raise anything; the client learns which version failed, the log why.
        log.exception("request %s: %s failed", request_id, version.id)
        told = f"version {version.id} failed on these instances ({type(error).__name__}); the service's log says why"
        raise HTTPException(500, told, {"X-Model-Version": version.id}) from error


async def hang_up(send: Send) -> None:
    """End a request whose client is gone; nobody reads this."""
    await send({"type": "http.response.start", "status": 499, "headers": []})
    await send({"type": "http.response.body"})


async def whole_body(receive: Receive) -> bytes | None:
    """All of a request's body; None if the client hung up before."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if not message.get("more_body", False):
            return b"".join([*parts, part]) if parts else part
        parts.append(part)
