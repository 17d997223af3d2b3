"""How long records stay: what `history` does not need goes, the oldest first, after what was labelled is archived."""

from __future__ import annotations

from collections.abc import Callable

import filelock

from workbench import pruning
from workbench.errors import DatabaseAway
from workbench.joining import join
from workbench.metrics_store import MetricsStore
from workbench.records import Actual, Prediction
from workbench.segments import order

EVALUATIONS_KEPT_WHOLE = 5_000
Archive = Callable[[list[tuple[Prediction, Actual]]], None]


def prune(store: MetricsStore, archive: Archive) -> int:
    """Delete the oldest segments that `history` does not need; one process at a time.

    Parameters
    ----------
    store : MetricsStore
    archive : callable
        Given the labelled predictions of the segments about to go; they go only after it has returned.

    Returns
    -------
    int
        Number of files deleted; 0 if another process is pruning.
    """
    try:
        with store.pruning_lock().acquire(blocking=False):
            return _prune(store, archive)
    except filelock.Timeout:
        return 0


def _prune(store: MetricsStore, archive: Archive) -> int:
    gone, may_go, history = 0, pruning.always, store.history_size
    if store.shared is not None:
        try:
            gone += store.shared.prune(archive, history=history, evaluations=EVALUATIONS_KEPT_WHOLE)
        except DatabaseAway:
            return 0
        # What goes here lies there; what has labels was archived from there.
        may_go, archive = store.shared.shipper.is_shipped, _nothing
    kept = store.prediction_ids()
    if len(kept) >= history:
        gone += pruning.prune_predictions(store.folder, kept, lambda rows: join(rows, store.actuals()), archive, may_go)
        gone += pruning.delete(store.folder / "refused", order(kept[0]), may_go)
    # However many a client invents in the time of one history, disk and memory stay bounded.
    for name in ("refused", "service"):
        stamps = store.stamps(name, history)
        if len(stamps) >= history:
            gone += pruning.delete(store.folder / name, order(stamps[0]), may_go)
    evaluations = store.stamps("evaluations", EVALUATIONS_KEPT_WHOLE)
    if evaluations:
        gone += pruning.thin_evaluations(store.folder / "evaluations", order(evaluations[0]), may_go)
    return gone


def _nothing(rows: list[tuple[Prediction, Actual]]) -> None:
    """For what is archived already."""
