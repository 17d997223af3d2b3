from datetime import timedelta
from uuid import uuid4

import pytest

from tests.conftest import NOON
from workbench.database import Database
from workbench.errors import Busy, CorruptVersion
from workbench.live_pointer import LivePointer
from workbench.shared_pointer import SharedPointer


@pytest.fixture
def pointer(tmp_path, clock):
    return LivePointer(tmp_path, clock=clock)


@pytest.fixture(params=["json", "postgresql"])
def either(request, pointer, tmp_path, clock):
    """The pointer of one machine, or of several as one of them sees it."""
    if request.param == "json":
        yield pointer
        return
    database = Database(request.getfixturevalue("postgresql").url, f"pointer_{uuid4().hex}")
    yield SharedPointer(tmp_path, database, lambda name: True, clock=clock)
    database.close()


def test_nothing_is_live_at_first(either):
    either.follow()
    assert (either.read(), either.stamp(), either.log()) == (None, None, [])


def test_every_switch_changes_the_stamp_and_the_generation(either):
    pointer = either
    pointer.switch("a", by="t", reason="")
    first = pointer.stamp()
    pointer.switch("b", by="t", reason="")
    assert pointer.stamp() != first
    assert pointer.read().generation == 2


def test_who_switches_from_another_generation_is_refused(either):
    either.switch("a", by="t", reason="", generation=0)
    with pytest.raises(Busy, match="a has gone live meanwhile"):
        either.switch("b", by="t", reason="", generation=0)
    assert either.switch("a", by="t", reason="again").generation == 1
    assert (either.switch("b", by="t", reason="", generation=1).previous, either.read().version_id) == ("a", "b")


def test_which_version_was_live_at_a_moment(either, clock):
    pointer = either
    pointer.switch("a", by="t", reason="")
    clock.forward(hours=1)
    pointer.switch("b", by="t", reason="")
    moments = [NOON - timedelta(seconds=1), NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=2)]
    assert [pointer.live_at(m) for m in moments] == [None, "a", "a", "b"]


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[: len(b) // 2], lambda b: b.replace(b'"a"', b'"x"'), lambda b: b"\xff" + b],
    ids=["cut", "edited", "not text"],
)
def test_a_damaged_pointer_is_an_error_that_names_the_remedy_and_a_switch_mends_it(pointer, damage):
    pointer.switch("a", by="t", reason="")
    pointer.path.write_bytes(damage(pointer.path.read_bytes()))
    with pytest.raises(CorruptVersion, match=r"live.json .*main.py activate a"):
        pointer.read()
    pointer.switch("a", by="t", reason="as the message says")
    assert (pointer.read().version_id, pointer.read().generation) == ("a", 2)
    pointer.switch("b", by="t", reason="")
    assert (pointer.read().version_id, pointer.read().previous) == ("b", "a")


def test_a_pointer_that_somebody_deleted_is_told_and_a_switch_mends_it_and_goes_on_counting(pointer):
    for name in "ab":
        pointer.switch(name, by="t", reason="")
    pointer.path.unlink()
    with pytest.raises(CorruptVersion, match=r"live.json is gone; .*main.py activate b"):
        pointer.read()
    pointer.switch("b", by="t", reason="as the message says")
    assert (pointer.read().version_id, pointer.read().previous, pointer.read().generation) == ("b", "a", 3)


def test_a_switch_cut_off_before_its_log_line_is_logged_by_the_next(pointer):
    pointer.switch("a", by="t", reason="")
    pointer.switch("b", by="t", reason="")
    lines = pointer.log_path.read_bytes().splitlines(keepends=True)
    pointer.log_path.write_bytes(lines[0] + lines[1][:20])
    pointer.switch("c", by="t", reason="")
    assert [(p.version_id, p.generation) for p in pointer.log()] == [("a", 1), ("b", 2), ("c", 3)]
    assert pointer.log()[1].by == "recovered"
