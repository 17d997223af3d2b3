"""What the service tells of itself: a line a request, a heartbeat every few seconds, and Prometheus metrics."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from functools import lru_cache

import anyio
import anyio.to_thread
import prometheus_client
import psutil
from fastapi import APIRouter, Request, Response
from msgspec import UNSET
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import tracing
from service.inference import Serving
from service.problems import fail
from workbench.metrics_store import MetricsStore
from workbench.records import Heartbeat, State, utc_now, utc_text
from workbench.records import Request as RequestRecord
from workbench.steering import steering

log = logging.getLogger("workbench.service")
router = APIRouter(tags=["telemetry"])
FOLLOW_S = 0.5
UNRECORDED = ("/health", "/ready", "/v2/health/live", "/v2/health/ready", "/metrics", "/openapi.json", "/docs")

REQUESTS = prometheus_client.Counter("workbench_requests", "HTTP requests answered.", ["path", "status"])
PREDICTIONS = prometheus_client.Counter("workbench_predictions", "Rows predicted.", ["version"])
RESPONSE = prometheus_client.Histogram("workbench_response_seconds", "Receipt to last byte.", ["path"])
RECORDING = prometheus_client.Histogram(
    "workbench_recording_seconds",
    "Of a request, what writing down its predictions took.",
    buckets=(5e-6, 1e-5, 1.5e-5, 2.5e-5, 5e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
)
STATES: dict[State, int] = {"insufficient": 0, "ok": 1, "possible": 2, "alarm": 3, "drift": 3, "broken": 3}
STATES_TOLD = "0 insufficient, 1 ok, 2 possible, 3 alarm (drift, broken data)"


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
    _requests(path, status).inc()
    _response(path).observe(response_s)
    if path in UNRECORDED:
        return None
    state = scope["state"]
    rows, version = state.get("rows", 0), state.get("version")
    if status < 400 and version:
        _predictions(version).inc(rows)
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
def _requests(path: str, status: int) -> prometheus_client.Counter:
    return REQUESTS.labels(path, str(status))


@lru_cache(maxsize=256)
def _response(path: str) -> prometheus_client.Histogram:
    return RESPONSE.labels(path)


@lru_cache(maxsize=256)
def _predictions(version: str) -> prometheus_client.Counter:
    return PREDICTIONS.labels(version)


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
        version = self._serving.current
        self._store.append(
            Heartbeat(
                worker=self._worker,
                started_at=self.started_at,
                every_s=self._every_s,
                version=version.id if version else None,
                cpu_share=process.cpu_percent() / 100,
                memory_mb=process.memory_info().rss / 1e6,
                deferred=self._store.deferred,
                lost=self._store.lost,
                error=self._serving.error,
            )
        )


class EvaluationCollector(Collector):
    """The last evaluation as gauges; a state as a number, so that 3 and above is what a person is told of."""

    def __init__(self, store: MetricsStore) -> None:
        self._store = store

    def collect(self) -> Iterator[GaugeMetricFamily]:
        held = steering(self._store.events(), None).hold is not None
        yield GaugeMetricFamily("workbench_held", "1 while people hold the automation (pause, pin).", value=int(held))
        evaluations = self._store.evaluations()
        if not evaluations:
            return
        last = evaluations[-1]
        for name, verdict in last.verdicts.items():
            yield GaugeMetricFamily(f"workbench_{name}_state", f"{name}: {STATES_TOLD}.", value=STATES[verdict.state])
        yield GaugeMetricFamily(
            "workbench_window_predictions", "Predictions of the live version in the window.", value=last.n
        )
        quality = GaugeMetricFamily(
            "workbench_performance", "Metrics of the window's labelled predictions.", labels=["metric"]
        )
        for metric, value in last.performance.metrics.items():
            if value is not None:
                quality.add_metric([metric], value)
        yield quality
        shift = GaugeMetricFamily("workbench_mean_shift", "In reference standard deviations.", labels=["feature"])
        noise = GaugeMetricFamily(
            "workbench_drift_noise",
            "Distance from the training reference; 1 is what 95 of 100 checks without drift stay within.",
            labels=["feature", "channel"],
        )
        for feature in last.drift.features:
            for name, channel in feature.channels.items():
                noise.add_metric([feature.feature, name], channel.noise)
                if name == "mean":
                    shift.add_metric([feature.feature], channel.value)
        yield shift
        yield noise


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Prometheus text: counters of all workers together, and the last evaluation."""
    registry = prometheus_client.CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)
    else:
        for collector in (REQUESTS, PREDICTIONS, RESPONSE, RECORDING):
            registry.register(collector)
    registry.register(EvaluationCollector(request.app.state.monitor.store))
    return Response(prometheus_client.generate_latest(registry), media_type=prometheus_client.CONTENT_TYPE_LATEST)
