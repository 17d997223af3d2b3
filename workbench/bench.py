"""What this machine takes for a prediction, a record and a check: stage by stage, with the service's own functions.

On the live version and its own recorded inputs, or on its sample where there are none. What is written goes into a
scratch store that is gone afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workbench.answers import Answers
from workbench.checkup import evaluate
from workbench.errors import DataError
from workbench.evaluation import DriftResult, Evaluation
from workbench.instances import InstanceReader, Instances
from workbench.joining import first_of_each
from workbench.loaded_version import LoadedVersion, Reference
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_text
from workbench.monitor import ModelMonitor
from workbench.performance_result import PerformanceResult
from workbench.records import Pointer, Request, Value
from workbench.rows import problems
from workbench.sections import BUDGET
from workbench.settings import Settings
from workbench.stopwatch import Stage, timed

if TYPE_CHECKING:
    from workbench.served_version import ServedVersion

ROWS, BATCH = 200, 100
Row = dict[str, Value]


def recorded(metrics: MetricsStore, version: Reference) -> list[Row]:
    """The newest recorded inputs that the version's schema allows, at most 200."""
    rows = [dict(p.inputs) for p in metrics.last(min(ROWS, metrics.history_size))]
    return [row for row in rows if not problems(row, version.schema)]


def sampled(version: LoadedVersion, most: int = ROWS) -> list[Row]:
    """Rows of the version's own sample.

    Raises
    ------
    DataError
        If it has none.
    """
    from workbench.features import to_rows

    rows = to_rows(version.sample.head(most))
    if not rows:
        raise DataError(f"{version.id} has no sample, and nothing is recorded; send it a prediction first")
    return rows


def predicting(served: ServedVersion, rows: Sequence[Row], scratch: ModelMonitor, budget_s: float) -> list[Stage]:
    """The stages of a one-row request, and the model beside scikit-learn for one row and for a batch.

    Parameters
    ----------
    served : ServedVersion
    rows : at least one that the schema allows; they are asked in turn
    scratch : ModelMonitor
        Where records go.
    budget_s : float
        For each stage.
    """
    from workbench.ensemble import answer

    stage = partial(timed, budget_s=budget_s)
    schema, turn, batch = served.schema, cycle(rows), _batch(rows)
    reader = InstanceReader(schema)
    bodies = cycle([msgspec.json.encode({"instances": [row]}) for row in rows])
    said, asked = served.predictor.answer(rows[:1]), cycle([Instances([row]) for row in rows])
    told = {
        "predictions": said.predictions,
        "prediction_ids": _record(scratch, served, next(asked), said),
        "model_version": served.id,
    }
    estimator = served.predictor.estimator()
    return [
        stage("decode and check the body", lambda: reader.read(next(bodies), scratch.latest)),
        stage("encode and ask the model", lambda: served.predictor.answer([next(turn)])),
        stage("record it", lambda: _record(scratch, served, next(asked), said)),
        stage("write the answer", lambda: msgspec.json.encode(told)),
        stage(f"the model, {BATCH} rows", lambda: served.predictor.answer(batch)),
        stage("scikit-learn, 1 row", lambda: answer(estimator, schema, [next(turn)])),
        stage(f"scikit-learn, {BATCH} rows", lambda: answer(estimator, schema, batch)),
    ]


def recording(served: ServedVersion, rows: Sequence[Row], scratch: ModelMonitor, budget_s: float) -> list[Stage]:
    """What is written down: a prediction, a batch of them, a request; and the window as it is read afterwards."""
    stage = partial(timed, budget_s=budget_s)
    turn, batch = cycle([Instances([row]) for row in rows]), Instances(_batch(rows))
    one, many = served.predictor.answer(rows[:1]), served.predictor.answer(batch.rows)
    request = Request(path="/predict", status=200, rows=1, version=served.id, response_s=0.001, latency_s=0.001)
    return [
        stage("a prediction", lambda: _record(scratch, served, next(turn), one)),
        stage(f"{BATCH} predictions", lambda: _record(scratch, served, batch, many)),
        stage("a request", lambda: scratch.store.put(Request, (request,))),
        stage("the window, read anew", lambda: MetricsStore.of(scratch.settings).window()),
    ]


def checking(
    live: LoadedVersion, pointer: Pointer, metrics: MetricsStore, scratch: ModelMonitor, budget_s: float
) -> list[Stage]:
    """The parts of a check of the window on record, and the whole; where nothing is on record, of a scratch window."""
    from workbench import drift, performance_check
    from workbench.features import window_frame

    stage = partial(timed, budget_s=budget_s)
    settings, since, now = scratch.settings, pointer.activated_at, utc_text(scratch.clock())
    monitor = ModelMonitor(metrics, settings)
    history, actuals, service = metrics.history(), first_of_each(metrics.actuals()), monitor.summary()
    if not history:
        history = scratch.store.history()
    window = [p for p in history[-settings.monitor.window :] if p.version == live.id and p.recorded_at >= since]
    inputs, _ = window_frame([p.inputs for p in window], live.schema)
    rates = {part: settings.monitor.false_alarm_rate * BUDGET[part] for part in ("drift", "performance")}
    bare = Reference(metadata=live.metadata, profile=live.profile, holdout=live.holdout)

    def whole(version: Reference) -> Evaluation:
        return evaluate(history, actuals, service, version, settings=settings, accepted={}, now=now, since=since)

    def drifted() -> DriftResult:
        return drift.check(inputs, live.profile, limits=settings.drift, false_alarm_rate=rates["drift"])

    def performed() -> PerformanceResult:
        return performance_check.check(
            history,
            actuals,
            live.metadata,
            live.holdout,
            settings=settings,
            false_alarm_rate=rates["performance"],
            now=now,
            since=since,
        )

    return [
        stage("the service's statistics", monitor.summary),
        stage("inputs as columns", lambda: window_frame([p.inputs for p in window], live.schema)),
        stage("drift of the inputs", drifted),
        stage("performance", performed),
        stage("an evaluation without asking the version", lambda: whole(bare)),
        stage("the whole evaluation", lambda: whole(live)),
    ]


def scratch_monitor(settings: Settings, folder: Path) -> ModelMonitor:
    """A monitor like the workspace's that writes elsewhere: on the same disk, with the same settings."""
    elsewhere = settings.alone_in(folder)
    return ModelMonitor(MetricsStore.of(elsewhere), elsewhere)


def fill(scratch: ModelMonitor, served: ServedVersion, rows: Sequence[Row]) -> None:
    """A window of predictions of these rows in the scratch store."""
    many = [row for _, row in zip(range(scratch.store.window_size), cycle(rows), strict=False)]
    _record(scratch, served, Instances(many), served.predictor.answer(many))


def _batch(rows: Sequence[Row]) -> list[Row]:
    return [row for _, row in zip(range(BATCH), cycle(rows), strict=False)]


def _record(scratch: ModelMonitor, served: ServedVersion, asked: Instances, said: Answers) -> list[str]:
    return scratch.record_answers(asked, said, version=served.id, response_s=0.001, request_id="0" * 32)
