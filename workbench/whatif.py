"""What a stored version would have said to the recorded inputs, without making it live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from workbench.asking import Said, ask, check_question, last_rows, learnt, paired, tolerated
from workbench.bars import Progress, silent
from workbench.errors import CorruptVersion, DataError, UnknownVersion
from workbench.joining import first_of_each
from workbench.metrics_store import MetricsStore
from workbench.paired import agreement, alike
from workbench.records import Actual, Event, Prediction
from workbench.scores import label_text
from workbench.settings import Settings
from workbench.version_store import VersionStore
from workbench.whatif_result import ChangedRow, WhatIf

MOST = 10
MOST_ALLOWED = 100


def whatif(
    settings: Settings,
    metrics: MetricsStore,
    versions: VersionStore,
    version_id: str,
    *,
    n: int | None = None,
    most: int = MOST,
    progress: Progress = silent,
) -> WhatIf:
    """Ask a version about the last recorded inputs.

    Parameters
    ----------
    n : int, optional
        How many rows, from 1 to `history`; default: a window. Where fewer are on record, those.
    most : int
        How many of the rows that change most are told, from 0 to 100.
    progress : callable (stage, done, total)

    Raises
    ------
    UnknownVersion, CorruptVersion
    DataError
        If nothing is recorded, the version answers another question or takes other inputs, or it fails on a row.
    """
    if not 0 <= most <= MOST_ALLOWED:
        raise DataError(f"most = {most}: it takes 0 to {MOST_ALLOWED} rows")
    check_question(versions.metadata(version_id), settings)
    rows = last_rows(metrics, n)
    progress(f"loading {version_id}", 0, len(rows))
    version = versions.load(version_id)
    asked = ask(version, rows, progress)
    was = Said([p.output for p in rows], [p.probabilities for p in rows])
    progress("comparing", len(rows), len(rows))
    actuals, events = first_of_each(metrics.actuals()), metrics.events()
    seen = learnt(rows, [version.metadata], events)
    either = seen | _learnt_by_who_answered(rows, versions, events)
    labelled = np.array([p.id in actuals for p in rows], dtype=bool)
    tolerance, why = tolerated([version.metadata], settings)
    alike_ = agreement(settings.model.task, was.predictions, asked.said.predictions, tolerance=tolerance, why=why)
    met = paired(rows, actuals, either, ("what was recorded", was), (version_id, asked.said), settings)
    times = [p.event_time for p in rows]
    judged = met.sentence if met else "no actual of these rows is known yet"
    return WhatIf(
        version=version_id,
        n=len(rows),
        start=min(times),
        end=max(times),
        answered_by=dict(Counter(p.version for p in rows)),
        agreement=alike_,
        changed=_changed(rows, was, asked.said, seen, actuals, most, regression=settings.model.task == "regression"),
        labelled=int(labelled.sum()),
        seen=int((labelled & either).sum()),
        paired=met,
        row_ms=asked.row_ms,
        batch_row_ms=asked.batch_row_ms,
        sentence=f"{alike_.sentence}; {judged}; one row takes {asked.row_ms:.3g} ms",
    )


def _learnt_by_who_answered(rows: Sequence[Prediction], versions: VersionStore, events: Sequence[Event]) -> np.ndarray:
    """Rows not newer than what the version that answered them had learnt; of one whose files are gone nothing is known,
    and it answered before the actual came."""
    seen = np.zeros(len(rows), dtype=bool)
    for name in {p.version for p in rows}:
        try:
            known = versions.metadata(name)
        except (UnknownVersion, CorruptVersion):
            continue
        seen |= learnt(rows, [known], events) & np.array([p.version == name for p in rows])
    return seen


def _changed(
    rows: Sequence[Prediction],
    was: Said,
    now: Said,
    seen: np.ndarray,
    actuals: Mapping[str, Actual],
    most: int,
    *,
    regression: bool,
) -> tuple[ChangedRow, ...]:
    """The rows that change most; rows of another class come first."""
    if regression:
        numbers = np.array([was.predictions, now.predictions], dtype=float)
        moves = np.where(alike(*numbers), 0.0, np.abs(numbers[1] - numbers[0]))
        turned = np.zeros(len(rows), dtype=bool)
    else:
        turned = np.array(
            [label_text(a) != label_text(b) for a, b in zip(was.predictions, now.predictions, strict=True)]
        )
        moves = np.array([_moved(was, now, i, bool(turned[i])) for i in range(len(rows))])
    # Of rows that change as much, the newest first.
    order = np.lexsort((-np.arange(len(rows)), -moves, ~turned))[:most]
    return tuple(
        ChangedRow(
            prediction_id=rows[i].id,
            event_time=rows[i].event_time,
            version=rows[i].version,
            recorded=was.predictions[i],
            whatif=now.predictions[i],
            change=float(moves[i]),
            seen=bool(seen[i]),
            actual=actuals[rows[i].id].actual if rows[i].id in actuals else None,
            inputs=rows[i].inputs,
        )
        for i in map(int, order)
        if moves[i] > 0 or turned[i]
    )


def _moved(was: Said, now: Said, row: int, turned: bool) -> float:
    """How far the probabilities of a row moved."""
    before = was.probabilities[row] if was.probabilities else None
    after = now.probabilities[row] if now.probabilities else None
    if before is None or after is None:
        return float(turned)
    names = before.keys() | after.keys()
    moved = sum(abs(before.get(c, 0.0) - after.get(c, 0.0)) for c in names) / 2
    return 0.0 if bool(alike(np.zeros(1), np.array([moved]))[0]) else moved
