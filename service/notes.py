"""What is noted of requests that have been answered: a line each in the store, and some counts.

Some at a time: to write each by itself costs three times as much, of which those who ask next would wait. A worker that
is killed takes the notes of its last moments along, never a prediction.

Names of time series end in their unit, durations in seconds; labels have few values: routes, statuses, versions.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from functools import lru_cache
from typing import Any

from msgspec import UNSET

from service.histograms import Histogram
from workbench.metrics_store import MetricsStore
from workbench.records import Request
from workbench.traffic import PREDICTING

TOGETHER_S = 0.005
UNRECORDED = ("/health", "/ready", "/v2/health/live", "/v2/health/ready", "/metrics", "/openapi.json", "/docs")
# A single row takes less than a millisecond, a large batch seconds.
SECONDS = (2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RESPONSE = Histogram(
    "workbench_response_seconds", "Receipt to last byte.", ["path", "status", "version"], buckets=SECONDS
)
LATENCY = Histogram(
    "workbench_prediction_latency_seconds",
    "Receipt to first byte of a request for predictions.",
    ["status", "version"],
    buckets=SECONDS,
)
SIZES = Histogram(
    "workbench_request_predictions",
    "Predictions that one request asked for.",
    ["status", "version"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000),
)
RECORDING = Histogram(
    "workbench_recording_seconds",
    "Of a request, what writing down its predictions took.",
    buckets=(5e-6, 1e-5, 1.5e-5, 2.5e-5, 5e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
)
# How many requests and predictions there were is told by these, too; each count is a microsecond of every request.
HISTOGRAMS: tuple[Histogram, ...] = (RESPONSE, LATENCY, SIZES, RECORDING)

# Path, status, seconds to the first and to the last byte, and what else is known of a request.
Note = tuple[str, int, float, float, dict[str, Any]]


class Notes:
    """Of one worker.

    Parameters
    ----------
    store : MetricsStore
    together_s : float
        So long notes wait for others; 0: each is written at once.
    """

    def __init__(self, store: MetricsStore, together_s: float = TOGETHER_S) -> None:
        self._store = store
        self._together_s = together_s
        self._held: deque[Note] = deque()
        self._due = False
        self._writing: asyncio.Future[None] | None = None

    def add(self, note: Note) -> None:
        """Take a note; on the event loop."""
        self._held.append(note)
        if self._together_s == 0:
            self.write()
        elif not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(self._together_s, self._begin)

    def _begin(self) -> None:
        self._due = False
        if self._store.waits_for_disk:
            self._writing = asyncio.get_running_loop().run_in_executor(None, self.write)
        else:
            self.write()

    def write(self) -> None:
        """Count and write down what is held; any thread may ask for it, who is about to look at it."""
        records = []
        seen: defaultdict[Histogram, list[float]] = defaultdict(list)
        while self._held:
            try:
                path, status, latency_s, response_s, state = self._held.popleft()
            except IndexError:
                # Another thread took the last one.
                break
            rows, version = state.get("rows", 0), state.get("version")
            seen[_response(path, status, version)].append(response_s)
            if path in PREDICTING:
                latency, sizes = _prediction(status, version)
                seen[latency].append(latency_s)
                seen[sizes].append(rows)
                if "recording_s" in state:
                    seen[RECORDING].append(state["recording_s"])
            if path not in UNRECORDED:
                records.append(
                    Request(
                        path=path,
                        status=status,
                        rows=rows,
                        version=version,
                        response_s=response_s,
                        latency_s=latency_s,
                        traceparent=state.get("traceparent", UNSET),
                    )
                )
        for histogram, values in seen.items():
            histogram.observe_all(values)
        if records:
            self._store.put(Request, records)


# Finding the child of a metric by its labels costs more than counting.
@lru_cache(maxsize=1024)
def _response(path: str, status: int, version: str | None) -> Histogram:
    return RESPONSE.labels(path, str(status), version or "")


@lru_cache(maxsize=256)
def _prediction(status: int, version: str | None) -> tuple[Histogram, Histogram]:
    return LATENCY.labels(str(status), version or ""), SIZES.labels(str(status), version or "")
