"""/feedback, and the version this worker answers with."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError

from service.refusals import PROBLEMS_SHOWN
from service.schemas import FeedbackRequest, FeedbackResponse, Problems
from service.security import feedback_client
from workbench.errors import WorkbenchError
from workbench.monitor import ModelMonitor
from workbench.records import LARGEST
from workbench.rows import safe_text
from workbench.scores import label_text
from workbench.served_version import ServedVersion
from workbench.version_store import VersionStore

log = logging.getLogger("workbench.service")
router = APIRouter(tags=["predictions"])
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
