"""What a power loss may take: nothing that was answered, what is younger than a time, or what the kernel holds."""

import os
import threading

import pytest

from tests.conftest import until
from workbench.metrics_store import MetricsStore
from workbench.records import Event
from workbench.sections import MonitorSettings
from workbench.segments import Writer
from workbench.syncing import Syncer


def event(text: str) -> Event:
    return Event(kind="test", reason=text)


@pytest.fixture
def synced(monkeypatch):
    """Names of the files and folders that were put on the disk, in order."""
    names, fsync = [], os.fsync

    def told(fd):
        fsync(fd)
        names.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))

    monkeypatch.setattr(os, "fsync", told)
    return names


def files(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("*.jsonl"))


def test_never_leaves_it_to_the_kernel(tmp_path, synced):
    Writer(tmp_path).put([event("a")])
    assert synced == []


def test_always_has_each_line_and_the_name_of_its_file_on_the_disk_before_it_returns(tmp_path, synced):
    writer = Writer(tmp_path, fsync="always")
    writer.put([event("a")])
    assert synced == [tmp_path.name, *files(tmp_path)]
    writer.put([event("b")])
    assert synced[2:] == files(tmp_path)


def test_later_waits_for_nothing_and_sync_puts_all_on_the_disk_also_what_was_rolled_over(tmp_path, synced):
    writer = Writer(tmp_path, segment_rows=1, fsync="later")
    for text in "abc":
        writer.put([event(text)])
    assert synced == []
    writer.sync()
    assert sorted(synced) == sorted([*files(tmp_path), tmp_path.name])
    assert len(files(tmp_path)) == 3
    writer.sync()
    assert len(synced) == 4, "nothing was written since"


def test_close_puts_on_the_disk_what_is_not_yet(tmp_path, synced):
    writer = Writer(tmp_path, fsync="later")
    writer.put([event("a")])
    writer.close()
    assert set(files(tmp_path)) < set(synced)


def test_descriptors_of_rolled_over_segments_are_closed(tmp_path):
    writer = Writer(tmp_path, segment_rows=1, fsync="later")
    before = len(os.listdir("/proc/self/fd"))
    for text in "abcdef":
        writer.put([event(text)])
    writer.sync()
    assert len(os.listdir("/proc/self/fd")) == before + 1


def test_nobody_who_appends_waits_for_a_sync(tmp_path, monkeypatch):
    writer, under_way, go_on = Writer(tmp_path, fsync="later"), threading.Event(), threading.Event()

    def slow(fd):
        under_way.set()
        assert go_on.wait(60)

    writer.put([event("a")])
    monkeypatch.setattr(os, "fsync", slow)
    syncing = threading.Thread(target=writer.sync)
    syncing.start()
    assert under_way.wait(60)
    writer.put([event("b")])
    assert syncing.is_alive()
    go_on.set()
    syncing.join()


def test_a_store_with_a_time_syncs_by_itself(tmp_path, synced):
    store = MetricsStore(tmp_path, fsync_s=0.01)
    store.put(Event, [event("a")])
    until(lambda: set(files(tmp_path / "events")) <= set(synced) and synced)
    store.close()
    assert not [t for t in threading.enumerate() if t.name == "sync"]
    store.put(Event, [event("b")])
    until(lambda: set(files(tmp_path / "events")) <= set(synced))
    store.close()


def test_a_disk_that_refuses_is_told_until_it_takes_again():
    answers = iter([OSError("no space"), None])

    def sync():
        if (trouble := next(answers)) is not None:
            raise trouble

    syncer = Syncer(sync, every_s=60)
    syncer.once()
    assert syncer.trouble == "no space"
    syncer.once()
    assert syncer.trouble is None


@pytest.mark.parametrize("text", ["0s", "s", "fast", "1", "-1s", "1.5s"])
def test_another_word_for_the_policy_is_refused(text):
    with pytest.raises(ValueError, match="fsync"):
        MonitorSettings(fsync=text)
