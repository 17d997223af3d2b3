"""Performance of the live version from its records: joined, matured, scored, judged, told.

Pure; performance.py knows what a loss is, labels.py how actuals come, estimate.py what can be said without them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pandas as pd

from workbench import labels, performance, performance_words
from workbench.holdout import Holdout, by_segment, score
from workbench.moments import utc_text
from workbench.performance import Rules
from workbench.performance_result import WORSE, Judged, Labels, PerformanceResult, Score, decide
from workbench.records import METRICS, Actual, Metadata, Prediction
from workbench.scores import Sample, sample
from workbench.settings import Settings

MAX_PERIODS = 52
# How far back, in windows, the moment is looked for from which on the loss shows.
LOOK_BACK = 10


def rules(settings: Settings, false_alarm_rate: float) -> Rules:
    """What decides, by the settings."""
    told = settings.performance
    watch = tuple(name for name in settings.watch if name != settings.metric)
    return Rules(settings.metric, watch, told.min_loss, false_alarm_rate)


def names(settings: Settings) -> tuple[str, ...]:
    """All metrics that are shown, the deciding one first."""
    return tuple(dict.fromkeys([settings.metric, *METRICS[settings.model.task], *settings.performance.own]))


class Answered:
    """Predictions of any version with their actuals: rows of one sample, cut by version, period and segment."""

    def __init__(
        self, predictions: Sequence[Prediction], actuals: Mapping[str, Actual], live: Metadata, holdout: Holdout | None
    ) -> None:
        self.predictions = [p for p in predictions if p.id in actuals]
        # A version that answers without probabilities must not take them away from the others.
        self._told = np.array([p.probabilities is not None for p in self.predictions], dtype=bool)
        self._sample: Sample = sample(
            live.task,
            [actuals[p.id].actual for p in self.predictions],
            [p.output for p in self.predictions],
            [p.probabilities or {} for p in self.predictions] if self._told.any() else None,
            classes=holdout.classes if holdout else (),
        )

    def rows(self, chosen: Sequence[int]) -> Sample:
        numbers = np.asarray(chosen, dtype=int)
        taken = self._sample.take(numbers)
        return taken if self._told[numbers].all() else replace(taken, chances=None)


def check(
    history: Sequence[Prediction],
    actuals: Mapping[str, Actual],
    live: Metadata,
    holdout: Holdout | None,
    *,
    settings: Settings,
    false_alarm_rate: float,
    now: str,
    since: str = "",
    conflict: int = 0,
    expired: int = 0,
) -> PerformanceResult:
    """The live version's quality against actuals.

    Parameters
    ----------
    history : predictions of all versions, oldest first
    actuals : first actual by prediction id
    holdout : of the live version; None if it was published without
    false_alarm_rate : float
        Expected false alarms a window of new predictions.
    now : ISO text
        As of when; labels that are still on their way make what is newest provisional.
    since : ISO text
        When the version went live: what it answered in an earlier time as the live one is no news of it.
    conflict, expired : int
        Actuals that were not taken.
    """
    shown, size = names(settings), settings.monitor.window

    def mine(p: Prediction) -> bool:
        return p.version == live.version_id and p.recorded_at >= since

    curve = labels.delay_curve(history, actuals, now=now)
    after_s = labels.mature_after(curve, settings.performance.mature_quantile)
    limit = labels.mature_until(after_s, now=now)
    described = labels.describe(
        [p for p in history if mine(p)],
        actuals,
        curve,
        now=now,
        quantile=settings.performance.mature_quantile,
        conflict=conflict,
        expired=expired,
    )
    known = Answered(history, actuals, live, holdout)
    own = [i for i, p in enumerate(known.predictions) if mine(p)]
    mature = [p for p in history if mine(p) and p.recorded_at <= limit][-size:]
    in_window = {p.id for p in mature}
    settled = [i for i in own if known.predictions[i].recorded_at <= limit]
    window = [i for i in settled if known.predictions[i].id in in_window]
    newest = _newest(history, known, live, limit, shown, size)
    now_score = score(known.rows(window), shown)
    base = PerformanceResult(
        state="insufficient",
        sentence="",
        metric=settings.metric,
        n=len(mature),
        labelled=len(window),
        metrics=now_score.metrics,
        intervals=now_score.intervals,
        baseline=holdout.score.metrics if holdout else dict(live.metrics),
        baseline_intervals=holdout.score.intervals if holdout else {},
        newest=newest,
        labels=described,
        segments=tuple(map(_brief, by_segment(known.rows(window), shown, _groups(known, window, settings)))),
        by_version=_by_version(known, limit, shown),
        over_time=_over_time(known, limit, shown, settings.monitor.period),
    )
    if holdout is None:
        told = f"{live.version_id} was published without its holdout; train a new version to compare with"
        return msgspec.structs.replace(base, sentence=f"insufficient: {told}")
    return _judged(
        base, known, window, settled[-LOOK_BACK * size :], holdout, settings, rules(settings, false_alarm_rate)
    )


def _newest(
    history: Sequence[Prediction], known: Answered, live: Metadata, limit: str, shown: Sequence[str], size: int
) -> Score:
    """The live version's part of the window of the last predictions, as far as its labels are there."""
    last = {p.id: p.recorded_at for p in history[-size:] if p.version == live.version_id}
    chosen = [
        i
        for i in range(max(0, len(known.predictions) - size), len(known.predictions))
        if known.predictions[i].id in last
    ]
    return msgspec.structs.replace(
        score(known.rows(chosen), shown), provisional=any(recorded_at > limit for recorded_at in last.values())
    )


def _judged(
    base: PerformanceResult,
    known: Answered,
    window: Sequence[int],
    settled: Sequence[int],
    holdout: Holdout,
    settings: Settings,
    wanted: Rules,
) -> PerformanceResult:
    sample = known.rows(window)
    found = list(performance.judge_window(sample, holdout, wanted))
    stream = performance.judge_stream(sample, holdout, wanted, settings.monitor.window)
    if stream is not None and stream.rows < len(sample):
        found.append(stream)
    decided = decide(found)
    state = decided.state
    lately = performance.loss(known.rows(window[-settings.retrain.gate_rows :]), holdout, decided.metric)
    begun, segment = None, None
    if state in WORSE:
        first = performance.since(known.rows(settled), holdout, decided.metric)
        begun = None if first is None else known.predictions[settled[first]].event_time
        newest = window[-decided.rows :]
        segment = performance.worst_segment(
            known.rows(newest), _groups(known, newest, settings), holdout, decided.metric
        )
    if state == "insufficient":
        sentence = performance_words.insufficient(
            decided, base.n, base.newest, base.labels or Labels(sentence=""), holdout, wanted
        )
    else:
        bounds = score(known.rows(window[-decided.rows :]), (decided.metric,)).intervals.get(decided.metric)
        named = f"{settings.performance.segment} {segment}" if segment else None
        sentence = performance_words.verdict(decided, bounds, begun, named)
    return msgspec.structs.replace(
        base,
        state=state,
        sentence=sentence,
        loss=found[0].loss,
        lately=lately,
        passed=state == "alarm" and lately is not None and lately < wanted.min_loss,
        since=begun,
        judged=tuple(_dated(j, decided, begun) for j in found),
    )


def _dated(judged: Judged, decided: Judged, since: str | None) -> Judged:
    return msgspec.structs.replace(judged, since=since) if judged is decided else judged


def _groups(known: Answered, chosen: Sequence[int], settings: Settings) -> list[object]:
    column = settings.performance.segment
    if column is None:
        return []
    return [known.predictions[i].inputs.get(column) for i in chosen]


def _by_version(known: Answered, limit: str, shown: Sequence[str]) -> tuple[Score, ...]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, prediction in enumerate(known.predictions):
        groups[prediction.version].append(i)
    return tuple(
        msgspec.structs.replace(
            _scored(known, chosen, limit, shown),
            version=version,
            start=min(known.predictions[i].event_time for i in chosen),
            end=max(known.predictions[i].event_time for i in chosen),
        )
        for version, chosen in groups.items()
    )


def _over_time(known: Answered, limit: str, shown: Sequence[str], period: str) -> tuple[Score, ...]:
    """Metrics of each period of event time, for each version that answered in it."""
    if not known.predictions:
        return ()
    times = pd.to_datetime([p.event_time for p in known.predictions], format="ISO8601", utc=True)
    starts = times.floor(period).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, start in enumerate(starts):
        groups[start, known.predictions[i].version].append(i)
    length = pd.Timedelta(period)
    return tuple(
        msgspec.structs.replace(
            _scored(known, groups[start, version], limit, shown),
            version=version,
            start=start,
            end=utc_text((pd.Timestamp(start) + length).to_pydatetime()),
        )
        for start, version in sorted(groups)[-MAX_PERIODS:]
    )


def _scored(known: Answered, chosen: Sequence[int], limit: str, shown: Sequence[str]) -> Score:
    late = any(known.predictions[i].recorded_at > limit for i in chosen)
    return _brief(msgspec.structs.replace(score(known.rows(chosen), shown), provisional=late))


def _brief(told: Score) -> Score:
    """Five digits: of many groups a record holds, more would be weight and nothing to read."""
    return msgspec.structs.replace(
        told,
        metrics={k: None if v is None else float(f"{v:.5g}") for k, v in told.metrics.items()},
        intervals={k: (float(f"{a:.5g}"), float(f"{b:.5g}")) for k, (a, b) in told.intervals.items()},
    )
