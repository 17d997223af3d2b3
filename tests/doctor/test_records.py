"""Damage among the records is found, named with its place and its remedy; and clocks that are wrong."""

import os
import shutil
from datetime import timedelta

import pytest

from tests.doctor.conftest import ROW, found, only, prediction, segment, write
from workbench.moments import utc_now, utc_text
from workbench.records import Heartbeat


def test_while_it_records_a_workspace_is_healthy_too(wb):
    wb.monitor.record(ROW, 30.0, version="first", response_s=0.01)
    with segment(wb).open("ab") as other:
        other.write(b"")
    newest = max((wb.settings.metrics_dir / "predictions").glob("*.jsonl"))
    with newest.open("ab") as half:
        half.write(b'{"id": "half')
    assert wb.doctor().findings == ()


def test_a_torn_end_of_a_closed_segment_is_a_note_and_damage_in_the_midst_a_problem(wb):
    path = segment(wb)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole) + whole[0][:-10])
    assert "1 closed segments end in the midst of a line" in only(wb, "records", "note")[0]
    assert wb.doctor().healthy
    path.write_bytes(b"".join([*whole[:3], b"\x00\x00\n", *whole[3:6], b'{"id": 5}\n', *whole[6:]]))
    what, where, _ = only(wb, "records")
    assert what == "2 of 12 lines are no valid record, the first of them line 4"
    assert where == f"metrics/predictions/{path.name}"


@pytest.mark.parametrize("kind", ["actuals", "refused", "service", "evaluations", "events"])
def test_damage_is_found_in_every_folder_of_records(wb, kind):
    (wb.settings.metrics_dir / kind).mkdir(exist_ok=True)
    (wb.settings.metrics_dir / kind / "x.jsonl").write_bytes(b"no record\n")
    assert only(wb, "records")[1] == f"metrics/{kind}/x.jsonl"


def test_what_a_folder_of_records_may_hold_ends_no_examination(wb):
    folder = wb.settings.metrics_dir / "predictions"
    (folder / "folder.jsonl").mkdir()
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "loop.jsonl").symlink_to(folder / "loop.jsonl")
    (folder / "gone.jsonl").symlink_to(folder / "nowhere")
    (folder / "long.jsonl").write_bytes(b"[" * 100_000 + b"\n")
    shutil.rmtree(wb.settings.metrics_dir / "actuals")
    (wb.settings.metrics_dir / "actuals").write_text("no folder")
    places = {f.where for f in wb.doctor().findings if f.area == "records"}
    names = ("folder", "pipe", "loop", "gone", "long")
    assert places == {"metrics/actuals", *(f"metrics/predictions/{name}.jsonl" for name in names)}


def test_records_from_the_future_and_stamps_that_go_backwards_are_told(wb):
    now = utc_now()
    write(wb, "predictions", *(prediction(now + timedelta(hours=h)) for h in (-3, -2, -3, 1, 2)))
    told = list(found(wb))
    assert told[0].startswith("2 records are stamped in the future, up to ")
    assert told[1].startswith("stamps go backwards in 20260101T000000000000Z-1-abcdef.jsonl")


def test_event_times_far_from_recorded_ones_are_told_and_a_replay_is_a_note(wb):
    now = utc_now()
    times = [now + timedelta(days=3), now - timedelta(days=4000), now - timedelta(days=40), now - timedelta(hours=1)]
    write(wb, "predictions", *(prediction(now, event) for event in times))
    told = list(found(wb))
    assert told[0].startswith("1 of 14 predictions happened more than a day after they were recorded")
    assert told[1].startswith(
        "1 of 14 predictions happened more than a year before they were recorded, up to 11.0 years"
    )
    write(wb, "predictions", *(prediction(now, now - timedelta(days=4000)) for _ in range(30)))
    assert "30 of 40 predictions" in only(wb, "clock", "note")[0]


def test_heartbeats_from_the_future_and_from_before_their_worker_started_are_told(wb):
    now = utc_now()
    told = {"worker": 1, "every_s": 5.0, "version": "first", "cpu_share": 0.1, "memory_mb": 100.0}
    beats = [
        Heartbeat(recorded_at=utc_text(now - timedelta(hours=2)), started_at=utc_text(now), **told),
        Heartbeat(recorded_at=utc_text(now + timedelta(hours=2)), started_at=utc_text(now), **told),
    ]
    write(wb, "service", *beats)
    assert [(what[:11], where) for what, (_, where) in found(wb).items()] == [
        ("1 records a", "metrics/service"),
        ("1 heartbeat", "metrics/service"),
    ]
