"""One maintainer among all machines: who holds a lock in the shared database, for as long as its connection lives.

No clock, no lease: PostgreSQL frees the lock when the connection ends, also when the other end falls silent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from workbench.database import Database
from workbench.errors import DatabaseAway

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger("workbench.leadership")


class Leadership:
    """Asks for the lock, and tells whether it is held; for one thread.

    It also holds its machine's name: of two folders that are copies of each other one never leads, and says why.

    Parameters
    ----------
    database : Database
    replica : str
        Who asks, as others are told (`application_name`).
    """

    def __init__(self, database: Database, replica: str) -> None:
        self._database = database
        self._replica = replica
        self._connection: Connection[Any] | None = None
        self._led = self._named = self._told = False

    def leads(self) -> bool:
        """Whether this one leads now; takes the lead if nobody has it. Without the database nobody leads."""
        import psycopg

        try:
            leads = self._held()
        except (psycopg.Error, DatabaseAway):
            # Not swallowed: the database itself says in the log that it is away.
            self.end()
            leads = False
        if leads != self._led:
            log.info("%s %s", self._replica, "leads: it checks, decides and retrains" if leads else "leads no more")
        self._led = leads
        return leads

    def end(self) -> None:
        """Give the lead back."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._named = None, False

    def _held(self) -> bool:
        if self._connection is None:
            # Says in the log if it is away, and does not try again and again.
            with self._database.transaction():
                pass
            self._connection = self._database.connect()
            self._connection.execute(
                "select set_config('application_name', %s, false)", (f"workbench {self._replica}",)
            )
        elif self._led:
            # The lock is as alive as its connection.
            return self._connection.execute("select true").fetchone() == (True,)
        self._named = self._named or self._locked(f"replica {self._replica}")
        if not self._named and not self._told:
            log.error(
                "another process maintains as %s, too; if this folder is a copy of another machine's, delete "
                "metrics/replica in it: neither reads what the other records",
                self._replica,
            )
        self._told = not self._named
        return self._named and self._locked("maintainer")

    def _locked(self, what: str) -> bool:
        assert self._connection is not None
        key = self._database.key(what)
        return self._connection.execute("select pg_try_advisory_lock(%s)", (key,)).fetchone() == (True,)


def leader(database: Database) -> str | None:
    """The replica that leads now.

    Raises
    ------
    DatabaseAway
    """
    key = database.key("maintainer") & 0xFFFFFFFFFFFFFFFF
    with database.transaction(read_only=True) as cursor:
        found = cursor.execute(
            "select a.application_name from pg_locks l join pg_stat_activity a using (pid) "
            "where l.locktype = 'advisory' and l.granted and l.objsubid = 1 "
            "and l.classid::bigint = %s and l.objid::bigint = %s and a.datname = current_database()",
            (key >> 32, key & 0xFFFFFFFF),
        ).fetchone()
    return found[0].removeprefix("workbench ") if found else None
