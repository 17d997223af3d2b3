"""/metrics: what all workers counted, and what the workspace's records say, in the format that the client asks for."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from service import gauges
from service.notes import HISTOGRAMS
from workbench import __version__
from workbench.errors import CorruptVersion
from workbench.locks import is_held
from workbench.monitor import ModelMonitor
from workbench.records import Event
from workbench.traffic import living, of_window
from workbench.version_store import VersionStore

router = APIRouter(tags=["telemetry"])
# Time series of versions that are long gone are told no more; each switch would add a hundred for good.
VERSIONS_TOLD = 10
# The last beats of 64 workers that live are among the last so many.
BEATS = 512


class Counted(Collector):
    """What requests counted, of all workers; of the versions that were live last alone."""

    def __init__(self, collectors: Sequence[Collector], versions: frozenset[str]) -> None:
        self._collectors = collectors
        self._versions = versions

    def collect(self) -> Iterator[Metric]:
        for collector in self._collectors:
            for metric in collector.collect():
                samples = metric.samples
                metric.samples = [s for s in samples if self._is_told(s.labels.get("version"))]
                yield metric
                if metric.name == "workbench_response_seconds":
                    yield _requests(samples)
                elif metric.name == "workbench_request_predictions":
                    yield _predictions(metric.samples)

    def _is_told(self, version: str | None) -> bool:
        return not version or version in self._versions


def _requests(responses: Iterable[Sample]) -> Metric:
    """Those of all versions, so that nothing falls when one is told no more."""
    counted: Counter[tuple[str, str]] = Counter()
    for sample in responses:
        if sample.name.endswith("_count"):
            counted[sample.labels["path"], sample.labels["status"]] += int(sample.value)
    family = CounterMetricFamily("workbench_requests", "HTTP requests answered.", labels=["path", "status"])
    for labels, n in counted.items():
        family.add_metric(labels, n)
    return family


def _predictions(sizes: Iterable[Sample]) -> Metric:
    counted: Counter[str] = Counter()
    for sample in sizes:
        if sample.name.endswith("_sum") and sample.labels["version"] and int(sample.labels["status"]) < 400:
            counted[sample.labels["version"]] += int(sample.value)
    family = CounterMetricFamily("workbench_predictions", "Rows predicted.", labels=["version"])
    for version, n in counted.items():
        family.add_metric([version], n)
    return family


class Recorded(Collector):
    """What the store holds. Each tail reads what was appended since the last scrape, and nothing twice."""

    def __init__(self, monitor: ModelMonitor, versions: VersionStore) -> None:
        self._monitor = monitor
        self._pointer = versions.pointer
        self._counted: tuple[list[Event], list[Metric]] | None = None
        self._live: tuple[Any, frozenset[str]] = (object(), frozenset())

    def versions(self) -> frozenset[str]:
        """Those that were live last; read anew after a switch."""
        stamp = self._pointer.stamp()
        if stamp != self._live[0]:
            log = [promotion.version_id for promotion in self._pointer.log()]
            self._live = stamp, frozenset(list(dict.fromkeys(reversed(log)))[:VERSIONS_TOLD])
        return self._live[1]

    def collect(self) -> Iterator[Metric]:
        store, settings, now = self._monitor.store, self._monitor.settings, self._monitor.clock()
        told = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("workbench_build", "This release.", value=told)
        try:
            live = self._pointer.read()
        except CorruptVersion:
            # /health and the workers' `load_failed` tell it; the rest is as true as before.
            live = None
        yield from gauges.of_live(settings, live, is_held(settings.metrics_dir / "maintainer.lock"))
        yield from self._of_events(store.events())
        yield from gauges.of_traffic(of_window(store.requests(), now=now, window=store.window_size))
        # Those of other machines are told there.
        beats = [beat for beat in store.heartbeats(BEATS) if beat.replica == store.replica]
        yield from gauges.of_workers(living(beats, now))
        checks = store.evaluations(1)
        if checks:
            yield from gauges.of_check(checks[-1])

    def _of_events(self, events: list[Event]) -> list[Metric]:
        # The very same list while nothing has happened.
        if self._counted is None or self._counted[0] is not events:
            self._counted = events, list(gauges.of_events(events))
        return self._counted[1]


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Prometheus or OpenMetrics text: counters of all workers together, the window, the last check, what was done."""
    state = request.app.state
    state.notes.write()
    if not hasattr(state, "recorded"):
        state.recorded = Recorded(state.monitor, state.versions)
    recorded: Recorded = state.recorded
    several = "PROMETHEUS_MULTIPROC_DIR" in os.environ
    collectors: Sequence[Collector] = [MultiProcessCollector(None)] if several else HISTOGRAMS
    registry = CollectorRegistry()
    registry.register(Counted(collectors, recorded.versions()))
    registry.register(recorded)
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=kind)
