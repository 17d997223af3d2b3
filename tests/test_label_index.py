"""Labels come late, twice, contradicting, to several workers: what counts is what one dict would say."""

import os
import threading
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.benchmarks import labels_at_volume
from tests.conftest import Clock
from workbench.label_index import LabelIndex
from workbench.metrics_store import MetricsStore, conflicting, first_of_each, join
from workbench.monitor import ModelMonitor
from workbench.pruning import labels_by_turns
from workbench.records import Actual, Prediction
from workbench.segments import order
from workbench.settings import Settings

FATES = ("accepted", "duplicate", "conflict", "unknown", "expired")


def asked(i: int) -> Prediction:
    return Prediction(
        event_time="2026-01-01T00:00:00.000000Z", version="v", inputs={"i": i}, output=0.0, response_s=0.0
    )


class Workers:
    """Some workers of one metrics folder, each with a store and a monitor of its own."""

    def __init__(self, root, clock, count: int = 1, history: int = 8, segment_rows: int = 3) -> None:
        self.settings = Settings(root=root, model={"task": "regression", "target": "y", "data": "y.csv"})
        self.clock = clock
        self.sizes = {"window": 2, "history": history, "segment_rows": segment_rows}
        self.monitors = [self.fresh() for _ in range(count)]

    def store(self) -> MetricsStore:
        return MetricsStore(self.settings.metrics_dir, clock=self.clock, **self.sizes)

    def fresh(self) -> ModelMonitor:
        return ModelMonitor(self.store(), self.settings, clock=self.clock)

    def restart(self, worker: int) -> None:
        self.monitors[worker].store.close()
        self.monitors[worker] = self.fresh()

    def predict(self, count: int, worker: int = 0) -> list[Prediction]:
        self.clock.forward(seconds=1)
        return self.monitors[worker].store.append(*(asked(i) for i in range(count)))

    def close(self) -> None:
        for monitor in self.monitors:
            monitor.store.close()


@pytest.fixture
def workers(tmp_path, clock):
    made = Workers(tmp_path, clock, count=2)
    yield made
    made.close()


def refused(workers) -> list[tuple[str, object, str]]:
    return [(r.prediction_id, r.actual, r.why) for r in workers.store().refused()]


def test_what_is_refused_is_on_record_with_its_value_and_once(workers):
    one, two = workers.monitors
    a, b = workers.predict(2)
    one.feedback([(a.id, 1.0), (b.id, 1.0)])
    for monitor in (one, one, two, workers.fresh()):
        verdict = monitor.feedback([(a.id, 2.0), (a.id, 2), (b.id, 3.0), (a.id, 1.0)])
        assert (verdict.conflict, verdict.duplicate) == ([a.id, a.id, b.id], [a.id])
    assert refused(workers) == [(a.id, 2, "conflict"), (b.id, 3.0, "conflict")]
    assert [x.actual for x in workers.store().actuals()] == [1.0, 1.0]


def test_a_label_beyond_the_history_is_expired_whether_or_not_its_segment_is_still_there(workers):
    (old,) = workers.predict(1)
    assert workers.monitors[0].feedback([(old.id, 1.0)]).accepted == [old.id]
    (late,) = workers.predict(1)
    workers.predict(8)
    assert workers.monitors[0].feedback([(late.id, 1.0)]).expired == [late.id]
    # Also one that was labelled in time: what is said must not hang on whether it was pruned meanwhile.
    assert workers.monitors[0].feedback([(old.id, 1.0)]).expired == [old.id]
    workers.predict(8)
    assert workers.store().prune(lambda rows: None) > 0
    assert workers.fresh().feedback([(late.id, 1.0)]).expired == [late.id]
    assert refused(workers)[0] == (late.id, 1.0, "expired")


def test_the_first_rows_of_a_request_are_expired_when_its_last_are_the_oldest_that_count(workers):
    done = workers.predict(10)
    assert workers.monitors[0].feedback([(p.id, 1.0) for p in done]).expired == [p.id for p in done[:2]]


def test_a_prediction_that_another_worker_has_just_recorded_is_known(workers):
    one, two = workers.monitors
    for _ in range(5):
        (done,) = workers.predict(1, worker=1)
        assert one.feedback([(done.id, 1.0)]).accepted == [done.id]
    assert two.feedback([(done.id, 1.0)]).duplicate == [done.id]


def test_an_id_that_no_segment_can_have_is_unknown_and_not_on_record(workers):
    workers.predict(9)
    future = f"{workers.clock() + timedelta(days=1):%Y%m%dT%H%M%S%fZ}-1-aaaaaa-0000000"
    verdict = workers.monitors[0].feedback([("nonsense", 1.0), (future, 1.0), ("", 1.0)])
    assert verdict.unknown == ["nonsense", future, ""]
    assert refused(workers) == []


def test_refusals_are_told_once_an_hour_with_all_that_came_since(workers):
    monitor = workers.monitors[0]
    done = workers.predict(3)
    monitor.feedback([(p.id, 1.0) for p in done])
    for value in (2.0, 3.0, 3.0, 4.0):
        monitor.feedback([(p.id, value) for p in done])
    workers.clock.forward(hours=1)
    monitor.feedback([(done[0].id, 4.0)])
    events = [e for e in workers.store().events() if e.kind == "feedback_refused"]
    assert [e.data for e in events] == [{"conflict": 3, "expired": 0}, {"conflict": 6, "expired": 0}]
    assert "metrics/refused/" in events[0].reason


def test_of_two_actuals_written_at_once_the_first_in_order_counts_everywhere_and_the_other_is_a_conflict(workers):
    one, two = workers.monitors
    (done,) = workers.predict(1)
    # As if neither saw the other: the disk refused one of them for a while.
    for monitor, value in ((one, 1.0), (two, 2.0)):
        monitor.feedback([])
        monitor.store.append(Actual(prediction_id=done.id, actual=value))
    actuals = workers.store().actuals()
    assert len(conflicting(actuals)) == 1
    first, second = (a.actual for a in sorted(actuals, key=order))
    for monitor in (one, two, workers.fresh()):
        verdict = monitor.feedback([(done.id, first), (done.id, second)])
        assert (verdict.duplicate, verdict.conflict) == ([done.id], [done.id])
    assert [a.actual for _, a in join(workers.store().history(), actuals)] == [first]


def test_an_actual_that_is_read_later_and_comes_earlier_in_order_is_the_one_that_counts(workers):
    one, two = workers.monitors
    done, other = workers.predict(2)
    one.feedback([(other.id, 0.0)])
    workers.clock.forward(seconds=1)
    # Stamped alike, so that the older segment comes first.
    two.store.append(Actual(prediction_id=done.id, actual=2.0))
    assert two.feedback([(done.id, 2.0)]).duplicate == [done.id]
    one.store.append(Actual(prediction_id=done.id, actual=1.0))
    for monitor in (one, two, workers.fresh()):
        assert monitor.feedback([(done.id, 1.0)]).duplicate == [done.id]


def test_predictions_that_are_read_later_and_come_earlier_in_order_fall_out_first(tmp_path, clock):
    workers = Workers(tmp_path, clock, count=2, segment_rows=100)
    (one, two), index = (m.store for m in workers.monitors), LabelIndex(workers.monitors[0].store.folder, 8)
    one.append(asked(0))
    clock.forward(seconds=1)
    later = two.append(*(asked(i) for i in range(4)))
    index.read()
    earlier = one.append(*(asked(i) for i in range(4)))
    index.read()
    clock.forward(seconds=1)
    two.append(*(asked(i) for i in range(4)))
    index.read()
    assert index.judge([(p.id, 1.0) for p in later]) == ["accepted"] * 4
    assert index.judge([(p.id, 1.0) for p in earlier]) == ["expired"] * 4
    workers.close()


def test_while_another_process_takes_labels_none_are_taken(workers):
    monitor, verdicts = workers.monitors[0], []
    (done,) = workers.predict(1)
    sender = threading.Thread(target=lambda: verdicts.append(monitor.feedback([(done.id, 2.0)])))
    with labels_by_turns(monitor.store.folder):
        sender.start()
        sender.join(timeout=0.2)
        assert sender.is_alive()
        workers.monitors[1].store.append(Actual(prediction_id=done.id, actual=1.0))
    sender.join()
    assert verdicts[0].conflict == [done.id]


def test_threads_that_take_different_labels_at_once_take_one_of_them(workers):
    done = workers.predict(8)
    verdicts = []
    start = threading.Barrier(4)

    def send(value):
        start.wait()
        for p in done:
            verdicts.append((p.id, workers.monitors[value % 2].feedback([(p.id, float(value))])))

    threads = [threading.Thread(target=send, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(name for name, v in verdicts if v.accepted) == dict.fromkeys((p.id for p in done), 1)
    assert (len(conflicting(workers.store().actuals())), len(refused(workers))) == (0, 24)


def test_an_actual_that_waits_for_the_disk_is_known_to_the_worker_that_took_it(workers, monkeypatch):
    def full(fd, data):
        raise OSError(28, "No space left on device")

    monitor, write = workers.monitors[0], os.write
    (done,) = workers.predict(1)
    monkeypatch.setattr("workbench.segments.os.write", full)
    assert monitor.feedback([(done.id, 1.0)]).accepted == [done.id]
    verdict = monitor.feedback([(done.id, 1.0), (done.id, 2.0)])
    assert (verdict.duplicate, verdict.conflict) == ([done.id], [done.id])
    monkeypatch.setattr("workbench.segments.os.write", write)
    assert monitor.store.deferred > 0
    assert monitor.store.flush()
    assert [a.actual for a in workers.store().actuals()] == [1.0]


def test_the_index_holds_no_more_than_the_history_and_forgets_what_was_deleted_by_hand(workers):
    index = LabelIndex(workers.monitors[0].store.folder, 8)
    for _ in range(10):
        done = workers.predict(5)
        workers.monitors[0].feedback([(p.id, 1.0) for p in done])
        index.read()
    assert len(index._first) == 8
    assert index.judge([(done[0].id, 1.0)]) == ["duplicate"]
    for path in (index.folder / "actuals").glob("*.jsonl"):
        path.unlink()
    index.read()
    assert index.judge([(done[0].id, 1.0)]) == ["accepted"]


def test_following_a_prune_reads_nothing_again(workers, monkeypatch):
    monitor = workers.monitors[0]
    for _ in range(6):
        monitor.feedback([(p.id, 1.0) for p in workers.predict(5)])
    monkeypatch.setattr(LabelIndex, "_begin", lambda self: pytest.fail("began again"))
    assert workers.store().prune(lambda rows: None) > 0
    done = workers.predict(1)
    assert monitor.feedback([(p.id, 1.0) for p in done]).accepted == [done[0].id]


def test_no_label_is_lost_by_pruning_when_it_came_long_before_its_segment_can_go(workers):
    # Segments of actuals end earlier than those of predictions they belong to: a third of the rows has none.
    archived, labelled = [], []
    store = workers.store()
    for _ in range(30):
        clear, *done = workers.predict(3)
        workers.monitors[0].feedback([(p.id, 1.0) for p in done])
        workers.monitors[0].feedback([(p.id, 1.0) for p in workers.predict(2, worker=1)])
        labelled += [p.id for p in done]
        store.prune(lambda rows: archived.extend(p.id for p, _ in rows))
        assert clear.id not in archived
    held = [p.id for p, _ in join(store._tail("predictions", Prediction, None).read(), store.actuals())]
    assert len(archived) == len(set(archived))
    assert set(labelled) <= {*archived, *held}


def test_a_label_taken_while_its_prediction_is_pruned_is_archived_with_it(workers):
    store, monitor, archived = workers.store(), workers.monitors[0], []
    (old, *_) = workers.predict(3)
    pruner = threading.Thread(target=lambda: store.prune(archived.extend))
    with monitor._labels.turn():
        assert monitor._labels.judge([(old.id, 1.0)]) == ["accepted"]
        workers.predict(8)
        pruner.start()
        pruner.join(timeout=0.2)
        assert pruner.is_alive()
        monitor.store.append(Actual(prediction_id=old.id, actual=1.0))
    pruner.join()
    assert [(p.id, a.actual) for p, a in archived] == [(old.id, 1.0)]
    assert monitor.feedback([(old.id, 1.0)]).expired == [old.id]


def test_refused_ones_are_pruned_with_the_history_and_never_more_than_it_many(workers, clock):
    monitor, store = workers.monitors[0], workers.store()
    (done,) = workers.predict(1)
    monitor.feedback([(done.id, 0.0)])
    for value in range(1, 41):
        monitor.feedback([(done.id, float(value))])
        clock.forward(seconds=1)
    store.prune(lambda rows: None)
    assert 8 <= len(store.refused()) <= 8 + 2 * 3
    for _ in range(6):
        workers.predict(3)
    monitor.feedback([(done.id, -1.0)])
    store.prune(lambda rows: None)
    assert [(r.actual, r.why) for r in store.refused()][-1] == (-1.0, "expired")
    assert len(store.refused()) <= 3


def test_a_damaged_line_among_actuals_is_skipped(workers):
    a, b = workers.predict(2)
    workers.monitors[0].feedback([(a.id, 1.0), (b.id, 1.0)])
    (path,) = (workers.monitors[0].store.folder / "actuals").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"actual":1.0', b'"actual":\xff', 1))
    assert workers.fresh().feedback([(a.id, 2.0), (b.id, 1.0)]).accepted == [a.id]


def test_labels_at_volume_in_small(tmp_path):
    marks = labels_at_volume.stream(
        tmp_path,
        20_000,
        history=2_000,
        segment_rows=333,
        batch=100,
        prune_every=5,
        restart_every=17,
    )
    counts = labels_at_volume.verify(tmp_path, 20_000, 2_000)
    assert sum(counts[fate] for fate in FATES[:2]) > 17_000
    assert min(counts.values()) > 0
    assert [mark.rows for mark in marks] == [2_000, 5_000, 10_000, 20_000]


class Twin:
    """What one dict that forgets nothing says, of records sorted whenever it is asked."""

    def __init__(self, history: int) -> None:
        self.history = history
        self.predictions: list[Prediction] = []
        self.actuals: list[Actual] = []
        self.refused: dict[tuple[str, float], str] = {}

    def within(self) -> list[Prediction]:
        return sorted(self.predictions, key=order)[-self.history :]

    def known(self) -> dict[str, Actual]:
        return first_of_each(sorted(self.actuals, key=order))

    def fate(self, name: str, value: float, pending: dict[str, float]) -> str:
        if name not in {p.id for p in self.within()}:
            fate = "expired" if name in {p.id for p in self.predictions} else "unknown"
        else:
            known = pending | {k: a.actual for k, a in self.known().items()}
            fate = "accepted" if name not in known else "duplicate" if known[name] == value else "conflict"
        if fate == "accepted":
            pending[name] = value
        if fate in ("conflict", "expired"):
            self.refused.setdefault((name, value), fate)
        return fate


worker = st.integers(0, 1)
label = st.tuples(st.integers(-1, 40), st.sampled_from([1.0, 2.0]))
steps = st.one_of(
    st.tuples(st.just("predict"), worker, st.integers(1, 5)),
    st.tuples(st.just("feedback"), worker, st.lists(label, min_size=1, max_size=6)),
    st.tuples(st.just("at once"), st.integers(0, 40), st.just(None)),
    st.tuples(st.just("restart"), worker, st.just(None)),
    st.tuples(st.just("prune"), worker, st.just(None)),
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(steps, min_size=5, max_size=40))
def test_any_interleaving_of_two_workers_restarts_and_pruning_gives_what_one_dict_says(tmp_path_factory, steps):
    clock = Clock()
    workers = Workers(tmp_path_factory.mktemp("any"), clock, count=2)
    maintainer, twin, archived = workers.store(), Twin(8), {}

    def name_of(row: int) -> str:
        return twin.predictions[row].id if 0 <= row < len(twin.predictions) else f"nonsense{row}"

    def archive(rows):
        for p, a in rows:
            archived.setdefault(p.id, a.actual)

    for step, which, what in steps:
        if step == "predict":
            twin.predictions += workers.predict(what, worker=which)
        elif step == "feedback":
            sent = [(name_of(row), value) for row, value in what]
            verdict, pending = workers.monitors[which].feedback(sent), {}
            expected = [(twin.fate(*one, pending), one[0]) for one in sent]
            for fate in FATES:
                assert getattr(verdict, fate) == [name for was, name in expected if was == fate], fate
            clock.forward(seconds=1)
            twin.actuals += [a for a in workers.store().actuals() if a.id not in {x.id for x in twin.actuals}]
        elif step == "at once" and name_of(which) in {p.id for p in twin.within()}:
            for value, monitor in enumerate(workers.monitors, start=1):
                twin.actuals += monitor.store.append(Actual(prediction_id=name_of(which), actual=float(value)))
        elif step == "restart":
            workers.restart(which)
        elif step == "prune":
            maintainer.prune(archive)
    workers.close()
    known = {name: a.actual for name, a in twin.known().items()}
    for store in (maintainer, workers.store()):
        assert store.history() == twin.within()
        pairs = join(store.history(), store.actuals())
        assert [(p.id, a.actual) for p, a in pairs] == [(p.id, known[p.id]) for p in twin.within() if p.id in known]
    on_disk = join(maintainer._tail("predictions", Prediction, None).read(), maintainer.actuals())
    assert {p.id: a.actual for p, a in on_disk} | archived == known
    told = [(r.prediction_id, r.actual) for r in maintainer.refused()]
    assert set(told) <= twin.refused.keys()
    if not any(step == "prune" for step, *_ in steps):
        assert {(r.prediction_id, r.actual): r.why for r in maintainer.refused()} == twin.refused
        assert len(told) == len(twin.refused)
        assert conflicting(maintainer.actuals()) == conflicting(sorted(twin.actuals, key=order))
