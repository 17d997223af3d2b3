"""/maintenance: health of the model, history, retraining and version control, for the holder of the token.

Nothing is trained or switched here: that is a process of its own, the same command line a person would type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from msgspec import UNSET

from service.aside import aside, command
from service.maintenance_answers import DriftCheck, Page, PerformanceCheck, Summary, Version, Versions, Window
from service.problems import documented
from service.refusals import BoundedRoute
from service.schemas import (
    AcceptRequest,
    PauseRequest,
    PinRequest,
    Reason,
    RetrainRequest,
    WhatIfRequest,
)
from service.security import MAINTENANCE
from workbench import steering
from workbench.errors import DataError, UnknownVersion, WorkbenchError
from workbench.evaluation import Evaluation
from workbench.jobs import Jobs
from workbench.metrics_store import MetricsStore
from workbench.moments import parse_moment, utc_now
from workbench.monitor import ModelMonitor
from workbench.records import Record
from workbench.version_store import VersionStore

router = APIRouter(
    prefix=MAINTENANCE,
    tags=["maintenance"],
    route_class=BoundedRoute,
    responses=documented(401),
)
Limit = Annotated[int, Query(ge=1, le=1000)]
Before = Annotated[str | None, Query(max_length=200, description="An id: only records older than it.")]
Moment = Annotated[str | None, Query(description="ISO 8601.", json_schema_extra={"format": "date-time"})]
BY = "service"
T = TypeVar("T")
# Of a version that is asked aside: unknown; damaged, or another is being asked; cannot be asked; took too long.
ASIDE = documented(404, 409, 422, 503)
PAGED = documented(404, 422)


def reply(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _monitor(request: Request) -> ModelMonitor:
    return request.app.state.monitor


def _store(request: Request) -> MetricsStore:
    return request.app.state.monitor.store


def _versions(request: Request) -> VersionStore:
    return request.app.state.versions


def _page(
    records: Sequence[Record], limit: int, before: str | None, part: Callable[[Any], Any] = lambda r: r
) -> Response:
    """Newest first; `next` is the `before` of the page that follows, if there is one."""
    end = len(records)
    if before is not None:
        end = next((i for i, record in enumerate(records) if record.id == before), -1)
        if end < 0:
            raise HTTPException(404, "no record of this id is kept any more; begin without `before`")
    page = [part(record) for record in reversed(records[max(0, end - limit) : end])]
    return reply(Page(page, records[end - limit].id if end > limit else None))


@router.get("/summary")
def summary(request: Request) -> Response:
    """Service statistics now, workers, window, the last evaluation's verdicts, the last decision, a running retrain."""
    request.app.state.notes.write()
    store, live = _store(request), _versions(request).live()
    evaluations, events, window = store.evaluations(), store.events(), store.window()
    decisions = [e for e in events if e.kind == "decision"]
    last = evaluations[-1] if evaluations else None
    service, job = _monitor(request).summary(), _jobs(request).running()
    return reply(
        Summary(
            live=live,
            service=service,
            workers=service.workers,
            window=Window(
                size=store.window_size,
                n=len(window),
                first_id=window[0].id if window else None,
                last_id=window[-1].id if window else None,
            ),
            drift=last.drift if last else None,
            performance=last.performance if last else None,
            evaluated_at=last.recorded_at if last else None,
            last_decision=decisions[-1] if decisions else None,
            steering=steering.steering(events, live.version_id if live else None),
            maintenance=steering.stand(_monitor(request).settings, store, live, running=job is not None, now=utc_now()),
            retrain=job,
        )
    )


@router.get("/predictions", responses=PAGED)
def predictions(request: Request, limit: Limit = 100, before: Before = None) -> Response:
    """Recorded predictions, newest first; `before` reaches back as far as `history`."""
    store = _store(request)
    shallow = before is None and limit < store.window_size
    return _page(store.window() if shallow else store.history(), limit, before)


@router.get("/drift", responses=PAGED)
def drift(request: Request, limit: Limit = 20, before: Before = None) -> Response:
    """Drift results of past checks, newest first."""
    return _page(_store(request).evaluations(), limit, before, lambda e: _then(DriftCheck, e, e.drift))


@router.get("/performance", responses=PAGED)
def performance(request: Request, limit: Limit = 20, before: Before = None) -> Response:
    """Performance results of past checks, newest first."""
    return _page(_store(request).evaluations(), limit, before, lambda e: _then(PerformanceCheck, e, e.performance))


def _then(kind: type[T], evaluation: Evaluation, result: msgspec.Struct) -> T:
    about = {
        name: getattr(evaluation, name)
        for name in ("id", "recorded_at", "version", "first_event_time", "last_event_time")
    }
    return kind(**about, **msgspec.structs.asdict(result))


@router.get("/evaluations", responses=PAGED)
def evaluations(request: Request, limit: Limit = 20, before: Before = None) -> Response:
    """Whole evaluation records, newest first."""
    return _page(_store(request).evaluations(), limit, before)


@router.get("/events", responses=PAGED)
def events(request: Request, limit: Limit = 100, before: Before = None) -> Response:
    """Alarms, decisions, attempts, gate verdicts and switches, newest first."""
    return _page(_store(request).events(), limit, before)


@router.post("/check", responses=documented(404, 409))
async def check(request: Request) -> Response:
    """One check of the live version now, in a process of its own: the model's view of it takes a second."""
    if _versions(request).live() is None:
        raise UnknownVersion("no version is live; there is nothing to check")
    return await command(request, "check", done=(0, 1))


@router.post("/retrain", status_code=202, responses=documented(409, 422))
def retrain(request: Request, body: RetrainRequest) -> Response:
    """Start a retrain in a process of its own; 409 while one runs."""
    job = _jobs(request).start(
        reason=body.reason,
        by=BY,
        version_id=body.version_id,
        promote=body.promote,
        recipe=body.recipe,
        ensemble=body.ensemble,
    )
    return reply(job, 202)


@router.get("/retrain/{job}", responses=documented(404))
def retrain_job(request: Request, job: str) -> Response:
    """A retrain's state, stage and progress, and what came of it."""
    return reply(_job(request, job))


@router.delete("/retrain/{job}", responses=documented(404))
def cancel_retrain(request: Request, job: str) -> Response:
    """Ask a running retrain to end; nothing of it is published."""
    _job(request, job)
    return reply(_jobs(request).cancel(job))


@router.get("/versions", responses=documented(409, 422))
def versions(request: Request, at: Moment = None) -> Response:
    """All versions, oldest first, and the promotion log; with `at` (ISO 8601) also which was live then."""
    store = _versions(request)
    return reply(
        Versions(
            live=store.live(),
            versions=store.all(),
            promotions=store.pointer.log(),
            live_at=UNSET if at is None else store.pointer.live_at(parse_moment(at, "at")),
        )
    )


@router.get("/versions/compare", responses=ASIDE)
async def compare(
    request: Request,
    a: str | None = None,
    b: str | None = None,
    rows: Annotated[int | None, Query(ge=1, description="About how many recorded inputs both are asked.")] = None,
) -> Response:
    """Every version over the traffic it served, in a process of its own.

    With `a` and `b` these two side by side: where they differ, what each scored and served, and what both say to the
    last `rows` recorded inputs (default: a window).
    """
    if a is None and b is None and rows is None:
        return await aside(request, "compare")
    if a is None or b is None:
        raise DataError("name two versions to compare, a and b, or none for all of them")
    for version_id in (a, b):
        _versions(request).metadata(version_id)
    return await aside(request, "compare", a, b, *([] if rows is None else [f"--rows={rows}"]))


@router.get("/versions/{version_id}", responses=documented(404, 409))
def version(request: Request, version_id: str) -> Response:
    """One version's metadata, and when it went live."""
    store = _versions(request)
    log = [p for p in store.pointer.log() if p.version_id == version_id]
    return reply(Version(store.metadata(version_id), log))


@router.post("/versions/{version_id}/whatif", responses=ASIDE)
async def whatif(request: Request, version_id: str, body: WhatIfRequest | None = None) -> Response:
    """What this version would have said to the last `rows` recorded inputs (a window), in a process of its own.

    Agreement, the rows that change most, all metrics beside those of what was recorded where actuals are known, and the
    time per row.
    """
    _versions(request).metadata(version_id)
    asked = body or WhatIfRequest()
    rows = [] if asked.rows is None else [f"--rows={asked.rows}"]
    return await aside(request, "whatif", version_id, *rows, f"--most={asked.most}")


@router.post("/versions/{version_id}/activate", responses=documented(404, 409, 422))
async def activate(request: Request, version_id: str, body: Reason) -> Response:
    """Make a version live, after its hashes and golden predictions are checked."""
    _versions(request).metadata(version_id)
    return await _steer(request, "activate", version_id, f"--reason={body.reason}")


@router.post("/rollback", responses=documented(404, 409, 422))
async def rollback(request: Request, body: Reason) -> Response:
    """Undo the last switch; a second call undoes the first."""
    live = _versions(request).live()
    if live is None or live.previous is None:
        raise UnknownVersion("there is no earlier version to go back to")
    return await _steer(request, "rollback", f"--reason={body.reason}")


@router.post("/pin", responses=documented(404))
async def pin(request: Request, body: PinRequest) -> Response:
    """Keep a version live: nothing switches away from it by itself. `version_id` null ends that."""
    if body.version_id is not None:
        _versions(request).metadata(body.version_id)
    return await _steer(request, "pin", body.version_id or "--off", f"--reason={body.reason}")


@router.post("/pause", responses=documented(422))
def pause(request: Request, body: PauseRequest) -> Response:
    """Stop automatic retrains and switches, or let them go on (`paused: false`)."""
    told = steering.pause if body.paused else steering.resume
    return reply(told(_store(request), by=BY, reason=body.reason))


@router.post("/accept", responses=documented(404, 409, 422))
def accept(request: Request, body: AcceptRequest) -> Response:
    """Take a feature's drift as the new normal while the live version stays live."""
    versions = _versions(request)
    live = versions.live_id()
    if live is None or body.feature not in versions.metadata(live).features.names:
        raise HTTPException(404, "the live version has no such feature")
    return reply(steering.accept(_store(request), body.feature, live, by=BY, reason=body.reason))


def _jobs(request: Request) -> Jobs:
    return request.app.state.jobs


def _job(request: Request, job: str) -> Any:
    try:
        return _jobs(request).read(job)
    except WorkbenchError as error:
        raise HTTPException(404, str(error)) from error


async def _steer(request: Request, *words: str) -> Response:
    return await command(request, *words, f"--by={BY}")
