"""Courses -> one result: errors over event time with intervals, recovered shares, and which policy one would pick."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn import config_context

from workbench.backtest_result import BacktestResult, Course, PeriodScore, Recovered
from workbench.courses import Plan, Played
from workbench.label_words import span
from workbench.labelled_history import History
from workbench.moments import utc_text
from workbench.recovery import Left, Share, chosen, left_out, recovered, stretches, undominated
from workbench.row_losses import standard_error
from workbench.said import Said
from workbench.scores import Sample, higher_is_better, values
from workbench.settings import Settings
from workbench.simulation import moment

SHOWN = ("model", "monitor", "drift", "performance", "retrain", "probation")


def scored(
    courses: Sequence[tuple[Plan, Played, Said]],
    history: History,
    edges: np.ndarray,
    *,
    settings: Settings,
    about: Mapping[str, Any],
) -> BacktestResult:
    """Score all courses on the rows that every one of them answered, and that have an actual.

    Parameters
    ----------
    courses : policies, and those that they are held beside, all played
    edges : of the periods, in microseconds
    about : the fields of the result that only the caller knows
    """
    metric, told = settings.metric, history.told
    sign = 1 if higher_is_better(metric) else -1
    known = history.known()[told.start :]
    rows = np.flatnonzero(known & np.all([np.isfinite(said.values) for _, _, said in courses], axis=0))
    samples = {plan.name: said.sample(rows) for plan, _, said in courses}
    masks = stretches(len(rows)) if len(rows) else []
    lefts = {name: _left_out(s, masks, metric) for name, s in samples.items()}
    times = np.asarray(history.times[told.start :])
    inside = np.searchsorted(edges, times[rows], side="right") - 1
    kinds = {plan.name: plan.kind for plan, _, _ in courses}
    never = next(name for name, kind in kinds.items() if kind == "never")
    always = [name for name, kind in kinds.items() if kind == "always"]

    def shares(name: str, part: Mapping[str, Left]) -> tuple[Share, str]:
        best = max(always, key=lambda other: _order(sign * part[other].whole))
        return recovered(part[name], part[never], part[best], sign), best

    found = []
    for plan, played, said in courses:
        whole = None
        if plan.kind == "policy":
            share, best = shares(plan.name, lefts)
            without = {
                _moment(edges[k]): shares(plan.name, _wholes(samples, inside != k, metric))[0].share
                for k in np.unique(inside)
            }
            whole = _recovered(share, best, metric, without)
        found.append(
            Course(
                name=plan.name,
                kind=plan.kind,
                value=_finite(lefts[plan.name].whole),
                interval=lefts[plan.name].interval,
                over_time=_over_time(samples[plan.name], said, rows, inside, times, known, edges, metric),
                rows=len(times),
                unanswered=int((~np.isfinite(said.values)).sum()),
                fits=played.fits,
                fit_s=played.fit_s,
                steps=played.steps,
                recovered=whole,
                settings=_differences(plan.settings, settings),
                **played.counts,
            )
        )
    policies = [course for course in found if course.kind == "policy"]
    return BacktestResult(
        source=told.source,
        delay=told.delay,
        model=settings.model.name,
        task=settings.model.task,
        target=settings.model.target,
        metric=metric,
        ensemble=_ensemble(settings),
        reference_rows=told.start,
        rows=len(times),
        labelled=int(known.sum()),
        scored=len(rows),
        start=_moment(times[0]),
        end=_moment(times[-1]),
        period=span(float(edges[1] - edges[0]) / 1e6),
        courses=tuple(found),
        **_compared(policies, lefts, samples, inside, metric, sign),
        **about,
    )


def _compared(
    policies: Sequence[Course],
    lefts: Mapping[str, Left],
    samples: Mapping[str, Sample],
    inside: np.ndarray,
    metric: str,
    sign: int,
) -> dict[str, Any]:
    """Of several policies: which no other beats, which one would pick, and what that pick is worth on periods that were
    not looked at in picking."""
    if len(policies) < 2:
        return {}
    # Where nothing tells them apart, the one that changes least.
    costs = {c.name: float(c.attempts) for c in sorted(policies, key=lambda c: len(c.settings))}
    best = chosen({name: lefts[name] for name in costs}, costs, sign)
    honest, picks = [], []
    for k in np.unique(inside):
        rest = {name: samples[name].take(inside != k) for name in costs}
        masks = stretches(int((inside != k).sum()))
        part = {name: _left_out(s, masks, metric) for name, s in rest.items()}
        pick = chosen(part, costs, sign)
        picks.append(pick)
        honest.append((_value(samples[pick].take(inside == k), metric), int((inside == k).sum())))
    told = [(value, n) for value, n in honest if math.isfinite(value)]
    mean = sum(value * n for value, n in told) / max(sum(n for _, n in told), 1)
    same = sum(pick == best for pick in picks)
    own = [(_value(samples[best].take(inside == k), metric), int((inside == k).sum())) for k in np.unique(inside)]
    fixed = sum(v * n for v, n in own if math.isfinite(v)) / max(sum(n for v, n in own if math.isfinite(v)), 1)
    sentence = (
        f"picked with each period left out in turn, it is the same in {same} of {len(picks)}; on the periods "
        f"that were left out the picks have a mean {metric} of {mean:.4g}, {best} has {fixed:.4g}"
    )
    points = {name: (costs[name], _order(sign * lefts[name].whole)) for name in costs}
    return {"undominated": tuple(sorted(undominated(points))), "chosen": best, "honest": sentence}


def _over_time(
    sample: Sample,
    said: Said,
    rows: np.ndarray,
    inside: np.ndarray,
    times: np.ndarray,
    known: np.ndarray,
    edges: np.ndarray,
    metric: str,
) -> tuple[PeriodScore, ...]:
    places = np.searchsorted(times, edges)
    found = []
    names, versions = said.names, np.asarray(said.versions)
    for k, (start, end) in enumerate(pairwise(places.tolist())):
        own = sample.take(inside == k)
        value = _finite(_value(own, metric))
        error = standard_error(own, metric) if value is not None and len(own) > 1 else None
        served = [names[i] for i in dict.fromkeys(versions[start:end].tolist()) if i >= 0]
        found.append(
            PeriodScore(
                start=_moment(edges[k]),
                end=_moment(edges[k + 1]),
                rows=end - start,
                labelled=int(known[start:end].sum()),
                value=value,
                interval=(value - 1.96 * error, value + 1.96 * error) if value is not None and error else None,
                versions=tuple(served),
            )
        )
    return tuple(found)


def _recovered(share: Share, best: str, metric: str, without: dict[str, float | None]) -> Recovered:
    won = f"{share.won:+z.4g} {metric} in the policy's favour beside never retraining{_bounds(share.won_interval)}"
    if share.share is None:
        harm = share.won_interval is not None and share.won_interval[1] < 0
        told = f"nothing to recover: {best} wins {share.recoverable:+z.4g}{_bounds(share.recoverable_interval)}; "
        sentence = told + (f"harm: {won}" if harm else won)
    else:
        kept = [value for value in without.values() if value is not None]
        spread = f"; {min(kept):z.0%} to {max(kept):z.0%} with any one period left out" if kept else ""
        sentence = (
            f"{share.share:z.0%} of the recoverable error recovered{_bounds(share.interval, percent=True)}: {won}, "
            f"{share.recoverable:+z.4g} of {best}{spread}"
        )
    return Recovered(
        sentence=sentence,
        won=_finite(share.won),
        won_interval=share.won_interval,
        recoverable=_finite(share.recoverable),
        recoverable_interval=share.recoverable_interval,
        share=share.share,
        interval=share.interval,
        without=without,
    )


def _wholes(samples: Mapping[str, Sample], mask: np.ndarray, metric: str) -> dict[str, Left]:
    """Courses on some rows, as if these were sure."""
    return {name: Left(_value(s.take(mask), metric), np.zeros(2)) for name, s in samples.items()}


def _left_out(sample: Sample, masks: Sequence[np.ndarray], metric: str) -> Left:
    return left_out(lambda mask: _value(sample.take(mask), metric), len(sample), masks)


def _bounds(interval: tuple[float, float] | None, *, percent: bool = False) -> str:
    if interval is None:
        return ""
    low, high = (f"{x:z.0%}" if percent else f"{x:+z.3g}" for x in interval)
    return f" (95 %: {low} to {high})"


def _value(sample: Sample, metric: str) -> float:
    # The same arrays hundreds of times: scikit-learn would look at them for longer than it computes.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        found = values(sample, (metric,))[metric]
    return math.nan if found is None else found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _order(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _moment(micros: int) -> str:
    return utc_text(moment(int(micros)) + timedelta(0))


def _ensemble(settings: Settings) -> str:
    names = ", ".join(settings.ensembles)
    members = f" of {', '.join(settings.model.members)}" if "voting" in settings.ensembles else ""
    share = settings.backtest.ensemble * settings.model.size
    return f"{names}{members}" + ("" if share == 1 else f", members with {share:.0%} of their trees and steps")


def _differences(policy: Settings, settings: Settings) -> dict[str, object]:
    """What a policy has otherwise."""
    found: dict[str, object] = {}
    for section in SHOWN:
        ours, theirs = (
            getattr(policy, section).model_dump(mode="json"),
            getattr(settings, section).model_dump(mode="json"),
        )
        found |= {f"{section}.{key}": value for key, value in ours.items() if value != theirs[key]}
    return found
