"""Following records in the shared database, as tails.py follows those in files: what is new, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from workbench.database import Database
from workbench.errors import DatabaseAway
from workbench.records import Record, Stamp
from workbench.segments import order
from workbench.tails import AFTER_ALL, BEFORE_ALL, Follower, Order

if TYPE_CHECKING:
    from psycopg import Cursor

R = TypeVar("R", bound=Record)
# Rows that are in memory at once beside the records made of them.
AT_ONCE = 2_000

LOOK = """
select times, recorded_at, id, (select coalesce(max(seq), 0) from records where kind = %(kind)s)
from deletions where kind = %(kind)s
"""
APPENDED = "select {} from records where kind = %(kind)s and seq > %(seq)s and seq <= %(top)s and replica <> %(mine)s"
LAST = """
select {} from records where kind = %(kind)s and replica <> %(mine)s
and (%(tag)s::text is null or line::json->>'kind' = %(tag)s)
order by recorded_at desc, id desc limit %(keep)s
"""


class RowFollower(Generic[R]):
    """Follows the records of a kind in the database; the parameters are those of `tails.Follower`.

    While the database is away there is nothing new.

    Parameters
    ----------
    name : str
        The kind: "predictions", "actuals", ...
    mine : str
        The replica whose records are left out, because it reads them where it wrote them; "" for none.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        kind: Any,
        only: type[Record] | None = None,
        backwards: Callable[[], Callable[[R], R]] | None = None,
        *,
        mine: str = "",
    ) -> None:
        self.damaged = 0
        self.away = False
        self._database = database
        self._stamps = kind is Stamp
        self._decode = msgspec.json.Decoder(kind).decode
        self._only = only or object
        self._backwards = backwards
        # Of a table of several kinds, those of one are counted where they are.
        tag = only.__struct_config__.tag if only is not None else None
        self._about = {"kind": name, "mine": mine, "tag": tag}
        # Up to where records were read, and how many deletions there had been; None before the first look.
        self._at: tuple[int, int] | None = None

    def news(self, keep: int | None = None) -> tuple[Order, list[R]]:
        """As `tails.Follower.news`."""
        try:
            with self._database.transaction(read_only=True) as cursor:
                times, recorded_at, name, top = cursor.execute(LOOK, self._about).fetchone() or (0, "", "", 0)
                lost = (recorded_at, name) if self._at is not None and self._at[1] != times else BEFORE_ALL
                fresh = self._read(cursor, top, keep)
        except DatabaseAway:
            # Not swallowed: it is in the log, and whoever must not go on without it asks `away`.
            self.away = True
            return BEFORE_ALL, []
        self.away, self._at = False, (top, times)
        return lost, sorted(fresh, key=order)

    def forget(self) -> None:
        """Read everything anew next time."""
        self._at = None

    def _read(self, cursor: Cursor[Any], top: int, keep: int | None) -> list[R]:
        seen = self._at[0] if self._at is not None else 0
        if top <= seen:
            return []
        if self._at is not None or keep is None:
            return list(self._decoded(self._rows(cursor, APPENDED, seq=seen, top=top)))
        found = self._decoded(self._rows(cursor, LAST, keep=keep))
        each = self._backwards() if self._backwards else None
        return list(map(each, found) if each else found)

    def _rows(self, cursor: Cursor[Any], query: str, **about: object) -> Iterator[tuple[Any, ...]]:
        with cursor.connection.cursor("rows") as rows:
            rows.itersize = AT_ONCE
            yield from rows.execute(
                query.format("id, recorded_at" if self._stamps else "line"), {**self._about, **about}
            )

    def _decoded(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[R]:
        for row in rows:
            try:
                record: Any = Stamp(id=row[0], recorded_at=row[1]) if self._stamps else self._decode(row[0])
            except msgspec.DecodeError:
                self.damaged += 1
                continue
            wanted = isinstance(record, self._only)
            if wanted:
                yield record


class BothFollower(Generic[R]):
    """What this machine recorded, from its files, and what others did, from the database."""

    def __init__(self, here: Follower[R], elsewhere: RowFollower[R]) -> None:
        self._parts = here, elsewhere

    @property
    def damaged(self) -> int:
        return sum(part.damaged for part in self._parts)

    @property
    def away(self) -> bool:
        return any(part.away for part in self._parts)

    def news(self, keep: int | None = None) -> tuple[Order, list[R]]:
        """As `tails.Follower.news`; of each the last `keep`."""
        found = [part.news(keep) for part in self._parts]
        lost = max(lost for lost, _ in found)
        if lost == AFTER_ALL:
            return AFTER_ALL, []
        return lost, sorted((record for _, fresh in found for record in fresh), key=order)

    def forget(self) -> None:
        for part in self._parts:
            part.forget()
