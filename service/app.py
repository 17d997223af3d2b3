"""The FastAPI app of one worker: inference, maintenance, telemetry and security put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from service import inference, maintenance, problems, scrape, telemetry, v2
from service.aside import CommandLine, own_process
from service.docs import docs
from service.failed_tokens import FailedTokens
from service.feedback import feedback_route
from service.layers import Layer
from service.limits import Limits, Load
from service.logs import AccessLog
from service.notes import TOGETHER_S, Notes
from service.openapi import DescribedApp, openapi
from service.predict import predict_route
from service.schemas import Health, Ready
from service.security import JsonOnly, KnownHosts, OperatorOnly
from service.v2_infer import infer_routes
from workbench import kept_inputs
from workbench.jobs import Jobs
from workbench.locks import is_held
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now
from workbench.monitor import ModelMonitor
from workbench.settings import Settings
from workbench.sharing import trouble_here
from workbench.shelf import Shelf
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore

FIRST_LOAD_S = 10.0


def create_app(
    settings: Settings,
    *,
    worker: int = 1,
    together: Path | None = None,
    clock: Callable[[], datetime] = utc_now,
    command_line: CommandLine = own_process,
    note_together_s: float = TOGETHER_S,
    shelf: Path | None = None,
) -> FastAPI:
    """An app over one workspace.

    Parameters
    ----------
    settings : Settings
    worker : int
        Its number among the workers, told in heartbeats and /health.
    together : Path, optional
        A folder of all workers, in which they count wrong tokens; without it, this one counts for itself.
    clock : callable returning an aware datetime
    command_line : callable
        Runs the commands that check and switch.
    note_together_s : float
        As of `Notes`.
    shelf : path, optional
        Of a folder where the workers of a service share arrays in memory.
    """
    store = MetricsStore.of(settings, clock)
    notes = Notes(store, note_together_s)
    versions = VersionStore.of(settings, clock, shelf=Shelf(shelf) if shelf else None)
    serving = inference.Serving(versions)
    maintenance_token(settings.root)
    # Made or read now: a damaged key has to stop the start, and not the first prediction.
    kept_inputs.of_settings(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        serving.follow()
        pulse = telemetry.Pulse(serving, store, worker=worker, every_s=settings.service.heartbeat_s)
        pulse.start()
        # The worker listens after this: whoever it then meets is answered by a version, as long as there is one.
        await asyncio.to_thread(serving.settle, FIRST_LOAD_S)
        yield
        pulse.end()
        notes.write()
        store.flush()
        store.close()

    # The usual docs pages load scripts from another host; ours does not.
    app = DescribedApp(
        title=f"{settings.model.name}, model workbench",
        version="1",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redirect_slashes=False,
        redoc_url=None,
        # Looking with each request for a tracing that nobody has set up is a tenth of its time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.serving = serving
    app.state.versions = versions
    app.state.monitor = ModelMonitor(store, settings, clock=clock)
    app.state.jobs = Jobs(settings, store, clock=clock)
    app.state.command_line = command_line
    app.state.notes = notes
    app.state.failed_tokens = FailedTokens(
        settings.service.token_failures,
        together / "failed-tokens" if together else None,
        worker=worker,
        workers=max(worker, settings.service.workers),
    )
    app.state.worker = worker
    app.state.started = time.monotonic()
    operator_only = partial(OperatorOnly, settings=settings)
    layers: list[Layer] = [
        partial(telemetry.Telemetry, notes=notes),
        *([AccessLog] if settings.service.access_log else []),
        partial(KnownHosts, allowed_hosts=settings.service.allowed_hosts),
        operator_only,
        partial(Limits, limits=settings.service, load=Load()),
        JsonOnly,
    ]
    app.lay(layers, predict_route(serving, app.state.monitor), needless=(operator_only,))
    app.router.routes += infer_routes(serving, app.state.monitor)
    app.include_router(v2.router)
    app.router.routes.append(feedback_route(serving, app.state.monitor))
    app.include_router(maintenance.router)
    app.include_router(scrape.router)
    app.add_api_route("/health", health, methods=["GET"], response_model=Health, tags=["telemetry"])
    app.add_api_route(
        "/ready", ready, methods=["GET"], response_model=Ready, responses=problems.documented(503), tags=["telemetry"]
    )
    app.add_api_route("/openapi.json", openapi, methods=["GET"], tags=["telemetry"])
    app.add_api_route("/docs", docs, methods=["GET"], response_class=HTMLResponse, tags=["telemetry"])
    problems.add_handlers(app)
    return app


def health(request: Request) -> dict[str, Any]:
    """Alive; `degraded` with reasons when something needs a person."""
    serving, store = request.app.state.serving, request.app.state.monitor.store
    reasons = [serving.error] if serving.error else []
    if store.deferred:
        why = f" ({store.trouble})" if store.trouble else ""
        reasons.append(f"the metrics store cannot write{why}: {store.deferred} records wait, {store.lost} are lost")
    elif store.lost:
        reasons.append(f"{store.lost} records are lost: the disk refused them for too long")
    if store.unsynced:
        reasons.append(f"what was recorded is not on the disk: {store.unsynced}")
    if store.shared is not None and trouble_here(store.folder) is not None:
        # Where the database is, is nobody's business here.
        reasons.append("what is recorded waits on this disk and is not shared; the log of the maintainer says why")
    if request.app.state.monitor.trouble is not None:
        reasons.append(request.app.state.monitor.trouble)
    try:
        if not is_held(request.app.state.settings.metrics_dir / "maintainer.lock"):
            reasons.append("no maintainer is running; `python main.py serve` starts one")
    except OSError as error:
        reasons.append(f"metrics/ cannot be read: {error.strerror}")
    current = serving.current
    return {
        "status": "starting" if current is None and not reasons else "degraded" if reasons else "ok",
        "reasons": [problems.without_paths(request.scope, reason) for reason in reasons],
        "model_version": current.id if current else None,
        "worker": request.app.state.worker,
        "uptime_s": time.monotonic() - request.app.state.started,
    }


def ready(request: Request) -> dict[str, str]:
    """200 once a version is loaded and proven, else 503."""
    serving = request.app.state.serving
    if serving.current is None:
        raise HTTPException(503, serving.error or "no version is loaded yet", {"Retry-After": "2"})
    return {"model_version": serving.current.id}
