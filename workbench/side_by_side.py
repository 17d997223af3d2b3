"""Two versions side by side: where they differ, what each scored and served, and what both say to the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from workbench.asking import ask, check_question, check_rows, last_rows, learnt, paired, tolerated
from workbench.comparison import compare
from workbench.errors import DataError
from workbench.metrics_store import MetricsStore, first_of_each
from workbench.paired import agreement
from workbench.records import Metadata, Schema, utc_text
from workbench.settings import Settings
from workbench.version_store import VersionStore
from workbench.whatif_result import Differs, SameInputs, Side, SideBySide

# What is told elsewhere in the record, or of each version its own.
NOT_SET_BESIDE = ("version_id", "metrics", "champion_metrics", "candidates", "gate", "features", "notes")
CATEGORIES_SHOWN = 10


def side_by_side(
    settings: Settings,
    metrics: MetricsStore,
    versions: VersionStore,
    a: str,
    b: str,
    *,
    n: int | None = None,
    now: datetime,
) -> SideBySide:
    """Set two versions beside each other.

    Parameters
    ----------
    n : int, optional
        About how many recorded inputs both are asked, from 1 to `history`; default: a window.
    now : aware datetime

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
        same, sentence = _same_inputs(settings, metrics, versions, first, second, n)
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
    settings: Settings, metrics: MetricsStore, versions: VersionStore, a: Metadata, b: Metadata, n: int | None
) -> tuple[SameInputs, str]:
    check_question(a, settings)
    check_question(b, settings)
    rows = last_rows(metrics, n)
    ours, theirs = (ask(versions.load(m.version_id), rows) for m in (a, b))
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


def differences(a: Metadata, b: Metadata) -> Iterator[Differs]:
    """The fields of the metadata in which two versions differ, nested ones by dotted names.

    `features.<name>` is the kind of an input; where only its categories differ, `features.<name>.categories` has those
    that the other does not know, up to ten.
    """
    sides = [dict(_flat(msgspec.to_builtins(m))) for m in (a, b)]
    for field in dict.fromkeys([*sides[0], *sides[1]]):
        first, second = (side.get(field) for side in sides)
        if first != second:
            yield Differs(field=field, a=first, b=second)
    yield from _features(a.features, b.features)


def _flat(told: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in told.items():
        if not above and name in NOT_SET_BESIDE:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _features(a: Schema, b: Schema) -> Iterator[Differs]:
    sides = [{f.name: f for f in schema.features} for schema in (a, b)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        first, second = (side.get(name) for side in sides)
        if first is None or second is None or first.kind != second.kind:
            yield Differs(field=f"features.{name}", a=first.kind if first else None, b=second.kind if second else None)
        elif first.categories != second.categories:
            alone = [
                sorted(set(one.categories) - set(other.categories))[:CATEGORIES_SHOWN]
                for one, other in ((first, second), (second, first))
            ]
            yield Differs(field=f"features.{name}.categories", a=alone[0], b=alone[1])
