"""The store contract at its root: what writers wrote is what readers read, in one order, whatever happens to a file."""

import os
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest

from workbench.moments import parse_utc
from workbench.records import Event, Prediction
from workbench.segments import Writer, order, segment_start
from workbench.tails import Tail


def event(text: str) -> Event:
    return Event(kind="test", reason=text)


def reasons(folder, keep=None) -> list[str]:
    return [e.reason for e in Tail(folder, Event, keep).read()]


def test_records_come_back_in_order_with_ids_that_name_segment_and_line(tmp_path, clock):
    writer = Writer(tmp_path, clock=clock)
    (first,) = writer.append([event("a")])
    second, third = writer.append([event("b"), event("c")])
    assert [first.id[-8:], second.id[-8:], third.id[-8:]] == ["-0000000", "-0000001", "-0000002"]
    assert segment_start(first.id) == "2026-01-01T12:00:00.000000Z"
    assert (tmp_path / f"{first.id[:-8]}.jsonl").exists()
    assert reasons(tmp_path) == ["a", "b", "c"]


def test_a_segment_rolls_over(tmp_path):
    writer = Writer(tmp_path, segment_rows=2)
    for i in range(5):
        writer.append([event(str(i))])
    assert len(list(tmp_path.glob("*.jsonl"))) == 3
    assert reasons(tmp_path) == list("01234")


def test_a_clock_that_jumps_back_does_not_turn_stamps_back(tmp_path, clock):
    writer = Writer(tmp_path, clock=clock)
    (before,) = writer.append([event("a")])
    clock.forward(days=-1)
    (after,) = writer.append([event("b")])
    assert after.recorded_at == before.recorded_at
    assert reasons(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("keep", [1, 3, 10, 11, 100, None])
def test_a_fresh_reader_and_one_that_followed_hold_the_same_last_records(tmp_path, clock, keep):
    followed = Tail(tmp_path, Event, keep)
    a, b = Writer(tmp_path, segment_rows=3, clock=clock), Writer(tmp_path, segment_rows=4, clock=clock)
    for i in range(10):
        (a if i % 3 else b).append([event(str(i))])
        clock.forward(seconds=1)
        followed.read()
    whole = [str(i) for i in range(10)]
    assert [e.reason for e in followed.read()] == (whole if keep is None else whole[-keep:])
    assert reasons(tmp_path, keep) == [e.reason for e in followed.read()]


def test_a_torn_last_line_is_not_read_and_not_continued(tmp_path):
    writer = Writer(tmp_path)
    writer.append([event("whole")])
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"id":"x","reason":"to')
    Writer(tmp_path).append([event("later")])
    assert reasons(tmp_path) == ["whole", "later"]
    assert reasons(tmp_path, keep=1) == ["later"]


def test_a_damaged_line_is_skipped_and_counted(tmp_path):
    writer = Writer(tmp_path)
    writer.append([event("a"), event("b"), event("c")])
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"reason":"b"', b'"reason":"\xff"'))
    tail = Tail(tmp_path, Event, 2)
    assert [e.reason for e in tail.read()] == ["a", "c"]
    assert tail.damaged == 1


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ((b'"id":"', b'"ie":"'), 0),
        ((b'"recorded_at":"20', b'"recorded_at":"x0'), 0),
        ((b'"reason"', b'"r\xe9ason"'), 0),
        ((b'"by":', b'"b\xf9":'), 0),
        ((b'"by":', b'"bz":'), 1),
    ],
    ids=["no id", "no time", "no reason", "no UTF-8", "a field nobody knows"],
)
def test_a_record_without_id_or_time_or_in_no_utf8_is_none(tmp_path, change, left, caplog):
    Writer(tmp_path).append([event("a")])
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(*change))
    tail = Tail(tmp_path, Event, None)
    assert (len(tail.read()), tail.damaged) == (left, 1 - left)
    assert ("1 lines are no valid record" in caplog.text) == (left == 0)


def test_a_deleted_segment_is_noticed_by_a_reader_that_held_it(tmp_path):
    writer = Writer(tmp_path, segment_rows=1)
    for text in "abc":
        writer.append([event(text)])
    tail = Tail(tmp_path, Event, 2)
    assert [e.reason for e in tail.read()] == ["b", "c"]
    max(tmp_path.glob("*.jsonl")).unlink()
    assert [e.reason for e in tail.read()] == ["a", "b"]


def test_a_writer_whose_file_was_deleted_goes_on_in_a_new_one(tmp_path):
    writer = Writer(tmp_path)
    writer.append([event("a")])
    next(tmp_path.glob("*.jsonl")).unlink()
    writer.append([event("b")])
    assert (reasons(tmp_path), writer.deferred) == (["b"], 0)


def edited(path):
    """As an editor saves it: a new file in the place of the old one."""
    old = path.rename(path.with_suffix(".jsonl~"))
    path.write_bytes(old.read_bytes())


def replaced_by_one_of_the_size_to_come(path):
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole + b" " * (len(whole) // 2 - 1) + b"\n")


def torn(path):
    path.write_bytes(path.read_bytes()[:-5])


def lengthened(path):
    path.write_bytes(path.read_bytes() + b'{"id": "half')


@pytest.mark.parametrize("change", [edited, replaced_by_one_of_the_size_to_come, torn, lengthened])
def test_a_writer_whose_file_somebody_changed_goes_on_in_a_new_one_and_each_line_is_there_once(tmp_path, change):
    writer = Writer(tmp_path)
    writer.append([event("a")])
    writer.append([event("b")])
    change(next(tmp_path.glob("*.jsonl")))
    writer.append([event("c")])
    writer.append([event("d")])
    found = reasons(tmp_path)
    assert found == (["a", "c", "d"] if change is torn else ["a", "b", "c", "d"])
    assert (writer.deferred, writer.trouble) == (0, None)


def test_a_writer_whose_folder_was_moved_goes_on_in_a_new_one_and_writes_nothing_twice(tmp_path):
    writer = Writer(tmp_path / "here")
    writer.append([event("a")])
    (tmp_path / "here").rename(tmp_path / "there")
    writer.append([event("b")])
    assert (reasons(tmp_path / "here"), reasons(tmp_path / "there")) == (["b"], ["a"])


def test_a_line_that_the_disk_took_and_then_refused_is_not_found_twice(tmp_path, monkeypatch):
    """What fsync says of a disk with bad blocks: the file is longer by then."""
    writer, fsync, answers = Writer(tmp_path, fsync="always"), os.fsync, [None, None, OSError(5, "Input/output error")]

    def failing(fd):
        fsync(fd)
        if answers and (error := answers.pop(0)):
            raise error

    monkeypatch.setattr(os, "fsync", failing)
    writer.append([event("a")])
    writer.append([event("b")])
    assert (reasons(tmp_path), writer.deferred) == (["a", "b"], 0)


def test_a_forked_process_does_not_write_what_waits_in_its_parent(tmp_path):
    folder = tmp_path / "store"
    folder.write_text("")
    writer = Writer(folder)
    writer.append([event("parent")])
    folder.unlink()
    child = os.fork()
    if child == 0:
        writer.flush()
        writer.append([event("child")])
        writer.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert writer.flush()
    assert sorted(reasons(folder)) == ["child", "parent"]


def test_what_still_waits_at_the_end_is_lost_and_told(tmp_path, caplog):
    folder = tmp_path / "store"
    folder.write_text("")
    writer = Writer(folder)
    writer.append([event("a"), event("b")])
    assert "File exists" in writer.trouble
    writer.close()
    assert (writer.lost, writer.deferred) == (2, 0)
    assert "2 records are lost: File exists" in caplog.text


def test_what_the_disk_refuses_waits_and_is_written_later(tmp_path):
    folder = tmp_path / "store"
    folder.write_text("a file where the folder should be")
    writer = Writer(folder)
    (kept,) = writer.append([event("early")])
    assert writer.deferred == 1
    folder.unlink()
    writer.append([event("late")])
    assert (writer.deferred, writer.lost) == (0, 0)
    assert reasons(folder) == ["early", "late"]
    assert kept.id in {e.id for e in Tail(folder, Event, None).read()}


def test_what_waits_is_bounded_and_the_loss_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.segments.KEPT_IN_MEMORY", 3)
    folder = tmp_path / "store"
    folder.write_text("")
    writer = Writer(folder)
    writer.append([event(str(i)) for i in range(5)])
    assert (writer.deferred, writer.lost) == (3, 2)
    folder.unlink()
    assert writer.flush()
    assert reasons(folder) == ["2", "3", "4"]


@pytest.mark.slow
def test_two_processes_write_and_every_reader_finds_one_exact_window(tmp_path):
    code = """
import sys
from pathlib import Path
from workbench.records import Prediction
from workbench.segments import Writer
writer = Writer(Path(sys.argv[1]), segment_rows=100)
for i in range(1000):
    writer.append([Prediction(event_time="", version=sys.argv[2], inputs={"i": i}, output=0.0, response_s=0.0)])
"""
    tails = [Tail(tmp_path, Prediction, 700), Tail(tmp_path, Prediction, None)]
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "ab"]
    while any(w.poll() is None for w in writers):
        for tail in tails:
            tail.read()
    assert [w.returncode for w in writers] == [0, 0]
    everything = Tail(tmp_path, Prediction, None).read()
    assert len(everything) == len({p.id for p in everything}) == 2000
    assert everything == sorted(everything, key=order)
    for name in "ab":
        assert [p.inputs["i"] for p in everything if p.version == name] == list(range(1000))
    assert tails[0].read() == everything[-700:] == Tail(tmp_path, Prediction, 700).read()
    assert tails[1].read() == everything


def test_a_forked_process_writes_to_a_segment_of_its_own(tmp_path):
    writer = Writer(tmp_path)
    writer.append([event("parent")])
    child = os.fork()
    if child == 0:
        writer.append([event("child")])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert sorted(reasons(tmp_path)) == ["child", "parent"]


def test_ids_sort_as_segments_and_lines(tmp_path, clock):
    writer = Writer(tmp_path, clock=clock)
    stamped = writer.append([event(str(i)) for i in range(12)])
    assert sorted(stamped, key=order) == stamped
    assert parse_utc(stamped[0].recorded_at) - clock() == timedelta(0)


def test_numpy_scalars_are_numbers_and_anything_else_is_refused_before_it_is_half_written(tmp_path):
    writer = Writer(tmp_path)
    writer.append([Event(kind="test", reason="a", data={"x": np.float64(1.5)})])
    with pytest.raises(TypeError, match="a object cannot be recorded"):
        writer.append([event("b"), Event(kind="test", reason="c", data={"x": object()})])
    writer.append([event("d")])
    assert reasons(tmp_path) == ["a", "d"]


def test_a_full_disk_leaves_no_empty_files_behind(tmp_path, monkeypatch):
    def full(fd, data):
        raise OSError(28, "No space left on device")

    writer, write = Writer(tmp_path), os.write
    monkeypatch.setattr("workbench.segments.os.write", full)
    for i in range(5):
        writer.append([event(str(i))])
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("workbench.segments.os.write", write)
    writer.append([event("5")])
    assert reasons(tmp_path) == list("012345")
