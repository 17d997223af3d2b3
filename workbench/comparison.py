"""Every version over the traffic it served.

This room brings the records; tenures.py says what each version did with the traffic it served.
"""

from __future__ import annotations

from datetime import datetime

from workbench.comparison_result import Check, Comparison
from workbench.errors import CorruptVersion
from workbench.joining import first_of_each
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_text
from workbench.settings import Settings
from workbench.tails import Tail
from workbench.tenures import tenures
from workbench.version_store import VersionStore


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
