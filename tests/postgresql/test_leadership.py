"""One maintainer in the whole fleet; when it dies or loses the database, another takes over."""

import threading

import psycopg

from tests.conftest import until
from tests.postgresql.conftest import asked, numbers
from workbench.leadership import Leadership, leader
from workbench.sharing import Sharing, trouble_here


def candidates(fleet, names="abc"):
    return {name: Leadership(fleet.database(), name) for name in names}


def cut(fleet, replica: str) -> None:
    """End a replica's connection, as the death of its process does."""
    with psycopg.connect(fleet.url, autocommit=True) as boss:
        boss.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s",
            (f"workbench {replica}",),
        )


def test_one_leads_for_as_long_as_it_lives_and_then_another(fleet):
    asking = candidates(fleet)
    for _ in range(3):
        assert [who.leads() for who in asking.values()] == [True, False, False]
    assert leader(fleet.database()) == "a"
    cut(fleet, "a")
    assert [asking[name].leads() for name in "bca"] == [True, False, False]
    until(lambda: leader(fleet.database()) == "b")
    asking["b"].end()
    until(asking["c"].leads)
    for who in asking.values():
        who.end()
    until(lambda: leader(fleet.database()) is None)


def test_of_many_who_ask_at_once_one_leads(fleet):
    asking = candidates(fleet, "abcdef")
    found = []
    threads = [threading.Thread(target=lambda who=who: found.append(who.leads())) for who in asking.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 5 + [True]
    for who in asking.values():
        who.end()


def test_two_workspaces_have_a_leader_each(fleet, postgresql):
    from workbench.database import Database

    other = Database(postgresql.url, f"{fleet.schema}_other")
    both = Leadership(fleet.database(), "a"), Leadership(other, "b")
    assert [who.leads() for who in both] == [True, True]
    for who in both:
        who.end()
    other.close()


def test_of_two_machines_with_one_name_one_never_leads_and_says_why(fleet, caplog):
    one, copy = Leadership(fleet.database(), "a"), Leadership(fleet.database(), "a")
    assert [one.leads(), copy.leads(), copy.leads()] == [True, False, False]
    assert [r.message for r in caplog.records if "copy of another machine's" in r.message][1:] == []
    assert "delete metrics/replica" in caplog.text
    one.end()
    until(copy.leads)
    copy.end()


def test_without_the_database_nobody_leads():
    from workbench.database import Database

    assert not Leadership(Database("postgresql://127.0.0.1:1/none", "workbench"), "a").leads()


def test_what_is_recorded_is_shared_until_the_block_ends_and_then_once_more(fleet):
    store, reader = fleet.store("a"), fleet.store("b")
    with Sharing(store.shared, every_s=0.01):
        store.append(asked(1))
        until(lambda: numbers(reader.window()) == [1])
    with Sharing(store.shared, every_s=3600):
        fleet.clock.forward(seconds=1)
        store.append(asked(2))
    assert numbers(reader.window()) == [1, 2]


def test_that_nothing_is_shared_is_told_to_all_processes_of_the_machine_until_it_is(fleet):
    store = fleet.store("a")
    refused = [RuntimeError("no such version")]

    def also():
        if refused:
            raise refused[0]

    with Sharing(store.shared, every_s=0.01, also=also):
        until(lambda: trouble_here(store.folder) == "RuntimeError: no such version")
        refused.clear()
        until(lambda: trouble_here(store.folder) is None)


def test_one_process_a_machine_ships_and_another_goes_on_when_it_ends(fleet):
    store, second = fleet.store("a"), fleet.store("a")
    reader = fleet.store("b")
    with Sharing(second.shared, every_s=0.01):
        with store.shared.shipping_lock():
            store.append(asked(1))
        until(lambda: numbers(reader.window()) == [1])
