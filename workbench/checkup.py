"""One evaluation from the records of a window: data, drift, the model's view, performance, service.

Pure: no disk, no clock; the same records give the same evaluation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd
from threadpoolctl import threadpool_limits

from workbench import drift, performance, profiles
from workbench.evaluation import (
    DriftResult,
    Evaluation,
    FeatureProfile,
    ModelView,
    PerformanceResult,
    Score,
    ServiceResult,
)
from workbench.features import window_frame
from workbench.loaded_version import LoadedVersion
from workbench.records import Actual, Metadata, Prediction, Task, utc_text
from workbench.settings import Settings

MAX_PERIODS = 100
# Of `false_alarm_rate`: drift of the inputs, the model's view of it, and performance, each for all its tests.
BUDGET = {"drift": 0.6, "model": 0.2, "performance": 0.2}
Labelled = Sequence[tuple[Prediction, Actual]]


def evaluate(
    recorded: Sequence[Prediction],
    labelled: Labelled,
    service: ServiceResult,
    live: Metadata,
    reference: Sequence[FeatureProfile],
    model: LoadedVersion | None,
    *,
    settings: Settings,
    accepted: Mapping[str, str],
) -> Evaluation:
    """Check a window.

    Parameters
    ----------
    recorded : the predictions of the window and of the one before it, oldest first
    labelled : all predictions that have an actual, oldest first
    service : statistics of the service
    live : Metadata
        Of the live version: its schema, and its holdout metrics as the baseline of performance.
    reference : profile of the live version
    model : LoadedVersion, optional
        The live version itself; without it the model's view is `insufficient`.
    accepted : mapping of feature to reason
        Drift that a person took as the new normal.
    """
    own = [p for p in recorded[-settings.monitor.window :] if p.version == live.version_id]
    inputs, misfits = window_frame([p.inputs for p in own], live.features)

    def beside(profile: Sequence[FeatureProfile]) -> DriftResult:
        rate = settings.monitor.false_alarm_rate * BUDGET["drift"]
        return drift.check(
            inputs, profile, limits=settings.drift, false_alarm_rate=rate, accepted=accepted, misfits=misfits
        )

    found = beside(reference)
    view = _model_view(own, inputs, found, live, model, settings)
    # What moves the predictions most is told first.
    weighed = drift.backed(found.features, view.impacts, settings.drift.min_impact)
    found = drift.summarise(weighed, n=found.n, level=found.level, first=[i.feature for i in view.impacts])
    before = _before(recorded, own, settings.monitor.window)
    previous = DriftResult(state="insufficient", sentence="insufficient: no predictions before this window", n=len(own))
    if before:
        frame, _ = window_frame([p.inputs for p in before], live.features)
        previous = drift.slim(beside(profiles.like(frame, reference)))
    times = sorted(p.event_time for p in own)
    return Evaluation(
        version=live.version_id,
        n=len(own),
        first_id=own[0].id if own else None,
        last_id=own[-1].id if own else None,
        first_event_time=times[0] if own else None,
        last_event_time=times[-1] if own else None,
        service=service,
        data=drift.data_result(found, previous),
        drift=found,
        previous=previous,
        model=view,
        performance=_performance(own, labelled, live, settings),
        thresholds={
            "drift": settings.drift.model_dump(),
            "performance": settings.performance.model_dump(),
            "max_response_s": settings.monitor.max_response_s,
            "false_alarm_rate": settings.monitor.false_alarm_rate,
        },
    )


def _before(recorded: Sequence[Prediction], own: Sequence[Prediction], size: int) -> Sequence[Prediction]:
    """As many predictions before the window, whichever version made them."""
    end = next((i for i, p in enumerate(recorded) if own and p.id == own[0].id), 0)
    return recorded[max(0, end - size) : end]


def _model_view(
    own: Sequence[Prediction],
    inputs: pd.DataFrame,
    found: DriftResult,
    live: Metadata,
    model: LoadedVersion | None,
    settings: Settings,
) -> ModelView:
    if model is None or model.outputs is None:
        return ModelView(state="insufficient", sentence="insufficient: the version could not be asked")
    if not own:
        return ModelView(state="insufficient", sentence="insufficient: no predictions of this version")
    # Here, and not above: whoever reads evaluations does not need scikit-learn.
    from workbench import ensemble, model_view

    # On a busy machine, threads that wait for each other are many times slower than one.
    with threadpool_limits(1):
        return model_view.judge(
            inputs,
            model.sample,
            outputs=ensemble.output_column(live.task, [p.output for p in own], [p.probabilities for p in own]),
            disagreement=ensemble.disagreement(model.estimator, inputs),
            reference=model.outputs,
            ask=lambda frame: ensemble.ask(model.estimator, live.features, frame),
            moved=[f.feature for f in found.features if f.state in ("drift", "possible")],
            # What is broken, or was accepted, must not be found a second time; and of what has too few independent
            # rows to be judged alone, a few hours of one day would be told apart from a year.
            without={f.feature for f in found.features if f.state in ("broken", "insufficient") or f.accepted},
            limits=settings.drift,
            false_alarm_rate=settings.monitor.false_alarm_rate * BUDGET["model"],
        )


def _performance(
    own: Sequence[Prediction], labelled: Labelled, live: Metadata, settings: Settings
) -> PerformanceResult:
    in_window = {p.id for p in own}
    current = [pair for pair in labelled if pair[0].id in in_window]
    return performance.judge(
        _scores(live.task, current),
        live.metrics,
        metric=settings.metric,
        n=len(own),
        labelled=len(current),
        min_rows=settings.performance.min_rows,
        max_loss=settings.performance.max_loss,
        by_version=_by_version(live.task, labelled),
        over_time=_over_time(live.task, labelled, settings.monitor.period),
    )


def _scores(task: Task, labelled: Labelled) -> dict[str, float | None]:
    return performance.scores(
        task,
        [a.actual for _, a in labelled],
        [p.output for p, _ in labelled],
        [p.probabilities for p, _ in labelled],
    )


def _by_version(task: Task, labelled: Labelled) -> tuple[Score, ...]:
    groups: dict[str, list[tuple[Prediction, Actual]]] = defaultdict(list)
    for pair in labelled:
        groups[pair[0].version].append(pair)
    return tuple(
        Score(
            n=len(group),
            metrics=_scores(task, group),
            version=version,
            start=min(p.event_time for p, _ in group),
            end=max(p.event_time for p, _ in group),
        )
        for version, group in groups.items()
    )


def _over_time(task: Task, labelled: Labelled, period: str) -> tuple[Score, ...]:
    """Metrics of each period of event time, for each version that answered in it."""
    if not labelled:
        return ()
    times = pd.to_datetime([p.event_time for p, _ in labelled], format="ISO8601", utc=True)
    starts = times.floor(period).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    groups: dict[tuple[str, str], list[tuple[Prediction, Actual]]] = defaultdict(list)
    for start, pair in zip(starts, labelled, strict=True):
        groups[start, pair[0].version].append(pair)
    newest = sorted(groups)[-MAX_PERIODS:]
    length = pd.Timedelta(period)
    return tuple(
        Score(
            n=len(groups[start, version]),
            metrics=_scores(task, groups[start, version]),
            version=version,
            start=start,
            end=utc_text((pd.Timestamp(start) + length).to_pydatetime()),
        )
        for start, version in newest
    )
