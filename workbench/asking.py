"""Asks stored versions about recorded inputs, in batches: what they say, how long it takes, and what stands against it.

Rows that a version has learnt, or been chosen by, are told from those that are newer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from workbench.answers import Answers
from workbench.bars import Progress, silent
from workbench.blocks import seen_until
from workbench.candidates import TIMED_ROWS, timed
from workbench.contest import Contest
from workbench.ensemble import answer
from workbench.errors import DataError
from workbench.loaded_version import LoadedVersion
from workbench.metrics_store import MetricsStore
from workbench.paired import LEAST_ROWS, measure
from workbench.performance_check import names
from workbench.records import Actual, Event, Label, Metadata, Prediction
from workbench.rows import misfits, safe_text
from workbench.settings import Settings
from workbench.whatif_result import Measured, Paired

BATCH = 2_000
SHOWN = 3


@dataclass(frozen=True)
class Said:
    """Answers to rows, by whichever version; some may have come without probabilities."""

    predictions: Sequence[Label]
    probabilities: Sequence[dict[str, float] | None]

    def of(self, chosen: Sequence[int]) -> Answers:
        """Those to some of the rows."""
        known = [p for i in chosen if self.probabilities and (p := self.probabilities[i]) is not None]
        return Answers([self.predictions[i] for i in chosen], known if len(known) == len(chosen) else None)


@dataclass(frozen=True)
class Asked:
    """What a version said to rows, and the milliseconds that one row took: alone, and among many."""

    said: Said
    row_ms: float
    batch_row_ms: float


def check_rows(metrics: MetricsStore, n: int | None) -> None:
    """Raise DataError if so many rows cannot be asked about."""
    if n is not None and not 1 <= n <= metrics.history_size:
        raise DataError(f"rows = {n}: it takes 1 to {metrics.history_size} ([monitor] history)")


def last_rows(metrics: MetricsStore, n: int | None) -> list[Prediction]:
    """The last n predictions on record, or as many as there are; by default a window of them.

    Raises
    ------
    DataError
        If n is not from 1 to `history`, or nothing is recorded.
    """
    check_rows(metrics, n)
    rows = metrics.last(n or metrics.window_size)
    if not rows:
        raise DataError("no prediction is recorded yet; there is nothing to ask about")
    return rows


def check_question(version: Metadata, settings: Settings) -> None:
    """Raise DataError if a version answers another question than the one the traffic asks."""
    asked, theirs = (settings.model.task, settings.model.target), (version.task, version.target)
    if asked != theirs:
        raise DataError(
            f"{version.version_id} answers another question: {theirs[0]} of {theirs[1]!r}; the traffic on record is "
            f"{asked[0]} of {asked[1]!r}. Choose a version of that, or name its workspace with --root"
        )


def ask(version: LoadedVersion, rows: Sequence[Prediction], progress: Progress = silent) -> Asked:
    """A version about the inputs of recorded predictions; `progress` hears of each batch.

    Raises
    ------
    DataError
        If inputs are not what the version takes, or it fails on a row, which is named.
    """
    _check_inputs(version, rows)
    # Threads that wait for each other take many times as long beside a service that answers.
    with threadpool_limits(1):
        return _ask(version, rows, progress)


def _ask(version: LoadedVersion, rows: Sequence[Prediction], progress: Progress) -> Asked:
    predictions: list[Label] = []
    probabilities: list[dict[str, float]] = []
    took = 0.0
    for start in range(0, len(rows), BATCH):
        progress(f"asking {version.id}", start, len(rows))
        begun = time.perf_counter()
        said = _say(version, rows[start : start + BATCH])
        took += time.perf_counter() - begun
        predictions += said.predictions
        probabilities += said.probabilities or []
    progress(f"timing {version.id}", len(rows), len(rows))
    single = version.keeper.rows([rows[-1 - i % len(rows)].inputs for i in range(TIMED_ROWS)])
    return Asked(
        said=Said(predictions, probabilities),
        row_ms=timed(version.estimator, version.schema, single),
        batch_row_ms=took / len(rows) * 1e3,
    )


def _check_inputs(version: LoadedVersion, rows: Sequence[Prediction]) -> None:
    wrong = [
        (i, found)
        for i, row in enumerate(rows)
        if (found := [*misfits(row.inputs, version.schema), *_hashes(version, row)])
    ]
    if not wrong:
        return
    fields: dict[str, dict[str, Any]] = {}
    for problem in (p for _, found in wrong for p in found):
        fields.setdefault(problem["field"], problem)
    told = [
        f"{name} takes {p['allowed'].removesuffix(' (null where it is not known)')}, found {p['found']!r}"
        if p["found"] != "nothing"
        else f"{name} is not there"
        for name, p in fields.items()
    ]
    named = ", ".join(f"{rows[i].id} of {rows[i].event_time}" for i, _ in wrong[:SHOWN])
    newer = len(rows) - 1 - wrong[-1][0]
    raise DataError(
        f"{version.id} cannot be asked about {len(wrong)} of the {len(rows)} recorded inputs: {'; '.join(told)}; "
        f"prediction {named}{' and others' if len(wrong) > SHOWN else ''}. "
        + (
            f"Ask about the {newer} newer ones alone (rows = {newer})"
            if newer
            else "Choose a version with these inputs"
        )
    )


def _hashes(version: LoadedVersion, row: Prediction) -> list[dict[str, Any]]:
    """Of the features that it takes, those on record as a hash that it has not learnt."""
    there = ((name, row.inputs.get(name)) for name in version.schema.names)
    return [
        {"field": name, "found": "its hash", "allowed": "what was asked, or a hash by its key"}
        for name, value in there
        if version.keeper.foreign(name, value)
    ]


def _say(version: LoadedVersion, rows: Sequence[Prediction]) -> Answers:
    """What a version says; a model of somebody's own may fail on what others can answer, and then the row is named."""
    try:
        return _answer(version, rows)
    except Exception as failed:
        for row in rows:
            try:
                _answer(version, [row])
            except Exception as error:
                raise DataError(
                    f"{version.id} fails on prediction {row.id} of {row.event_time}: {_told(error)}"
                ) from error
        raise DataError(
            f"{version.id} fails on {len(rows)} rows at once, from prediction {rows[0].id} to {rows[-1].id}, though on "
            f"none of them alone: {_told(failed)}"
        ) from failed


def _answer(version: LoadedVersion, rows: Sequence[Prediction]) -> Answers:
    said = answer(version.estimator, version.schema, version.keeper.rows([row.inputs for row in rows]))
    if len(said.predictions) != len(rows):
        raise ValueError(f"{len(said.predictions)} answers to {len(rows)} rows")
    if said.probabilities and not all(np.isfinite(list(row.values())).all() for row in said.probabilities):
        raise FloatingPointError("a probability that is no number")
    return said


def _told(error: Exception) -> str:
    return safe_text(" ".join(f"{type(error).__name__}: {error}".split()))


def learnt(rows: Sequence[Prediction], versions: Sequence[Metadata], events: Sequence[Event]) -> np.ndarray:
    """Which rows are not newer than what one of the versions has learnt or been chosen from; shape (n,), bool."""
    until = max(seen_until(version, events) for version in versions)
    return np.array([row.event_time <= until for row in rows], dtype=bool)


def tolerated(versions: Sequence[Metadata], settings: Settings) -> tuple[float, str]:
    """Up to which difference numbers count as the same, and why: the share of the error on the holdout that would not
    be an alarm."""
    known = [error for m in versions if (error := m.metrics.get("mae"))]
    if settings.model.task == "classification" or not known:
        return 0.0, ""
    share = settings.performance.min_loss
    return share * min(known), f"{share:.3g} of the mae on the holdout, {min(known):.4g}"


def paired(
    rows: Sequence[Prediction],
    actuals: Mapping[str, Actual],
    seen: np.ndarray,
    first: tuple[str, Said],
    second: tuple[str, Said],
    settings: Settings,
) -> Paired | None:
    """Both on the labelled rows that neither has seen, or on all labelled rows if there are no such; None without any.

    Parameters
    ----------
    seen : array of bool, shape (n,)
        Of the rows, as `learnt` tells.
    first, second : (what to call it, its answers to the rows)
    """
    labelled = [i for i, row in enumerate(rows) if row.id in actuals]
    fresh = [i for i in labelled if not seen[i]]
    chosen = sorted(fresh or labelled, key=lambda i: rows[i].event_time)
    if not chosen:
        return None
    contest = Contest(settings.model.task, settings.metric, settings.retrain)
    y = [actuals[rows[i].id].actual for i in chosen]
    one, other = contest.arrays(y, [said.of(chosen) for _, said in (first, second)])
    metrics = measure(one, other, names(settings), seed=settings.retrain.seed, seen=not fresh)
    sentence = _sentence(metrics[0], first[0], second[0], len(chosen), seen=not fresh)
    start, end = (rows[chosen[k]].event_time for k in (0, -1))
    return Paired(n=len(chosen), seen=not fresh, start=start, end=end, metrics=metrics, sentence=sentence)


def _sentence(decides: Measured, first: str, second: str, n: int, *, seen: bool) -> str:
    name = decides.metric
    if decides.difference is None:
        return f"cannot tell: {name} is undefined for one of the two on these {n:,} rows"
    figures = f"{name} {decides.second:.4g} for {second}, {decides.first:.4g} for {first}"
    bounds = "" if decides.low is None else f" (95 %: {decides.low:+.3g} to {decides.high:+.3g})"
    figures += f", difference {decides.difference:+.3g}{bounds}"
    if seen:
        return f"seen in training, no verdict: {figures}, over {n:,} actuals, none newer than what the two have seen"
    over = f"over {n:,} actuals that neither has seen"
    if decides.low is None:
        few = f"{LEAST_ROWS} are needed" if n < LEAST_ROWS else f"{name} is undefined on most draws of them"
        return f"cannot tell: {figures}, {over}; {few}"
    verdict = "cannot tell" if decides.verdict == "cannot tell" else f"{second} is {decides.verdict}"
    return f"{verdict}: {figures}, {over}"
