"""What of the shared database may go: what `history` does not need, and no label before it is among the labelled.

The same rules as for files (pruning.py), a record at a time. One process at a time, each batch a transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from workbench.database import Database
from workbench.evaluation import Evaluation
from workbench.pruning import thinned
from workbench.tails import Order

if TYPE_CHECKING:
    from psycopg import Cursor

BATCH = 5_000

NTH_NEWEST = """
select recorded_at, id from records where kind = %(kind)s order by recorded_at desc, id desc offset %(keep)s - 1 limit 1
"""
MOVE_PREDICTIONS = """
with gone as (
    select id, recorded_at, line from records
    where kind = 'predictions' and (recorded_at, id) < (%(recorded_at)s, %(id)s)
    order by recorded_at, id limit %(batch)s
), pairs as (
    select distinct on (gone.id) gone.recorded_at, gone.id, gone.line as prediction, a.line as actual
    from gone join records a on a.kind = 'actuals' and a.prediction_id = gone.id
    order by gone.id, a.recorded_at, a.id
), moved as (
    insert into labelled (prediction_id, prediction, actual)
    select id, prediction, actual from pairs order by recorded_at, id
    on conflict do nothing
)
delete from records using gone where records.kind = 'predictions' and records.id = gone.id
returning records.recorded_at, records.id
"""
DELETE = """
delete from records r where r.kind = %(kind)s and (r.recorded_at, r.id) < (%(recorded_at)s, %(id)s)
returning r.recorded_at, r.id
"""
DELETE_ACTUALS = """
delete from records a where a.kind = 'actuals' and (a.recorded_at, a.id) < (%(recorded_at)s, %(id)s)
and not exists (select from records p where p.kind = 'predictions' and p.id = a.prediction_id)
returning a.recorded_at, a.id
"""
NOTE = """
update deletions set
    times = times + 1,
    recorded_at = case when (recorded_at, id) < (%(recorded_at)s, %(id)s) then %(recorded_at)s else recorded_at end,
    id = case when (recorded_at, id) < (%(recorded_at)s, %(id)s) then %(id)s else id end
where kind = %(kind)s
"""


def prune(database: Database, *, history: int, evaluations: int, labelled: int) -> int:
    """Delete what is not needed any more.

    Parameters
    ----------
    history : int
        Predictions that stay.
    evaluations : int
        So many stay whole, of those before the first of each hour and of each run of alarms.
    labelled : int
        Of predictions with their actuals, so many outlive their records.

    Returns
    -------
    int
        Records deleted; 0 if another process is at it.

    Raises
    ------
    DatabaseAway
    """
    gone = 0
    while batch := _some_predictions(database, history):
        gone += batch
    with database.transaction() as cursor:
        if not _alone(database, cursor):
            return gone
        limit = _nth_newest(cursor, "predictions", history)
        if limit is not None:
            gone += _delete(cursor, "actuals", limit, DELETE_ACTUALS) + _delete(cursor, "refused", limit)
        # However many a client invents in the time of one history, disk and memory stay bounded.
        for kind in ("refused", "service"):
            limit = _nth_newest(cursor, kind, history)
            gone += _delete(cursor, kind, limit) if limit is not None else 0
        limit = _nth_newest(cursor, "evaluations", evaluations)
        gone += _thin(cursor, limit) if limit is not None else 0
        cursor.execute("delete from labelled where seq <= (select max(seq) from labelled) - %s", (labelled,))
    return gone


def _alone(database: Database, cursor: Cursor[Any]) -> bool:
    """Whether no other process prunes while this transaction lasts."""
    return cursor.execute("select pg_try_advisory_xact_lock(%s)", (database.key("prune"),)).fetchone() == (True,)


def _nth_newest(cursor: Cursor[Any], kind: str, keep: int) -> Order | None:
    return cursor.execute(NTH_NEWEST, {"kind": kind, "keep": keep}).fetchone()


def _some_predictions(database: Database, history: int) -> int:
    """Delete the oldest ones beyond `history`; those with an actual go on living among the labelled."""
    with database.transaction() as cursor:
        limit = _nth_newest(cursor, "predictions", history) if _alone(database, cursor) else None
        if limit is None:
            return 0
        about = {"recorded_at": limit[0], "id": limit[1], "batch": BATCH}
        return _noted(cursor, "predictions", cursor.execute(MOVE_PREDICTIONS, about).fetchall())


def _delete(cursor: Cursor[Any], kind: str, limit: Order, query: str = DELETE) -> int:
    about = {"kind": kind, "recorded_at": limit[0], "id": limit[1]}
    return _noted(cursor, kind, cursor.execute(query, about).fetchall())


def _thin(cursor: Cursor[Any], limit: Order) -> int:
    """Of evaluations before `limit`, keep those that are kept of files; what was thinned before is not looked at."""
    found = cursor.execute(
        "select line from records where kind = 'evaluations' and (recorded_at, id) < (%s, %s) "
        "and (recorded_at, id) >= (select recorded_at, id from thinned) order by recorded_at, id limit %s",
        (*limit, BATCH),
    )
    rows = [msgspec.json.decode(line, type=Evaluation) for (line,) in found]
    if not rows:
        return 0
    rest = {row.id for row in thinned(rows)}
    gone = [(row.recorded_at, row.id) for row in rows if row.id not in rest]
    cursor.execute("delete from records where kind = 'evaluations' and id = any(%s)", ([name for _, name in gone],))
    # The last one is looked at again: a run of alarms may go on behind it.
    cursor.execute("update thinned set recorded_at = %s, id = %s", (rows[-1].recorded_at, rows[-1].id))
    return _noted(cursor, "evaluations", gone)


def _noted(cursor: Cursor[Any], kind: str, gone: list[Order]) -> int:
    """Tell readers up to where records are gone; returns how many."""
    if gone:
        recorded_at, name = max(gone)
        cursor.execute(NOTE, {"kind": kind, "recorded_at": recorded_at, "id": name})
    return len(gone)
