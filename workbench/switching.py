"""Switch and roll back: the pointer moves in the version store, and an event tells of it in the metrics store."""

from __future__ import annotations

from workbench.metrics_store import MetricsStore
from workbench.records import Event, Promotion
from workbench.version_store import VersionStore


def activate(versions: VersionStore, metrics: MetricsStore, version_id: str, *, by: str, reason: str) -> Promotion:
    """Make a version live; an event only if it was not live already."""
    before = versions.live_id()
    promotion = versions.activate(version_id, by=by, reason=reason)
    if before != version_id:
        _tell(metrics, "switched", promotion, before)
    return promotion


def rollback(
    versions: VersionStore, metrics: MetricsStore, *, by: str, reason: str, generation: int | None = None
) -> Promotion:
    """Undo the last switch; with a generation, only if that is still the one that is live."""
    before = versions.live_id()
    promotion = versions.rollback(by=by, reason=reason, generation=generation)
    _tell(metrics, "rolled_back", promotion, before)
    return promotion


def _tell(metrics: MetricsStore, kind: str, promotion: Promotion, before: str | None) -> None:
    metrics.append(
        Event(
            kind=kind,
            reason=promotion.reason,
            version=promotion.version_id,
            by=promotion.by,
            data={"previous": before, "generation": promotion.generation},
        )
    )
