"""What the service tells of itself: how long each request took, and a heartbeat every few seconds."""

from __future__ import annotations

import logging
import threading
import time

import psutil
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import tracing
from service.inference import Serving
from service.notes import Notes
from service.problems import fail
from workbench.logs import request_id
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now, utc_text
from workbench.records import Heartbeat

log = logging.getLogger("workbench.service")
FOLLOW_S = 0.5


class Telemetry:
    """Times each request from receipt to first and last byte, and has it noted.

    The outermost of our layers: it also names the request, and answers what nobody expected.
    """

    def __init__(self, app: ASGIApp, notes: Notes) -> None:
        self.app = app
        self._notes = notes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received = time.perf_counter()
        state = scope.setdefault("state", {})
        state["received"] = received
        told = tracing.name(scope["headers"], state)
        # What is logged meanwhile bears it, also by threads; read only when there is something to log.
        request_id.set(state["request_id"].decode)
        status, first = 500, 0.0

        async def timed_send(message: Message) -> None:
            nonlocal status, first
            if message["type"] == "http.response.start":
                status, first = message["status"], time.perf_counter()
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        try:
            await self.app(scope, receive, timed_send)
        except Exception:
            if first:
                raise
            await fail(scope, receive, timed_send)
        finally:
            done = time.perf_counter()
            route = scope.get("route")
            # The route's pattern, not the address asked for: clients must not make up names of time series.
            path = getattr(route, "path", "other")
            self._notes.add((path, status, (first or done) - received, done - received, state))


class Pulse(threading.Thread):
    """This worker's clockwork: follows the pointer, says that it lives, and writes what had to wait for the disk."""

    def __init__(self, serving: Serving, store: MetricsStore, *, worker: int, every_s: float) -> None:
        super().__init__(name="pulse", daemon=True)
        self.started_at = utc_text(utc_now())
        self._serving = serving
        self._store = store
        self._worker = worker
        self._every_s = every_s
        self._ended = threading.Event()

    def run(self) -> None:
        process = psutil.Process()
        process.cpu_percent()
        next_beat, told = 0.0, self._serving.current
        while not self._ended.wait(min(FOLLOW_S, self._every_s)):
            self._serving.follow()
            # After a switch at once, so that the summary says which worker is on which version.
            if time.monotonic() >= next_beat or self._serving.current is not told:
                next_beat, told = time.monotonic() + self._every_s, self._serving.current
                self._beat(process)

    def end(self) -> None:
        self._ended.set()
        self.join(timeout=5)

    def _beat(self, process: psutil.Process) -> None:
        self._store.flush()
        version, spent = self._serving.current, process.cpu_times()
        self._store.append(
            Heartbeat(
                worker=self._worker,
                started_at=self.started_at,
                every_s=self._every_s,
                version=version.id if version else None,
                cpu_share=process.cpu_percent() / 100,
                memory_mb=process.memory_info().rss / 1e6,
                cpu_s=spent.user + spent.system,
                open_files=process.num_fds(),
                deferred=self._store.deferred,
                lost=self._store.lost,
                error=self._serving.error,
                replica=self._store.replica,
            )
        )
