"""/predict and /feedback, and the version this worker answers with."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError

from service.schemas import ErrorBody, FeedbackRequest, FeedbackResponse, PredictRequest, PredictResponse, Problems
from service.security import app_client, feedback_client
from workbench.errors import WorkbenchError
from workbench.monitor import ModelMonitor
from workbench.records import LARGEST
from workbench.rows import problems, safe_text
from workbench.scores import label_text
from workbench.served_version import ServedVersion
from workbench.version_store import VersionStore

log = logging.getLogger("workbench.service")
router = APIRouter(tags=["predictions"])
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
PROBLEMS_SHOWN = 20
RETRY_S = 5.0


class Serving:
    """Follows the pointer: a new version is loaded beside the old one, which serves until the new one is proven.

    The live version and the one before stay in memory, so that going back costs nothing.
    """

    def __init__(self, versions: VersionStore) -> None:
        self.versions = versions
        self.current: ServedVersion | None = None
        self.error: str | None = None
        self._loaded: dict[str, ServedVersion] = {}
        self._stamp: tuple[int, int] | None = None
        self._retry_at = 0.0
        self._loading = threading.Lock()

    def follow(self) -> None:
        """Look at the pointer; costs a stat unless it has moved. A new version is loaded by a thread of its own."""
        moved = self.versions.pointer.stamp() != self._stamp
        again = self.error is not None and time.monotonic() >= self._retry_at
        if (moved or again) and self._loading.acquire(blocking=False):
            threading.Thread(target=self._load, name="load-version", daemon=True).start()

    def settle(self, timeout_s: float) -> None:
        """Wait until no version is being loaded, at most so long."""
        if self._loading.acquire(timeout=timeout_s):
            self._loading.release()

    def _load(self) -> None:
        try:
            self._stamp = self.versions.pointer.stamp()
            live = self.versions.live()
            if live is None:
                self.error = None
                return
            version = self._loaded.get(live.version_id) or self.versions.serve(live.version_id)
            before, self.current, self.error = self.current, version, None
            self._loaded = {v.id: v for v in (before, version) if v is not None}
        except (WorkbenchError, OSError) as error:
            log.exception("the live version cannot be loaded")
            self.error, self._retry_at = f"the live version cannot be loaded: {error}", time.monotonic() + RETRY_S
        finally:
            self._loading.release()


@router.post(
    "/predict",
    response_model=PredictResponse,
    responses={422: {"model": Problems}, 500: {"model": ErrorBody}, 503: {"model": ErrorBody}},
    dependencies=[Depends(app_client)],
)
def predict(request: Request, body: PredictRequest) -> Response:
    """Predict one or more instances; every prediction is recorded under an id that `/feedback` takes."""
    serving: Serving = request.app.state.serving
    monitor: ModelMonitor = request.app.state.monitor
    serving.follow()
    version = serving.current
    if version is None:
        raise HTTPException(503, serving.error or "no version is live yet", {"Retry-After": "2"})
    request.state.rows, request.state.version = len(body.instances), version.id
    _check(body.instances, version, monitor)
    try:
        said = version.predictor.answer(body.instances)
    except ValueError as error:
        # What the schema allows and the model cannot take, such as numbers beyond its precision.
        raise RequestValidationError(
            [{"row": None, "field": None, "message": f"the model refuses: {error}"}]
        ) from error
    except Exception as error:
        # A model may raise anything; the client learns which version failed, the log why.
        log.exception("%s failed", version.id)
        told = f"version {version.id} failed on these instances ({type(error).__name__}); the service's log says why"
        raise HTTPException(500, told, {"X-Model-Version": version.id}) from error
    request_id = request_id_of(request)
    recorded = monitor.record_rows(
        body.instances,
        said.predictions,
        schema=version.schema,
        version=version.id,
        response_s=time.perf_counter() - request.state.received,
        probabilities=said.probabilities,
        request_id=request_id,
    )
    content: dict[str, Any] = {
        "predictions": said.predictions,
        "prediction_ids": [p.id for p in recorded],
        "model_version": version.id,
    }
    if said.classes is not None:
        content |= {"probabilities": said.probabilities, "classes": said.classes}
    headers = {"X-Model-Version": version.id, "X-Request-ID": request_id}
    if monitor.store.deferred_predictions():
        headers["X-Recorded"] = "deferred"
    return Response(msgspec.json.encode(content), media_type="application/json", headers=headers)


def _check(instances: list[Any], version: ServedVersion, monitor: ModelMonitor) -> None:
    max_rows, latest = monitor.settings.service.max_rows, monitor.latest()
    if len(instances) > max_rows:
        raise HTTPException(413, f"{len(instances)} instances; at most {max_rows} a request ([service] max_rows)")
    wrong = []
    for row, instance in enumerate(instances):
        for problem in problems(instance, version.schema, latest):
            where = f"row {row}" + (f", field {problem['field']!r}" if problem["field"] else "")
            message = f"{where}: found {problem['found']!r}, allowed is {problem['allowed']}"
            wrong.append({"row": row, **problem, "message": message})
        if len(wrong) >= PROBLEMS_SHOWN:
            break
    if wrong:
        raise RequestValidationError(wrong)


@router.post(
    "/feedback",
    response_model=FeedbackResponse,
    responses={422: {"model": Problems}},
    dependencies=[Depends(feedback_client)],
)
def feedback(request: Request, body: FeedbackRequest) -> dict[str, Any]:
    """Send the true values of earlier predictions; each id is accepted, duplicate, conflict, unknown or expired."""
    monitor: ModelMonitor = request.app.state.monitor
    request.state.rows = len(body.actuals)
    wrong = []
    for row, item in enumerate(body.actuals):
        allowed = _refusal(item.actual, monitor, request.app.state.serving.current)
        if allowed:
            found = safe_text(repr(item.actual))
            message = f"row {row}, field 'actual': found {found}, allowed is {allowed}"
            wrong.append({"row": row, "field": "actual", "found": found, "allowed": allowed, "message": message})
    if wrong:
        raise RequestValidationError(wrong[:PROBLEMS_SHOWN])
    verdict = msgspec.structs.asdict(monitor.feedback([(a.prediction_id, a.actual) for a in body.actuals]))
    return {"counts": {name: len(ids) for name, ids in verdict.items()}, **verdict}


def _refusal(actual: Any, monitor: ModelMonitor, version: ServedVersion | None) -> str | None:
    """What an actual has to be, if it is not; a class nobody has seen would spoil every later training."""
    if monitor.settings.model.task == "regression":
        number = isinstance(actual, int | float) and not isinstance(actual, bool) and abs(actual) <= LARGEST
        return None if number else "a number"
    classes = version.classes if version else ()
    return None if not classes or label_text(actual) in classes else f"one of {', '.join(classes)}"


def request_id_of(request: Request) -> str:
    """The client's X-Request-ID if it is a harmless one, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
