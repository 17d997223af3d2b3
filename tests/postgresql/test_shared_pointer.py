"""What goes live on one machine goes live on all that have the version; of two who switch at once, one does."""

import threading

import psycopg
import pytest

from tests.conftest import until
from workbench.errors import Busy, DatabaseAway, UnknownVersion
from workbench.live_pointer import LivePointer
from workbench.shared_pointer import BEFORE, SharedPointer


@pytest.fixture
def machines(fleet, tmp_path, clock):
    """Makes the pointer of a machine, which has the versions that are named."""

    def machine(name: str, *versions: str) -> SharedPointer:
        return SharedPointer(tmp_path / name, fleet.database(), versions.__contains__, clock=clock)

    return machine


def live(pointer: LivePointer) -> tuple[str, int, str | None]:
    found = pointer.read()
    return found.version_id, found.generation, found.previous


def test_all_machines_follow_and_their_files_say_the_same(machines, tmp_path):
    a, b = machines("a", "one", "two"), machines("b", "one", "two")
    a.switch("one", by="t", reason="first")
    b.follow()
    b.switch("two", by="t", reason="better")
    a.follow()
    assert live(a) == live(b) == live(LivePointer(tmp_path / "a")) == ("two", 2, "one")
    assert a.log() == b.log()
    assert a.path.read_bytes() == b.path.read_bytes()
    stamp = a.stamp()
    a.follow()
    assert a.stamp() == stamp, "nothing new, nothing written"


def test_a_machine_without_the_version_goes_on_with_what_it_has(machines):
    a, b = machines("a", "one", "two"), machines("b", "one")
    a.switch("one", by="t", reason="")
    b.follow()
    a.switch("two", by="t", reason="")
    with pytest.raises(UnknownVersion, match=r"two is live on other machines.*one stays live here"):
        b.follow()
    assert live(b)[0] == "one"


def test_of_many_who_switch_from_the_same_generation_one_does(machines):
    names = [str(i) for i in range(6)]
    pointers = [machines(name, "first", *names) for name in names]
    pointers[0].switch("first", by="t", reason="")
    refused = []

    def switch(pointer, name):
        try:
            pointer.switch(name, by=name, reason="", generation=1)
        except Busy:
            refused.append(name)

    threads = [threading.Thread(target=switch, args=one) for one in zip(pointers, names, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    for pointer in pointers:
        pointer.follow()
    assert {live(pointer) for pointer in pointers} == {(*(set(names) - set(refused)), 2, "first")}


def test_who_switches_waits_for_who_is_switching(machines, fleet):
    a = machines("a", "one", "two")
    a.switch("one", by="t", reason="")
    told = []

    def switch():
        try:
            a.switch("two", by="t", reason="", generation=1)
        except Busy as error:
            told.append(str(error))

    with psycopg.connect(fleet.url, autocommit=True) as boss:
        boss.execute("select pg_advisory_lock(%s)", (fleet.made[0].key("switch"),))
        waiting = threading.Thread(target=switch)
        waiting.start()
        until(lambda: boss.execute("select from pg_locks where locktype = 'advisory' and not granted").fetchall())
        boss.execute(f"insert into {fleet.schema}.promotions values (2, 'three', 'one', '', 'boss', '')")
    waiting.join()
    assert told == ["not switched: three has gone live meanwhile, by somebody else"]


def test_the_first_machine_brings_its_log_and_others_keep_theirs_aside(machines, tmp_path, clock):
    alone = LivePointer(tmp_path / "a", clock=clock), LivePointer(tmp_path / "b", clock=clock)
    for pointer, names in zip(alone, (["one", "two"], ["three"]), strict=True):
        for name in names:
            pointer.switch(name, by="t", reason="alone")
    a, b = machines("a", "one", "two"), machines("b", "two")
    told = a.log()
    a.follow()
    b.follow()
    assert a.log() == b.log() == told
    assert live(b) == ("two", 2, "one")
    assert b"three" in (tmp_path / "b" / BEFORE).read_bytes()
    assert not (tmp_path / "a" / BEFORE).exists()


def test_a_machine_killed_before_it_wrote_its_files_catches_up(machines, monkeypatch):
    a = machines("a", "one", "two")
    a.switch("one", by="t", reason="")

    def killed(log):
        raise KeyboardInterrupt

    monkeypatch.setattr(a, "_mirror", killed)
    with pytest.raises(KeyboardInterrupt):
        a.switch("two", by="t", reason="")
    monkeypatch.undo()
    a.follow()
    assert live(a) == ("two", 2, "one")


def test_damaged_files_are_mended_by_following(machines):
    a = machines("a", "one")
    a.switch("one", by="t", reason="")
    a.path.write_bytes(b"{")
    a.log_path.write_bytes(b"")
    a.follow()
    assert live(a) == ("one", 1, None)
    assert len(a.log()) == 1


def test_while_the_database_is_away_nothing_is_switched_and_what_is_live_stays(machines, fleet):
    a = machines("a", "one", "two")
    a.switch("one", by="t", reason="")
    with psycopg.connect(fleet.url, autocommit=True) as boss:
        boss.execute(f"alter schema {fleet.schema} rename to {fleet.schema}_away")
        with pytest.raises(DatabaseAway):
            a.switch("two", by="t", reason="")
        with pytest.raises(DatabaseAway):
            a.follow()
        assert live(a)[0] == "one"
        boss.execute(f"alter schema {fleet.schema}_away rename to {fleet.schema}")
    assert a.switch("two", by="t", reason="").generation == 2
