"""What the service tells of itself: a line and some counts a request, and a heartbeat every few seconds.

Names of time series end in their unit, durations in seconds; labels have few values: routes, statuses, versions.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import lru_cache

import anyio
import anyio.to_thread
import prometheus_client
import psutil
from msgspec import UNSET
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import tracing
from service.inference import Serving
from service.problems import fail
from workbench.logs import request_id
from workbench.metrics_store import MetricsStore
from workbench.records import Heartbeat, utc_now, utc_text
from workbench.records import Request as RequestRecord
from workbench.traffic import PREDICTING

log = logging.getLogger("workbench.service")
FOLLOW_S = 0.5
UNRECORDED = ("/health", "/ready", "/v2/health/live", "/v2/health/ready", "/metrics", "/openapi.json", "/docs")

# A single row takes less than a millisecond, a large batch seconds.
SECONDS = (2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RESPONSE = prometheus_client.Histogram(
    "workbench_response_seconds", "Receipt to last byte.", ["path", "status", "version"], buckets=SECONDS
)
LATENCY = prometheus_client.Histogram(
    "workbench_prediction_latency_seconds",
    "Receipt to first byte of a request for predictions.",
    ["status", "version"],
    buckets=SECONDS,
)
SIZES = prometheus_client.Histogram(
    "workbench_request_predictions",
    "Predictions that one request asked for.",
    ["status", "version"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000),
)
RECORDING = prometheus_client.Histogram(
    "workbench_recording_seconds",
    "Of a request, what writing down its predictions took.",
    buckets=(5e-6, 1e-5, 1.5e-5, 2.5e-5, 5e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
)
# How many requests and predictions there were is told by these, too; each count is a microsecond of every request.
HISTOGRAMS: tuple[prometheus_client.Histogram, ...] = (RESPONSE, LATENCY, SIZES, RECORDING)


class Telemetry:
    """Times each request from receipt to first and last byte, and writes it down after the last byte is out.

    The outermost of our layers: it also names the request, and answers what nobody expected.
    """

    def __init__(self, app: ASGIApp, store: MetricsStore) -> None:
        self.app = app
        self.store = store

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
            record = _told(scope, status, (first or done) - received, done - received)
            if record is not None:
                if self.store.waits_for_disk:
                    with anyio.CancelScope(shield=True):
                        await anyio.to_thread.run_sync(self.store.put, RequestRecord, (record,))
                else:
                    self.store.put(RequestRecord, (record,))


def _told(scope: Scope, status: int, latency_s: float, response_s: float) -> RequestRecord | None:
    """Count a request; the line that is to be written about it, if any."""
    route = scope.get("route")
    # The route's pattern, not the address asked for: clients must not make up names of time series.
    path = getattr(route, "path", "other")
    state = scope["state"]
    rows, version = state.get("rows", 0), state.get("version")
    _response(path, status, version).observe(response_s)
    if path in PREDICTING:
        latency, sizes = _prediction(status, version)
        latency.observe(latency_s)
        sizes.observe(rows)
    if path in UNRECORDED:
        return None
    return RequestRecord(
        path=path,
        status=status,
        rows=rows,
        version=version,
        response_s=response_s,
        latency_s=latency_s,
        traceparent=state.get("traceparent", UNSET),
    )


# Finding the child of a metric by its labels costs more than counting.
@lru_cache(maxsize=1024)
def _response(path: str, status: int, version: str | None) -> prometheus_client.Histogram:
    return RESPONSE.labels(path, str(status), version or "")


@lru_cache(maxsize=256)
def _prediction(status: int, version: str | None) -> tuple[prometheus_client.Histogram, prometheus_client.Histogram]:
    return LATENCY.labels(str(status), version or ""), SIZES.labels(str(status), version or "")


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
            )
        )
