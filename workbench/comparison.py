"""Versions side by side: what each scored and served, and what one would have said to the recorded traffic."""

from __future__ import annotations

import msgspec

from workbench.ensemble import answer
from workbench.errors import DataError
from workbench.evaluation import Evaluation, Score
from workbench.metrics_store import MetricsStore, join
from workbench.performance import scores
from workbench.records import Metadata, Promotion
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
