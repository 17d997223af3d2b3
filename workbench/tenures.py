"""Every version over the traffic it served: how much, how well, how quickly, under what drift, and when it was live.

Versions met different traffic, at different times: what sets two of them apart may be the traffic's doing.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from workbench import labels, traffic
from workbench.comparison_result import Check, DriftThen, Tenure, seconds, stretches
from workbench.evaluation import Traffic
from workbench.holdout import score
from workbench.moments import utc_text
from workbench.performance_check import names
from workbench.records import ALARMING, Actual, Metadata, Prediction, Request, Task
from workbench.scores import Sample, sample
from workbench.settings import Settings


def tenures(
    history: Sequence[Prediction],
    actuals: Mapping[str, Actual],
    checks: Sequence[Check],
    switches: Sequence[tuple[str, str]],
    published: Sequence[Metadata],
    *,
    settings: Settings,
    now: datetime,
) -> tuple[Tenure, ...]:
    """The tenure of each version.

    Parameters
    ----------
    history : predictions of all versions, oldest first
    actuals : first actual by prediction id
    checks : of all versions, oldest first
    switches : (when, version that went live), oldest first
    published : metadata of the versions whose files are there, oldest first
    now : aware datetime
        As of when labels are still to come, and versions are live.
    """
    curve = labels.delay_curve(history, actuals, now=utc_text(now))
    limit = labels.mature_until(labels.mature_after(curve, settings.performance.mature_quantile), now=utc_text(now))
    served: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in history:
        served[prediction.version].append(prediction)
    checked: dict[str, list[Check]] = defaultdict(list)
    for check in checks:
        checked[check.version].append(check)
    made, live = {m.version_id: m for m in published}, stretches(switches)
    order = list(dict.fromkeys([*live, *made, *served, *checked]))
    answered = _samples(settings.model.task, {version: served.get(version, []) for version in order}, actuals)
    told = []
    for version in order:
        own, metadata = served.get(version, []), made.get(version)
        awaited = sum(p.recorded_at > limit and p.id not in actuals for p in own)
        scored = score(answered[version], names(settings))
        told.append(
            Tenure(
                version=version,
                published=metadata is not None,
                trigger=metadata.trigger if metadata else None,
                baseline=metadata.metrics if metadata else {},
                predictions=len(own),
                awaited=awaited,
                first_event_time=min((p.event_time for p in own), default=None),
                last_event_time=max((p.event_time for p in own), default=None),
                served=msgspec.structs.replace(scored, version=version, provisional=awaited > 0),
                responses=_responses(own, now),
                drift=_drift(checked.get(version, [])),
                live=tuple(live.get(version, ())),
                live_s=sum(seconds(start, end or utc_text(now)) for start, end in live.get(version, ())),
            )
        )
    return tuple(told)


def _samples(
    task: Task, served: Mapping[str, Sequence[Prediction]], actuals: Mapping[str, Actual]
) -> dict[str, Sample]:
    """Each version's answered predictions, of classes that are the same for all."""
    rows = {version: [(p, actuals[p.id]) for p in own if p.id in actuals] for version, own in served.items()}

    def made(classes: Sequence[str]) -> dict[str, Sample]:
        return {
            version: sample(
                task,
                [a.actual for _, a in pairs],
                [p.output for p, _ in pairs],
                [p.probabilities for p, _ in pairs],
                classes,
            )
            for version, pairs in rows.items()
        }

    apart = made(())
    return made(sorted({c for one in apart.values() for c in one.classes})) if task == "classification" else apart


def _responses(served: Sequence[Prediction], now: datetime) -> Traffic:
    """Response times over all the predictions on record; the requests on record go back less far."""
    requests: dict[object, Request] = {}
    for p in served:
        # Clients choose request ids, and may choose one twice.
        key = (p.request_id, p.response_s) if p.request_id else p.id
        requests.setdefault(
            key,
            Request(
                recorded_at=p.recorded_at,
                path=traffic.PREDICT,
                status=200,
                rows=1,
                version=p.version,
                response_s=p.response_s,
                latency_s=p.response_s,
            ),
        )
    asked = list(requests.values())
    told = traffic.summarise(asked, (), now=now, window=len(asked), max_response_s=math.inf).all
    times = ("mean_s", "mean_interval_s", "p50_s", "p95_s", "p95_interval_s", "p99_s", "max_s")
    return Traffic(requests=len(asked), rows=len(served), **{name: getattr(told, name) for name in times})


def _drift(checks: Sequence[Check]) -> DriftThen:
    if not checks:
        return DriftThen()
    parts = ((name, getattr(check, name)) for check in checks for name in ("drift", "model", "data"))
    alarms = Counter(name for name, verdict in parts if verdict.state in ALARMING)
    last = checks[-1]
    return DriftThen(
        checks=len(checks),
        inputs=alarms["drift"],
        model=alarms["model"],
        data=alarms["data"],
        state=last.drift.state,
        sentence=last.drift.sentence,
        checked_at=last.recorded_at,
    )
