"""Two versions side by side: where they differ, what each scored and served, and what both say to the same inputs."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from workbench.asking import ask, check_question, check_rows, last_rows, learnt, paired, tolerated
from workbench.bars import Progress, silent
from workbench.comparison import compare
from workbench.differences import differences
from workbench.errors import DataError
from workbench.joining import first_of_each
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_text
from workbench.paired import agreement
from workbench.records import Metadata
from workbench.settings import Settings
from workbench.version_store import VersionStore
from workbench.whatif_result import SameInputs, Side, SideBySide


def side_by_side(
    settings: Settings,
    metrics: MetricsStore,
    versions: VersionStore,
    a: str,
    b: str,
    *,
    n: int | None = None,
    now: datetime,
    progress: Progress = silent,
) -> SideBySide:
    """Set two versions beside each other.

    Parameters
    ----------
    n : int, optional
        About how many recorded inputs both are asked, from 1 to `history`; default: a window.
    now : aware datetime
    progress : callable (stage, done, total)

    Raises
    ------
    UnknownVersion, CorruptVersion
    DataError
        If n cannot be. Where there is nothing to ask about, or one of the two cannot be asked, the record says so.
    """
    known = {name: versions.metadata(name) for name in (a, b)}
    first, second = known[a], known[b]
    same, sentence = None, ""
    check_rows(metrics, n)
    try:
        same, sentence = _same_inputs(settings, metrics, versions, first, second, n, progress)
    except DataError as error:
        sentence = f"not asked about the same inputs: {error}"
    traffic = compare(settings, metrics, versions, now=now)
    return SideBySide(
        as_of=utc_text(now),
        metric=settings.metric,
        a=Side(metadata=first, traffic=traffic.tenure(a)),
        b=Side(metadata=second, traffic=traffic.tenure(b)),
        differences=tuple(differences(first, second)),
        same_inputs=same,
        sentence=sentence,
    )


def _same_inputs(
    settings: Settings,
    metrics: MetricsStore,
    versions: VersionStore,
    a: Metadata,
    b: Metadata,
    n: int | None,
    progress: Progress,
) -> tuple[SameInputs, str]:
    check_question(a, settings)
    check_question(b, settings)
    rows = last_rows(metrics, n)
    both = 2 * len(rows)
    asked = []
    for m, before in ((a, 0), (b, len(rows))):
        progress(f"loading {m.version_id}", before, both)
        version = versions.load(m.version_id)
        asked.append(ask(version, rows, _after(before, both, progress)))
    ours, theirs = asked
    progress("comparing", both, both)
    actuals, seen = first_of_each(metrics.actuals()), learnt(rows, [a, b], metrics.events())
    labelled = np.array([p.id in actuals for p in rows], dtype=bool)
    tolerance, why = tolerated([a, b], settings)
    alike = agreement(settings.model.task, ours.said.predictions, theirs.said.predictions, tolerance=tolerance, why=why)
    met = paired(rows, actuals, seen, (a.version_id, ours.said), (b.version_id, theirs.said), settings)
    times = [p.event_time for p in rows]
    found = SameInputs(
        n=len(rows),
        start=min(times),
        end=max(times),
        agreement=alike,
        labelled=int(labelled.sum()),
        seen=int((labelled & seen).sum()),
        paired=met,
        row_ms=(ours.row_ms, theirs.row_ms),
        batch_row_ms=(ours.batch_row_ms, theirs.batch_row_ms),
    )
    return found, f"{alike.sentence}; {met.sentence if met else 'no actual of these rows is known yet'}"


def _after(before: int, total: int, progress: Progress) -> Progress:
    """Progress that goes on from `before`, to another total."""
    return lambda stage, done, _: progress(stage, before + done, total)
