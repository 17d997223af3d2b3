"""One pointer for several machines: the last line of the promotion log in the shared database.

live.json and promotions.jsonl of each machine follow it, so that all who look at them need not know. Switching needs
the database; while it is away, everybody goes on with what was live.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.database import Database
from workbench.errors import Busy, CorruptVersion, UnknownVersion
from workbench.files import replace_whole
from workbench.live_pointer import LivePointer, other_than, pointer_of
from workbench.moments import utc_now, utc_text
from workbench.records import Pointer, Promotion

if TYPE_CHECKING:
    from psycopg import Cursor

FIELDS = "version_id, previous, generation, activated_at, by, reason"
# What a machine's own log said that is not in the one that is shared.
BEFORE = "promotions-before-sharing.jsonl"


class SharedPointer(LivePointer):
    """The pointer of a workspace on several machines, as one of them sees it.

    Parameters
    ----------
    folder : path of versions/
    database : Database
    published : callable (version id) -> bool
        Whether a version's files are here: what is live elsewhere goes live here once they are.
    """

    def __init__(
        self,
        folder: Path,
        database: Database,
        published: Callable[[str], bool],
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(folder, clock=clock)
        self._database = database
        self._published = published

    def switch(
        self,
        version_id: str,
        *,
        by: str,
        reason: str,
        generation: int | None = None,
        still: Callable[[], object] = lambda: None,
    ) -> Promotion:
        """As `LivePointer.switch`, for all machines.

        Raises
        ------
        Busy
        DatabaseAway
            Nothing was switched, or it was and the answer was lost: `follow` tells.
        """
        with self._alone():
            still()
            with self._database.transaction() as cursor:
                cursor.execute("select pg_advisory_xact_lock(%s)", (self._database.key("switch"),))
                log = self._shared_log(cursor)
                before = pointer_of(log[-1]) if log else None
                found = before.generation if before else 0
                if generation is not None and found != generation:
                    live = before.version_id if before else "nothing"
                    raise Busy(f"not switched: {live} has gone live meanwhile, by somebody else")
                if before is None or before.version_id != version_id:
                    promotion = Promotion(
                        version_id=version_id,
                        previous=other_than(version_id, before),
                        generation=found + 1,
                        activated_at=utc_text(self._clock()),
                        by=by,
                        reason=reason,
                    )
                    _insert(cursor, [promotion])
                    log.append(promotion)
            self._mirror(log)
            return log[-1]

    def follow(self) -> None:
        """Let this machine's files say what the database says; the version has to be here.

        Raises
        ------
        UnknownVersion
            If it is not; this machine goes on with what it has.
        DatabaseAway, Busy
        """
        with self._database.transaction(read_only=True) as cursor:
            last = cursor.execute(f"select {FIELDS} from promotions order by generation desc limit 1").fetchone()
        live = self._here()
        if last is None and live is None:
            return
        if last is not None and live is not None and pointer_of(_promotion(last)) == live:
            return
        with self._alone(), self._database.transaction() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s)", (self._database.key("switch"),))
            log = self._shared_log(cursor)
            if log and not self._published(log[-1].version_id):
                raise UnknownVersion(
                    f"{log[-1].version_id} is live on other machines, and its files are not in {self.path.parent}; "
                    f"{live.version_id if live else 'nothing'} stays live here"
                )
            self._mirror(log)

    def _here(self) -> Pointer | None:
        try:
            live = self.read()
        except CorruptVersion:
            # Is replaced by what the database says.
            return None
        return None if live is None else msgspec.structs.replace(live, checksum="")

    def _shared_log(self, cursor: Cursor[Any]) -> list[Promotion]:
        """The log of all machines; that of the first one that comes, if there is none yet."""
        rows = cursor.execute(f"select {FIELDS} from promotions order by generation").fetchall()
        log = [_promotion(row) for row in rows]
        if not log:
            # By generation: a mended log may tell one twice.
            log = sorted({promotion.generation: promotion for promotion in self.log()}.values(), key=_generation)
            _insert(cursor, log)
        return log

    def _mirror(self, log: list[Promotion]) -> None:
        if not log:
            return
        before = self.log()
        if any(promotion not in log for promotion in before):
            os.replace(self.log_path, self.log_path.with_name(BEFORE))
        if before != log:
            replace_whole(self.log_path, b"".join(msgspec.json.encode(promotion) + b"\n" for promotion in log))
        if self._here() != pointer_of(log[-1]):
            self._point(pointer_of(log[-1]))


def _generation(promotion: Promotion) -> int:
    return promotion.generation


def _promotion(row: tuple[Any, ...]) -> Promotion:
    return Promotion(**dict(zip(FIELDS.split(", "), row, strict=True)))


def _insert(cursor: Cursor[Any], log: list[Promotion]) -> None:
    cursor.executemany(
        f"insert into promotions ({FIELDS}) values (%s, %s, %s, %s, %s, %s)",
        [tuple(getattr(promotion, name) for name in FIELDS.split(", ")) for promotion in log],
    )
