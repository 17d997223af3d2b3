"""Whoever takes a label, in whatever order, from whatever process: each counts once, and the same."""

import os
import threading
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.benchmarks import labels_at_volume
from tests.conftest import Clock
from tests.label_index.conftest import FATES, Workers, asked, refused
from workbench import retention
from workbench.joining import conflicting, first_of_each, join
from workbench.label_index import LabelIndex
from workbench.pruning import labels_by_turns
from workbench.records import Actual, Prediction
from workbench.segments import order


def test_a_prediction_that_another_worker_has_just_recorded_is_known(workers):
    one, two = workers.monitors
    for _ in range(5):
        (done,) = workers.predict(1, worker=1)
        assert one.feedback([(done.id, 1.0)]).accepted == [done.id]
    assert two.feedback([(done.id, 1.0)]).duplicate == [done.id]


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
            retention.prune(maintainer, archive)
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
