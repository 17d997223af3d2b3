"""One schema per workspace, made and kept up to date by whoever comes first; no password in any message."""

import logging
import shutil
import sys
import threading

import psycopg
import pytest

from workbench.database import MIGRATIONS, Database, migrate
from workbench.errors import DatabaseAway, SettingsError
from workbench.sections import MetricsSettings
from workbench.settings import load_settings


def tables(database) -> set[str]:
    with database.transaction() as cursor:
        return {name for (name,) in cursor.execute("select tablename from pg_tables where schemaname = current_schema")}


def test_the_first_connection_makes_the_schema_and_the_next_finds_it(database, postgresql, schema):
    made = tables(database)
    assert {"migrations", "records", "predictions", "shipped"} <= made
    assert tables(Database(postgresql.url, schema)) == made
    with database.connect() as connection:
        assert migrate(connection, schema, database.key("migrations")) == []


def test_many_who_come_at_once_migrate_once(postgresql, schema):
    troubles = []

    def come():
        try:
            tables(Database(postgresql.url, schema))
        except DatabaseAway as error:
            troubles.append(error)

    threads = [threading.Thread(target=come) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []


def test_a_migration_that_fails_leaves_the_schema_as_it_was_and_is_run_again(database, schema, tmp_path):
    before = tables(database)
    shutil.copytree(MIGRATIONS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "0099_more.sql").write_text("create table more (a int); select no_such_function()")
    with database.connect() as connection:
        with pytest.raises(psycopg.Error, match="no_such_function"):
            migrate(connection, schema, 1, tmp_path)
        assert tables(database) == before
        (tmp_path / "0099_more.sql").write_text("create table more (a int)")
        assert migrate(connection, schema, 1, tmp_path) == ["0099_more.sql"]
    assert tables(database) == before | {"more"}


def test_a_schema_of_a_newer_workbench_is_left_alone(database, postgresql, schema):
    with database.transaction() as cursor:
        cursor.execute("insert into migrations values (99, '0099_later.sql')")
    with pytest.raises(SettingsError, match=r"newer workbench .*99"):
        tables(Database(postgresql.url, schema))


def test_two_workspaces_share_a_database_and_no_lock(postgresql):
    one, two = Database(postgresql.url, "one"), Database(postgresql.url, "two")
    assert tables(one) == tables(two)
    assert one.key("maintainer") != two.key("maintainer") != two.key("migrations")


def test_a_lost_connection_is_made_anew(database):
    with database.transaction() as cursor:
        (pid,) = cursor.execute("select pg_backend_pid()").fetchone()
    with database.connect() as other:
        other.execute("select pg_terminate_backend(%s)", (pid,))
    with pytest.raises(DatabaseAway), database.transaction() as cursor:
        cursor.execute("select 1")
    with database.transaction() as cursor:
        assert cursor.execute("select 1").fetchone() == (1,)
    assert database.trouble is None


def test_after_a_failure_nobody_waits_for_another_attempt_at_once(monkeypatch):
    now = [0.0]
    database = Database("postgresql://127.0.0.1:1/none", "workbench", monotonic=lambda: now[0])
    attempts = []
    monkeypatch.setattr(database, "connect", lambda: (attempts.append(now[0]), psycopg.connect("port=1 host=::1")))
    for now[0] in (0.0, 0.5, 0.9, 1.1):
        with pytest.raises(DatabaseAway, match="cannot be used now"), database.transaction():
            pass
    assert attempts == [0.0, 1.1]


@pytest.mark.parametrize(
    "url", ["postgresql://me:secret@127.0.0.1:1/x", "postgresql://me:secret@[::1/x", "postgres://me:secret@h/x?no=1"]
)
def test_a_password_is_in_no_message(url, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises((DatabaseAway, SettingsError)) as told, Database(url, "workbench").transaction():
        pass
    assert "secret" not in f"{told.value} {caplog.text} {MetricsSettings(url=url)!r}"


def test_a_wrong_address_is_told_without_showing_it(settings, monkeypatch):
    monkeypatch.setenv("WORKBENCH_METRICS__URL", "mysql://me:secret@h/x")
    with pytest.raises(SettingsError, match=r"'metrics.url' is no address") as told:
        load_settings(settings.root)
    assert "secret" not in str(told.value)


def test_the_password_may_come_from_libpqs_environment_or_passfile(postgresql, schema, monkeypatch, tmp_path):
    with psycopg.connect(postgresql.url, autocommit=True) as boss:
        boss.execute("create role guarded login superuser password 'told nowhere'")
    url = postgresql.url.replace("workbench@", "guarded@")
    with pytest.raises(DatabaseAway, match="no password supplied"):
        tables(Database(url, schema))
    monkeypatch.setenv("PGPASSWORD", "told nowhere")
    assert tables(Database(url, schema))
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pass").write_text("*:*:*:guarded:told nowhere\n")
    (tmp_path / "pass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    assert tables(Database(url, schema))


def test_without_the_driver_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install 'model-workbench\[scale\]'"):
        Database("postgresql://h/x", "workbench")
