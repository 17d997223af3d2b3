"""The shared PostgreSQL database: one connection at a time, made anew when it was lost; its schema kept up to date.

Optional: `metrics.url` asks for it, and only then is psycopg imported. No password is in any message.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import DatabaseAway, SettingsError

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

log = logging.getLogger("workbench.database")
MIGRATIONS = Path(__file__).parent / "migrations"
# After a vain attempt to connect nobody tries for so long: a request must not wait for one attempt after the other.
RETRY_S = 1.0
# A peer that has gone without a word is given up after so long, on both ends.
SILENCE_MS = 10_000
OF_THIS_END = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": SILENCE_MS,
    "application_name": "model-workbench",
}
# The locks of a machine that has gone are free as soon as its connection ends there, too.
OF_THE_SERVER = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": str(SILENCE_MS),
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
}


class Database:
    """The schema of one workspace in a PostgreSQL database; safe to share among threads.

    Parameters
    ----------
    url : str
        As libpq takes it: postgresql://user@host:port/name. What it does not say libpq finds in its own environment
        variables and passfile.
    schema : str
        The schema that holds everything; made if it is not there.
    monotonic : callable returning seconds
    """

    def __init__(self, url: str, schema: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.schema = schema
        self.trouble: str | None = None
        self._told = _parsed(url)
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._connection: Connection[Any] | None = None
        self._pid = -1
        self._migrated = False
        self._not_before = -float("inf")

    @property
    def where(self) -> str:
        """Host, port and name, for messages."""
        told = self._told
        return f"{told.get('host', 'localhost')}:{told.get('port', 5432)}/{told.get('dbname', '')}"

    def key(self, what: str) -> int:
        """The advisory lock of this workspace for something: a 64-bit number."""
        return int.from_bytes(hashlib.sha256(f"workbench {self.schema} {what}".encode()).digest()[:8], signed=True)

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Cursor[Any]]:
        """A cursor in a transaction: all of the block, or nothing; a read-only one sees one moment.

        Raises
        ------
        DatabaseAway
            If it cannot be reached, or refuses.
        """
        import psycopg

        with self._lock:
            connection = self._connected()
            try:
                connection.read_only = read_only
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ if read_only else None
                with connection.transaction(), connection.cursor() as cursor:
                    yield cursor
            except psycopg.Error as error:
                # The next one may try at once: the database may be back long since.
                raise self._away(error) from error
            if self.trouble is not None:
                log.warning("the shared database %s answers again", self.where)
                self.trouble = None

    def connect(self) -> Connection[Any]:
        """A connection of one's own, in the schema; whoever asks closes it. Statements commit by themselves.

        Raises
        ------
        psycopg.Error
        """
        import psycopg

        connection = psycopg.connect(**{**OF_THIS_END, **self._told}, autocommit=True)
        try:
            connection.execute("select set_config('search_path', %s, false)", (self.schema,))
            for name, value in OF_THE_SERVER.items():
                connection.execute("select set_config(%s, %s, false)", (name, value))
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        # Stores are let go of without a word; a connection must not be.
        if getattr(self, "_connection", None) is not None:
            self.close()

    def _connected(self) -> Connection[Any]:
        import psycopg

        if self._connection is not None and self._pid == os.getpid() and not self._connection.closed:
            return self._connection
        # A connection of the process that this one was forked from is that one's.
        self._connection = None
        if self._monotonic() < self._not_before:
            raise DatabaseAway(self.trouble)
        begun = self._monotonic()
        try:
            connection = self.connect()
            try:
                if not self._migrated:
                    migrate(connection, self.schema, self.key("migrations"))
                    self._migrated = True
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            # Of the time of those who ask, most is not spent on waiting for a peer that says nothing.
            self._not_before = self._monotonic() + max(RETRY_S, 4 * (self._monotonic() - begun))
            raise self._away(error) from error
        self._connection, self._pid = connection, os.getpid()
        return connection

    def _away(self, error: Exception) -> DatabaseAway:
        """What to raise for an error of the driver; the connection is not used again."""
        self.close()
        told = f"the shared database {self.where} cannot be used now: {next(iter(str(error).splitlines()), error)}"
        if self.trouble is None:
            log.warning("%s; what is recorded waits on this disk", told)
        self.trouble = told
        return DatabaseAway(told)


def migrate(connection: Connection[Any], schema: str, key: int, folder: Path = MIGRATIONS) -> list[str]:
    """Bring a schema up to date; of several processes that begin at once one does it, the others wait.

    Returns
    -------
    list of str
        The files that were run, in order.

    Raises
    ------
    SettingsError
        If a newer workbench has been there.
    """
    from psycopg import sql

    files = {int(path.name.split("_")[0]): path for path in sorted(folder.glob("*.sql"))}
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (key,))
        there = connection.execute("select to_regclass(%s)", (f"{schema}.migrations",)).fetchone()
        if there == (None,):
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
            connection.execute(
                "create table migrations (number int primary key, name text not null, applied_at timestamptz "
                "not null default now())"
            )
        done = {number for (number,) in connection.execute("select number from migrations")}
        if done - files.keys():
            raise SettingsError(
                f"schema {schema!r} of the shared database is of a newer workbench (migration {max(done)}, this one "
                f"knows {max(files)}); update this one, or name another [metrics] schema_name"
            )
        fresh = [number for number in files if number not in done]
        for number in fresh:
            connection.execute(files[number].read_bytes())
            connection.execute("insert into migrations values (%s, %s)", (number, files[number].name))
    return [files[number].name for number in fresh]


def _parsed(url: str) -> dict[str, Any]:
    """What a URL says; nothing of it is told where it is wrong: a password may stand in it."""
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise SettingsError(
            "[metrics] url names a PostgreSQL database, and psycopg is not installed: "
            "pip install 'model-workbench[scale]'"
        ) from error
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        raise SettingsError(
            "[metrics] url is no address that libpq understands; it is like postgresql://user@host:5432/name"
        ) from None
