"""Versions side by side: what each scored and served, and what one would have said to the recorded traffic.

This room brings the records; tenures.py says what each version did with the traffic it served.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from workbench.comparison_result import Check, Comparison
from workbench.ensemble import answer
from workbench.errors import CorruptVersion, DataError
from workbench.evaluation import Evaluation
from workbench.metrics_store import MetricsStore, first_of_each, join
from workbench.performance_result import Score
from workbench.records import Metadata, Promotion, utc_text
from workbench.scores import scores
from workbench.settings import Settings
from workbench.tails import Tail
from workbench.tenures import tenures
from workbench.version_store import VersionStore


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a comparison: its metadata, the traffic it served, and when it went live."""

    metadata: Metadata
    served: Score | None
    live_since: list[str]


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """A version asked about the recorded window; `recorded` is what was answered then, on the same labelled rows."""

    version: str
    rows: int
    labelled: int
    changed: int
    metrics: dict[str, float | None]
    recorded: dict[str, float | None]


def compare(settings: Settings, metrics: MetricsStore, versions: VersionStore, *, now: datetime) -> Comparison:
    """Every version that was published, was live, or has a prediction or a check on record."""
    history = metrics.history()
    return Comparison(
        as_of=utc_text(now),
        metric=settings.metric,
        history=metrics.history_size,
        predictions=len(history),
        tenures=tenures(
            history,
            first_of_each(metrics.actuals()),
            Tail[Check](metrics.folder / "evaluations", Check, None).read(),
            _switches(versions),
            versions.all(),
            settings=settings,
            now=now,
        ),
    )


def _switches(versions: VersionStore) -> list[tuple[str, str]]:
    """The promotion log; and the pointer, if a process died between the two."""
    log = versions.pointer.log()
    told = [(p.activated_at, p.version_id) for p in log]
    try:
        live = versions.live()
    except CorruptVersion:
        # The log knows where it stood.
        return told
    if live is not None and (not log or log[-1].generation < live.generation):
        told.append((live.activated_at, live.version_id))
    return told


def side(metadata: Metadata, evaluation: Evaluation | None, log: list[Promotion]) -> Side:
    """What is known of a version, for setting it beside another."""
    served = evaluation.performance.by_version if evaluation else ()
    return Side(
        metadata=metadata,
        served=next((s for s in served if s.version == metadata.version_id), None),
        live_since=[p.activated_at for p in log if p.version_id == metadata.version_id],
    )


def whatif(version_id: str, versions: VersionStore, metrics: MetricsStore) -> WhatIf:
    """Ask a version about the inputs of the window, without making it live.

    Raises
    ------
    UnknownVersion, CorruptVersion
    DataError
        If no prediction is recorded, or the window lacks a feature the version takes.
    """
    version = versions.load(version_id)
    window = metrics.window()
    if not window:
        raise DataError("no prediction is recorded yet; there is nothing to ask about")
    missing = set(version.schema.names) - set(window[-1].inputs)
    if missing:
        raise DataError(f"{version_id} takes {', '.join(sorted(missing))}, which the recorded inputs do not have")
    said = answer(version.estimator, version.schema, [p.inputs for p in window])
    actuals = {p.id: a.actual for p, a in join(window, metrics.actuals())}
    known = [i for i, p in enumerate(window) if p.id in actuals]
    y = [actuals[window[i].id] for i in known]
    chances = said.probabilities
    return WhatIf(
        version=version_id,
        rows=len(window),
        labelled=len(known),
        changed=sum(p.output != new for p, new in zip(window, said.predictions, strict=True)),
        metrics=scores(
            version.schema.task,
            y,
            [said.predictions[i] for i in known],
            [chances[i] for i in known] if chances else None,
        ),
        recorded=scores(
            version.schema.task, y, [window[i].output for i in known], [window[i].probabilities for i in known]
        ),
    )
