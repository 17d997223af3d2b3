"""What lies in the segments comes to the database once, whatever happens on the way."""

import threading

import psycopg
import pytest

from tests.postgresql.conftest import asked, numbers
from workbench import retention, shipping
from workbench.errors import DatabaseAway
from workbench.records import Event, Prediction
from workbench.shared_tails import RowFollower
from workbench.tails import Tail


def there(store) -> list[Prediction]:
    """The predictions in the database, in the order they came there."""
    with store.shared.database.transaction() as cursor:
        return [found for (found,) in cursor.execute("select id from predictions order by seq")]


def lines(store) -> list[str]:
    return [
        line for path in sorted((store.folder / "predictions").glob("*.jsonl")) for line in path.read_text().split("\n")
    ]


def test_each_line_comes_there_once_and_as_it_is(fleet):
    store = fleet.store("a")
    store.append(*map(asked, range(10)))
    assert store.shared.shipper.ship() == 10
    assert store.shared.shipper.ship() == 0
    store.append(asked(10))
    assert fleet.store("a").shared.shipper.ship() == 1
    with store.shared.database.transaction() as cursor:
        found = [line for (line,) in cursor.execute("select line from predictions order by seq")]
    assert found == [line for line in lines(store) if line]


def test_a_process_killed_between_or_in_batches_sends_the_rest_next_time_and_nothing_twice(fleet, monkeypatch):
    monkeypatch.setattr(shipping, "BATCH_BYTES", 400)
    store = fleet.store("a")
    done = store.append(*map(asked, range(30)))

    def killed():
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            store.shared.shipper.ship(between=killed)
    sent = len(there(store))
    assert 0 < sent < 30
    # The answer to a commit is lost: who asks does not know, and sends it all again.
    again = fleet.store("a").shared.shipper
    again._sent = {}
    assert again.ship() == 30
    assert there(store) == [p.id for p in done]


def test_a_connection_cut_in_the_midst_leaves_no_half_batch(fleet, monkeypatch):
    store = fleet.store("a")
    store.append(*map(asked, range(20)))
    monkeypatch.setattr(shipping, "NOTE", "select pg_terminate_backend(pg_backend_pid()), %s, %s, %s, %s")
    with pytest.raises(DatabaseAway):
        store.shared.shipper.ship()
    monkeypatch.undo()
    assert there(store) == []
    assert store.shared.shipper.ship() == 20


def test_two_processes_that_ship_one_folder_send_nothing_twice(fleet):
    stores = [fleet.store("a") for _ in range(3)]
    done = stores[0].append(*map(asked, range(300)))
    threads = [threading.Thread(target=s.shared.shipper.ship) for s in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert there(stores[0]) == [p.id for p in done]


def test_torn_and_damaged_lines_stay_where_they_are(fleet):
    store = fleet.store("a", segment_rows=3)
    for i in range(7):
        store.append(asked(i))
    store.close()
    first, second, last = sorted((store.folder / "predictions").glob("*.jsonl"))
    second.write_bytes(second.read_bytes().replace(b'{"id"', b'{id"', 1))
    last.write_bytes(last.read_bytes() + b'{"id":"torn')
    assert store.shared.shipper.ship() == 6
    assert store.shared.shipper.damaged == 1
    assert all(map(store.shared.shipper.is_shipped, (first, second, last)))


def test_text_that_json_can_hold_the_database_can_hold(fleet):
    store, reader = fleet.store("a"), fleet.store("b")
    told = 'zero \x00, "quoted", \\ back, tab\t, emoji \U0001f600, line\u2028, 100 %s'
    store.append(Event(kind="note", reason=told))
    assert [e.reason for e in reader.events()] == [told]


def test_a_line_longer_than_a_batch_is_sent_whole(fleet, monkeypatch):
    monkeypatch.setattr(shipping, "BATCH_BYTES", 100)
    store = fleet.store("a")
    store.append(Event(kind="note", reason="x" * 5_000))
    assert [e.reason for e in fleet.store("b").events()] == ["x" * 5_000]


def test_readers_see_each_record_once_while_many_send(fleet, monkeypatch):
    monkeypatch.setattr(shipping, "BATCH_ROWS", 7)
    writers = [fleet.store(name, segment_rows=50) for name in "abcd"]
    reader = RowFollower(fleet.database(), "predictions", Prediction)
    seen: list[Prediction] = []
    ended = threading.Event()

    def follow():
        while not ended.is_set():
            seen.extend(reader.news()[1])
        seen.extend(reader.news()[1])

    def send(store):
        for start in range(0, 200, 20):
            store.append(*map(asked, range(start, start + 20)))
            store.shared.shipper.ship()

    following = threading.Thread(target=follow)
    sending = [threading.Thread(target=send, args=(w,)) for w in writers]
    for thread in (following, *sending):
        thread.start()
    for thread in sending:
        thread.join()
    ended.set()
    following.join()
    assert len(seen) == len({p.id for p in seen}) == 800


def test_records_of_one_kind_are_found_among_those_of_another(fleet):
    from workbench.records import Heartbeat, Request

    store, reader = fleet.store("a"), fleet.store("b")
    store.append(Heartbeat(worker=1, started_at="", every_s=5, version="v", cpu_share=0.1, memory_mb=9))
    request = Request(path="/predict", status=200, rows=1, version="v", response_s=0.1, latency_s=0.1)
    store.append(*[request] * 10)
    store.shared.shipper.ship()
    assert [b.worker for b in reader.heartbeats(keep=3)] == [1]
    assert len(reader.requests()) == 10


def test_a_follower_holds_the_last_ones_and_reads_anew_what_was_deleted(fleet):
    store, reader = fleet.store("a"), fleet.store("b")
    store.append(*map(asked, range(50)))
    store.shared.shipper.ship()
    everything = Tail(reader.folder / "predictions", Prediction, None, follow=reader.follow)
    assert numbers(everything.read()) == list(range(50))
    assert numbers(reader.window()) == list(range(45, 50))
    retention.prune(store, lambda rows: None)
    assert numbers(everything.read()) == list(range(30, 50))
    assert numbers(fleet.store("c").history()) == list(range(30, 50))


def test_while_the_database_is_away_recording_goes_on_and_readers_know_what_they_knew(fleet, clock):
    store, other = fleet.store("a"), fleet.store("b")
    other.append(asked(1))
    other.shared.shipper.ship()
    assert numbers(store.window()) == [1]
    with psycopg.connect(fleet.url, autocommit=True) as boss:
        boss.execute(f"alter schema {fleet.schema} rename to {fleet.schema}_away")
        clock.forward(seconds=1)
        store.append(asked(2))
        assert numbers(store.window()) == [1, 2]
        with pytest.raises(DatabaseAway):
            store.shared.shipper.ship()
        assert retention.prune(store, lambda rows: None) == 0
        boss.execute(f"alter schema {fleet.schema}_away rename to {fleet.schema}")
    assert store.shared.shipper.ship() == 1
    assert numbers(other.window()) == [1, 2]
