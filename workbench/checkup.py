"""One evaluation from the records of a window: data, drift, the model's view, performance, service.

Pure: no disk, no clock; the same records give the same evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.bars import Progress, silent
from workbench.drift_rules import LOOKS
from workbench.evaluation import (
    DriftResult,
    Evaluation,
    FeatureProfile,
    ModelView,
    ServiceResult,
)
from workbench.loaded_version import LoadedVersion, Reference
from workbench.performance_result import EstimateResult, PerformanceResult
from workbench.records import Actual, Prediction
from workbench.sections import BUDGET
from workbench.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from workbench import scores

# Of a window, how much is one entry of the estimate's track record, and of how many such entries it is made.
PART, PARTS = 4, 12
# Of a check, as its progress is told.
STEPS = 5


def evaluate(
    history: Sequence[Prediction],
    actuals: Mapping[str, Actual],
    service: ServiceResult,
    live: Reference,
    *,
    settings: Settings,
    accepted: Mapping[str, str],
    now: str,
    since: str = "",
    conflict: int = 0,
    expired: int = 0,
    earlier: Sequence[Evaluation] = (),
    progress: Progress = silent,
) -> Evaluation:
    """Check a window.

    Parameters
    ----------
    history : the predictions on record, oldest first; the window is the last of them
    actuals : first actual by prediction id
    service : statistics of the service
    live : Reference
        Of the live version; where it is a LoadedVersion it is also asked, else what needs that is `insufficient`.
    accepted : mapping of feature to reason
        Drift that a person took as the new normal.
    now : ISO text
        As of when.
    since : ISO text
        When the version went live; of what it answered in an earlier time as the live one nothing is judged.
    conflict, expired : int
        Actuals that were not taken.
    earlier : evaluations of this version, oldest first
        Those of rows before this window tell what its values were when they were right.
    progress : callable (stage, done, total)
    """
    # Here, and not above: who records and never checks, such as a worker, needs neither pandas nor scipy.
    from workbench import drift, performance_check, profiles
    from workbench.earlier import usual_before
    from workbench.features import window_frame

    model = live if isinstance(live, LoadedVersion) else None
    reference, metadata = live.profile, live.metadata
    recorded = history[-2 * settings.monitor.window :]
    own = [p for p in recorded[-settings.monitor.window :] if p.version == live.id and p.recorded_at >= since]
    inputs, misfits = window_frame([p.inputs for p in own], live.schema)

    def beside(profile: Sequence[FeatureProfile], **how: Any) -> DriftResult:
        rate = settings.monitor.false_alarm_rate * BUDGET["drift"]
        return drift.check(inputs, profile, limits=settings.drift, false_alarm_rate=rate, accepted=accepted, **how)

    progress("the inputs", 0, STEPS)
    found = beside(
        reference, misfits=misfits, before=usual_before(history, own, live, earlier, settings.monitor.window)
    )
    progress("the model's view", 1, STEPS)
    view = _model_view(own, inputs, found, model, settings)
    # What moves the predictions most is told first.
    weighed = drift.backed(found.features, view.impacts, settings.drift.min_impact)
    found = drift.summarise(weighed, n=found.n, level=found.level, first=[i.feature for i in view.impacts])
    progress("the window before", 2, STEPS)
    before = _before(recorded, own, settings.monitor.window)
    previous = DriftResult(state="insufficient", sentence="insufficient: no predictions before this window", n=len(own))
    if before:
        frame, _ = window_frame([p.inputs for p in before], live.schema)
        # What is broken is said once, by the first; this one says whether values still move.
        previous = drift.slim(beside(profiles.like(frame, reference), signs=False))
    progress("performance", 3, STEPS)
    quality = performance_check.check(
        history,
        actuals,
        metadata,
        live.holdout,
        settings=settings,
        false_alarm_rate=settings.monitor.false_alarm_rate * BUDGET["performance"],
        now=now,
        since=since,
        conflict=conflict,
        expired=expired,
    )
    times = sorted(p.event_time for p in own)
    progress("the estimate", 4, STEPS)
    return Evaluation(
        version=live.id,
        n=len(own),
        first_id=own[0].id if own else None,
        last_id=own[-1].id if own else None,
        first_event_time=times[0] if own else None,
        last_event_time=times[-1] if own else None,
        service=service,
        data=drift.data_result(found, _schema(service, reference, settings)),
        drift=found,
        previous=previous,
        model=view,
        performance=quality,
        estimate=_estimate(
            own, inputs, _told(history, actuals, live.id, since, _matured(quality, now)), actuals, model, settings
        ),
        thresholds={
            "drift": settings.drift.model_dump(),
            "performance": settings.performance.model_dump(mode="json"),
            "max_response_s": settings.monitor.max_response_s,
            "max_failed": settings.monitor.max_failed,
            "false_alarm_rate": settings.monitor.false_alarm_rate,
        },
    )


def _schema(service: ServiceResult, reference: Sequence[FeatureProfile], settings: Settings) -> str | None:
    """What was refused never became a prediction; only the requests show it."""
    from workbench import broken, channels

    return broken.schema(
        service.all.refused,
        service.all.requests,
        reference[0].n if reference else 0,
        least=settings.drift.min_refused_share,
        level=settings.monitor.false_alarm_rate * BUDGET["drift"] * channels.BROKEN_WEIGHT / LOOKS,
    )


def _before(recorded: Sequence[Prediction], own: Sequence[Prediction], size: int) -> Sequence[Prediction]:
    """As many predictions before the window, whichever version made them."""
    end = next((i for i, p in enumerate(recorded) if own and p.id == own[0].id), 0)
    return recorded[max(0, end - size) : end]


def _model_view(
    own: Sequence[Prediction],
    inputs: pd.DataFrame,
    found: DriftResult,
    model: LoadedVersion | None,
    settings: Settings,
) -> ModelView:
    if model is None or model.outputs is None:
        return ModelView(state="insufficient", sentence="insufficient: the version could not be asked")
    if not own:
        return ModelView(state="insufficient", sentence="insufficient: no predictions of this version")
    # Here, and not above: whoever reads evaluations does not need scikit-learn.
    from threadpoolctl import threadpool_limits

    from workbench import ensemble, model_view

    # On a busy machine, threads that wait for each other are many times slower than one.
    with threadpool_limits(1):
        return model_view.judge(
            inputs,
            model.sample,
            outputs=ensemble.output_column(model.schema.task, [p.output for p in own], [p.probabilities for p in own]),
            disagreement=ensemble.disagreement(model.estimator, inputs),
            reference=model.outputs,
            ask=lambda frame: ensemble.ask(model.estimator, model.schema, frame),
            moved=[f.feature for f in found.features if f.state in ("drift", "possible")],
            # What a feature shows alone, or was accepted, must not be found a second time; and of what has too few
            # independent rows to be judged alone, a few hours of one day would be told apart from a year.
            without={f.feature for f in found.features if f.state != "ok" or f.accepted},
            limits=settings.drift,
            false_alarm_rate=settings.monitor.false_alarm_rate * BUDGET["model"],
        )


def _matured(quality: PerformanceResult, now: str) -> str:
    """Predictions recorded up to then had the time to get their labels."""
    from workbench import labels

    return labels.mature_until(quality.labels.mature_after_s if quality.labels else None, now=now)


def _told(
    history: Sequence[Prediction], actuals: Mapping[str, Actual], version: str, since: str, limit: str
) -> list[Prediction]:
    """A version's predictions with actuals, up to `limit`: the labels that come first may be of the hard ones."""
    return [p for p in history if p.version == version and since <= p.recorded_at <= limit and p.id in actuals]


def _estimate(
    own: Sequence[Prediction],
    inputs: pd.DataFrame,
    told: Sequence[Prediction],
    actuals: Mapping[str, Actual],
    model: LoadedVersion | None,
    settings: Settings,
) -> EstimateResult:
    """The error of the window without its actuals, and how well that went for those `told` whose actuals came."""
    base = EstimateResult(state="insufficient", sentence="", metric=settings.metric, n=len(own))
    if model is None or model.holdout is None:
        return msgspec.structs.replace(base, sentence="insufficient: the version could not be asked")
    if not own:
        return msgspec.structs.replace(base, sentence="insufficient: no predictions of this version")
    from threadpoolctl import threadpool_limits

    from workbench import estimate, scores
    from workbench.features import window_frame

    task, classes, window = model.schema.task, model.holdout.classes, settings.monitor.window
    part = max(window // PART, 1)
    told = told[-part * PARTS :]
    frame, _ = window_frame([p.inputs for p in told], model.schema)

    def sample(rows: Sequence[Prediction], true: Sequence[object]) -> scores.Sample:
        return scores.sample(task, true, [p.output for p in rows], [p.probabilities for p in rows], classes=classes)

    metric = estimate.estimated(task, settings.metric)
    with threadpool_limits(1):
        return estimate.judge(
            model.error_model,
            # What was answered stands in for what is not known, and is not looked at.
            (inputs, sample(own, [p.output for p in own])),
            (frame, sample(told, [actuals[p.id].actual for p in told]), [p.event_time for p in told]),
            metric=metric,
            baseline=model.holdout.score.metrics.get(metric),
            level=settings.monitor.false_alarm_rate * BUDGET["estimate"] / LOOKS,
            min_loss=settings.performance.min_estimated_loss,
            block=part,
        )
