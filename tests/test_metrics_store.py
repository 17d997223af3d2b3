from uuid import uuid4

import pytest

from workbench import retention
from workbench.database import Database
from workbench.joining import join
from workbench.metrics_store import MetricsStore
from workbench.records import Actual, Event, Heartbeat, Prediction, Request
from workbench.shared_records import SharedRecords


def prediction(i: int, version: str = "v") -> Prediction:
    return Prediction(
        event_time=f"2026-01-01T00:00:{i % 60:02d}.000000Z", version=version, inputs={"i": i}, output=i, response_s=0.0
    )


class Across:
    """Writes on one replica and reads on another one, which has nothing but what the database tells."""

    def __init__(self, here: MetricsStore, there: MetricsStore) -> None:
        self.here, self.there, self.folder = here, there, here.folder

    def append(self, *records):
        done = self.here.append(*records)
        self.here.shared.shipper.ship()
        return done

    def close(self) -> None:
        self.here.close()
        self.there.close()

    def __getattr__(self, name):
        return getattr(self.there, name)


@pytest.fixture(params=["json", "postgresql", "postgresql from another replica"])
def opened(request, tmp_path, clock):
    """Opens the store of a workspace, again and again."""
    made, schema = [], f"contract_{uuid4().hex}"

    def open_(folder=tmp_path, **sizes):
        if request.param == "json":
            return MetricsStore(folder, clock=clock, **sizes)
        made.append(Database(request.getfixturevalue("postgresql").url, schema))
        return MetricsStore(folder, clock=clock, shared=SharedRecords(folder, made[-1]), **sizes)

    def across(**sizes):
        return Across(open_(**sizes), open_(tmp_path / "elsewhere", **sizes))

    yield across if request.param.endswith("replica") else open_
    for database in made:
        database.close()


@pytest.fixture
def store(opened):
    return opened(window=5, history=20, segment_rows=4)


def numbers(predictions) -> list:
    return [p.inputs["i"] for p in predictions]


def test_the_window_is_the_last_predictions_exactly_also_after_a_restart(store, opened):
    for i in range(12):
        store.append(prediction(i))
    assert numbers(store.window()) == [7, 8, 9, 10, 11]
    assert numbers(opened(window=5).window()) == [7, 8, 9, 10, 11]


def test_an_actual_joins_its_prediction_and_the_first_one_counts(store):
    a, b = store.append(prediction(0), prediction(1))
    store.append(Actual(prediction_id=b.id, actual=3.0), Actual(prediction_id=b.id, actual=4.0))
    assert [(p.id, actual.actual) for p, actual in join(store.window(), store.actuals())] == [(b.id, 3.0)]
    assert a.id not in {x.prediction_id for x in store.actuals()}


def test_requests_and_heartbeats_share_a_folder_and_come_back_as_what_they_are(store):
    request = Request(path="/predict", status=200, rows=1, version="v", response_s=0.1, latency_s=0.1)
    beat = Heartbeat(worker=1, started_at="", every_s=5, version="v", cpu_share=0.1, memory_mb=9)
    store.append(request)
    store.append(beat)
    assert [type(r) for r in [*store.requests(), *store.heartbeats()]] == [Request, Heartbeat]


def test_pruning_keeps_the_history_and_archives_labelled_rows_before_they_go(store, clock):
    for i in range(40):
        (done,) = store.append(prediction(i))
        store.append(Actual(prediction_id=done.id, actual=float(i)))
        clock.forward(seconds=1)
    archived = []
    assert retention.prune(store, lambda rows: archived.extend(rows)) > 0
    assert numbers(store.history()) == list(range(20, 40))
    assert [p.inputs["i"] for p, _ in archived] == [a.actual for _, a in archived] == list(range(20))
    assert len(join(store.history(), store.actuals())) == 20


def test_pruning_leaves_actuals_of_kept_predictions_whatever_the_clock_said(store, opened, clock):
    ahead = [store.append(prediction(i))[0] for i in range(20)]
    clock.forward(hours=-1)
    other = opened(window=5, history=20, segment_rows=4)
    other.append(*(Actual(prediction_id=p.id, actual=1.0) for p in ahead[12:16]))
    other.append(*(Actual(prediction_id=p.id, actual=1.0) for p in ahead[16:]))
    clock.forward(hours=2)
    for i in range(20, 30):
        store.append(prediction(i))
    archived = []
    assert retention.prune(store, lambda rows: archived.extend(rows)) > 0
    assert (len(join(store.history(), store.actuals())), archived) == (8, [])


def test_a_prune_that_is_cut_off_loses_nothing(store, clock):
    for i in range(40):
        (done,) = store.append(prediction(i))
        store.append(Actual(prediction_id=done.id, actual=float(i)))
        clock.forward(seconds=1)

    def full_disk(rows):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        retention.prune(store, full_disk)
    assert len(list((store.folder / "predictions").glob("*.jsonl"))) == 10
    archived = []
    retention.prune(store, lambda rows: archived.extend(rows))
    assert [a.actual for _, a in archived] == list(range(20))


def test_only_one_process_prunes(store):
    store.append(*map(prediction, range(40)))
    with store.pruning_lock():
        assert retention.prune(store, lambda rows: None) == 0


def test_a_segment_that_a_living_writer_holds_is_not_pruned(store, opened, clock):
    idle = opened(window=5, history=20)
    idle.append(prediction(100))
    for i in range(40):
        clock.forward(seconds=1)
        store.append(prediction(i))
    retention.prune(store, lambda rows: None)
    (late,) = idle.append(prediction(101))
    assert late.id in {p.id for p in store.history()}
    idle.close()


def test_every_event_counts_however_many_come_after_it(store):
    from workbench import steering

    steering.pause(store, by="test", reason="holidays")
    store.append(*(Event(kind="noise", reason=str(i)) for i in range(2500)))
    assert steering.steering(store.events(), None).hold == "paused: holidays"
