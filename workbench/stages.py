"""What the stages of a prediction cost on this machine: pure measuring, on a version and rows that are given.

The stages are those of the service's request path, called as it calls them; what the server adds (receiving, routing,
sending) is not among them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median

import msgspec

from workbench.instances import InstanceReader
from workbench.monitor import ModelMonitor
from workbench.predictor import Predictor
from workbench.records import Request, Value


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: its name, what it does, and the median of its microseconds."""

    name: str
    what: str
    microseconds: float


def prediction_stages(
    predictor: Predictor,
    monitor: ModelMonitor,
    rows: Sequence[Mapping[str, Value]],
    *,
    repeats: int = 1_000,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[Stage]:
    """Take the time of each stage of one request, again and again.

    Parameters
    ----------
    predictor : Predictor
        Of the version that is asked.
    monitor : ModelMonitor
        Over a store to throw away: `repeats` times `rows` predictions are written to it.
    rows : sequence of mappings
        The instances of the request, which the version's schema allows.
    repeats : int
    clock_ns : callable returning nanoseconds

    Returns
    -------
    list of Stage
        decode, predict, record and encode, which are request time; then note, the line about the request that is
        written after its answer.
    """
    reader = InstanceReader(predictor.schema)
    body = msgspec.json.encode({"instances": list(rows)})
    told = Request(path="/predict", status=200, rows=len(rows), version="bench", response_s=1e-4, latency_s=1e-4)
    taken: list[tuple[int, ...]] = []
    for _ in range(repeats):
        begun = clock_ns()
        asked = reader.read(body, monitor.latest)
        decoded = clock_ns()
        if asked is None:
            raise ValueError("the rows are not what the version's schema allows")
        said = predictor.answer(asked.rows)
        predicted = clock_ns()
        ids = monitor.record_answers(asked, said, version="bench", response_s=1e-4, request_id="0" * 32)
        recorded = clock_ns()
        msgspec.json.encode({"predictions": said.predictions, "prediction_ids": ids, "model_version": "bench"})
        encoded = clock_ns()
        monitor.store.put(Request, (told,))
        noted = clock_ns()
        moments = (begun, decoded, predicted, recorded, encoded, noted)
        taken.append(tuple(after - before for before, after in pairwise(moments)))
    return [
        Stage(name=name, what=what, microseconds=median(times) / 1e3)
        for (name, what), times in zip(STAGES.items(), zip(*taken, strict=True), strict=True)
    ]


STAGES = {
    "decode": "JSON into rows that the schema allows",
    "predict": "rows into answers",
    "record": "answers into this worker's segment, handed to the kernel",
    "encode": "answers into JSON",
    "note": "after the answer: the line about the request",
}
