"""Labels come late, twice, contradicting, to several workers: what counts is what one dict would say."""

import threading
from datetime import timedelta

import pytest

from tests.label_index.conftest import refused
from workbench import retention
from workbench.joining import join
from workbench.label_index import LabelIndex
from workbench.records import Actual, Prediction


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
    assert retention.prune(workers.store(), lambda rows: None) > 0
    assert workers.fresh().feedback([(late.id, 1.0)]).expired == [late.id]
    assert refused(workers)[0] == (late.id, 1.0, "expired")


def test_the_first_rows_of_a_request_are_expired_when_its_last_are_the_oldest_that_count(workers):
    done = workers.predict(10)
    assert workers.monitors[0].feedback([(p.id, 1.0) for p in done]).expired == [p.id for p in done[:2]]


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
    assert retention.prune(workers.store(), lambda rows: None) > 0
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
        retention.prune(store, lambda rows: archived.extend(p.id for p, _ in rows))
        assert clear.id not in archived
    held = [p.id for p, _ in join(store._tail("predictions", Prediction, None).read(), store.actuals())]
    assert len(archived) == len(set(archived))
    assert set(labelled) <= {*archived, *held}


def test_a_label_taken_while_its_prediction_is_pruned_is_archived_with_it(workers):
    store, monitor, archived = workers.store(), workers.monitors[0], []
    (old, *_) = workers.predict(3)
    pruner = threading.Thread(target=lambda: retention.prune(store, archived.extend))
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
    retention.prune(store, lambda rows: None)
    assert 8 <= len(store.refused()) <= 8 + 2 * 3
    for _ in range(6):
        workers.predict(3)
    monitor.feedback([(done.id, -1.0)])
    retention.prune(store, lambda rows: None)
    assert [(r.actual, r.why) for r in store.refused()][-1] == (-1.0, "expired")
    assert len(store.refused()) <= 3


def test_a_damaged_line_among_actuals_is_skipped(workers):
    a, b = workers.predict(2)
    workers.monitors[0].feedback([(a.id, 1.0), (b.id, 1.0)])
    (path,) = (workers.monitors[0].store.folder / "actuals").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"actual":1.0', b'"actual":\xff', 1))
    assert workers.fresh().feedback([(a.id, 2.0), (b.id, 1.0)]).accepted == [a.id]
