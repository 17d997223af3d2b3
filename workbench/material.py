"""What a retrain could learn from now, told cheaply: how much is new, and whether it is what was tried before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from workbench.metrics_store import MetricsStore
from workbench.policy import ATTEMPT, Material
from workbench.records import Event
from workbench.settings import Settings


def material(settings: Settings, metrics: MetricsStore, events: Sequence[Event]) -> Material:
    """The labelled predictions since the last attempt, and fingerprints of the base data and of everything.

    A file of base data is known by its size and the time it was written. What a function gives is not known before it
    is asked, so that only new labels count.
    """
    last = max((e.recorded_at for e in events if e.kind == ATTEMPT), default="")
    actuals = metrics.actuals()
    base = _short(settings.model.data, _written(settings.root / settings.model.data))
    newest = actuals[-1].id if actuals else None
    how = (settings.model.model_dump(), settings.store, settings.ensembles, settings.retrain.recipes)
    new_rows = sum(a.recorded_at > last for a in actuals)
    return Material(new_rows=new_rows, base=base, fingerprint=_short(base, newest, how))


def _written(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        # A module:function, or a file that is not there: reading it will say so.
        return None
    return stat.st_size, stat.st_mtime_ns


def _short(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
