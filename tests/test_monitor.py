from datetime import timedelta

import msgspec
import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error

from tests.conftest import make_workspace, trips, unloaded
from workbench import retention, steering
from workbench.ensemble import answer
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.records import Heartbeat, Request
from workbench.retrainer import ModelRetrainer
from workbench.version_store import VersionStore


@pytest.fixture
def monitor(trained, clock):
    return ModelMonitor(MetricsStore.of(trained, clock), trained, clock=clock)


@pytest.fixture
def live(trained):
    return VersionStore(trained.versions_dir).load("first")


def serve(monitor, live, frame, *, version="first"):
    """Record rows as the service does; outputs are 2 * km, so errors are known."""
    rows = to_rows(frame[["km", "stops", "to", "at"]])
    outputs = (2 * frame["km"]).tolist()
    return monitor.record_rows(rows, outputs, schema=live.schema, version=version, response_s=0.01)


def test_a_recorded_prediction_has_everything(monitor):
    done = monitor.record(
        {"km": 3.0, "to": None}, 7.5, version="first", response_s=0.004, event_time="2026-01-01T01:00:00+01:00"
    )
    (kept,) = MetricsStore.of(monitor.settings).window()
    assert kept == done
    assert (kept.version, kept.inputs, kept.output, kept.response_s) == ("first", {"km": 3.0, "to": None}, 7.5, 0.004)
    assert (kept.recorded_at, kept.event_time) == ("2026-01-01T12:00:00.000000Z", "2026-01-01T00:00:00.000000Z")


def test_the_time_column_becomes_the_event_time_and_never_an_input(monitor, live):
    (done, *_) = serve(monitor, live, trips(3))
    assert done.event_time == "2026-01-01T00:00:00.000000Z"
    assert set(done.inputs) == {"km", "stops", "to"}


def test_feedback_tells_every_fate(monitor, live):
    a, b = serve(monitor, live, trips(2))
    assert monitor.feedback([(a.id, 1.0)]).accepted == [a.id]
    verdict = monitor.feedback([(a.id, 1.0), (a.id, 2.0), (b.id, 3.0), (b.id, 3.0), ("nonsense", 1.0)])
    assert (verdict.duplicate, verdict.conflict, verdict.accepted) == ([a.id, b.id], [a.id], [b.id])
    assert verdict.unknown == ["nonsense"]
    assert [x.actual for x in monitor.store.actuals()] == [1.0, 3.0]


def test_an_actual_for_a_prediction_beyond_history_is_expired_and_told(trained, live, clock):
    store = MetricsStore(trained.metrics_dir, window=2, history=2, segment_rows=1, clock=clock)
    monitor = ModelMonitor(store, trained, clock=clock)
    old, *_ = (serve(monitor, live, trips(1))[0], clock.forward(seconds=1))
    for _ in range(4):
        serve(monitor, live, trips(1))
        clock.forward(seconds=1)
    retention.prune(store, lambda rows: None)
    assert monitor.feedback([(old.id, 1.0)]).expired == [old.id]
    assert "feedback_refused" in {e.kind for e in store.events()}


def test_a_check_is_one_record_with_the_figures_of_numpy_and_scikit_learn(monitor, live):
    frame = trips(200, seed=1, start="2026-02-01")
    done = serve(monitor, live, frame)
    monitor.feedback([(p.id, y) for p, y in zip(done[:150], frame["minutes"], strict=False)])
    evaluation = monitor.check(unloaded(live))
    assert MetricsStore.of(monitor.settings).evaluations()[-1] == evaluation
    assert (evaluation.n, evaluation.first_id, evaluation.last_id) == (200, done[0].id, done[-1].id)
    oracle = mean_absolute_error(frame["minutes"][:150], 2 * frame["km"][:150])
    assert evaluation.performance.metrics["mae"] == pytest.approx(oracle)
    assert evaluation.performance.labelled == 150
    km = next(f for f in evaluation.drift.features if f.feature == "km")
    assert km.mean == pytest.approx(np.mean(frame["km"]))
    assert sum(s.n for s in evaluation.performance.over_time) == 150
    assert [(s.version, s.n) for s in evaluation.performance.by_version] == [("first", 150)]


def test_only_the_live_versions_predictions_are_judged(monitor, live):
    serve(monitor, live, trips(100, seed=1), version="older")
    serve(monitor, live, trips(30, seed=2))
    assert monitor.check(unloaded(live)).n == 30


def test_a_check_of_nothing_is_insufficient(monitor, live):
    evaluation = monitor.check(unloaded(live))
    assert {v.state for v in evaluation.verdicts.values()} == {"insufficient"}
    assert evaluation.alarms == {}


def test_drifted_inputs_are_an_alarm_until_they_are_accepted(monitor, live):
    serve(monitor, live, trips(100).assign(km=lambda f: f["km"] + 40))
    assert monitor.check(unloaded(live)).alarms["drift"].startswith("km: mean")
    steering.accept(monitor.store, "km", "first", by="test", reason="longer routes")
    assert monitor.check(unloaded(live)).alarms == {}


def without_stamp(evaluation):
    return msgspec.structs.replace(evaluation, id="", recorded_at="")


def test_checking_the_same_rows_again_gives_the_same_record_but_for_id_and_time(monitor, live, clock):
    frame = trips(200, seed=1).assign(km=lambda f: f["km"] + 40)
    done = serve(monitor, live, frame)
    monitor.feedback([(p.id, y) for p, y in zip(done, frame["minutes"], strict=True)])
    for i in range(30):
        monitor.store.append(
            Request(path="/predict", status=200, rows=1, version="first", response_s=0.01 * i, latency_s=0.01)
        )
        beat = {"worker": 1, "started_at": "2026-01-01T12:00:00.000000Z", "every_s": 5.0, "version": "first"}
        monitor.store.append(Heartbeat(**beat, cpu_share=0.1, memory_mb=100.0))
        clock.forward(seconds=5)
    first = monitor.check(live)
    clock.forward(hours=3)
    again = ModelMonitor(MetricsStore.of(monitor.settings, clock), monitor.settings, clock=clock)
    second = again.check(live)
    assert without_stamp(first) == without_stamp(second)
    assert (first.id, first.recorded_at) != (second.id, second.recorded_at)


def test_a_record_comes_back_from_disk_as_it_was_written(monitor, live):
    serve(monitor, live, trips(200, seed=1).assign(km=lambda f: f["km"] + 40))
    evaluation = monitor.check(live)
    assert MetricsStore.of(monitor.settings).evaluations()[-1] == evaluation


def test_the_model_has_its_own_view_and_ranks_what_moved_by_impact(monitor, live):
    serve(monitor, live, trips(300, seed=1).assign(km=lambda f: f["km"] + 60, stops=lambda f: f["stops"] + 6))
    evaluation = monitor.check(live)
    # minutes = 2 * km + 3 * stops: sixty kilometres move them more than six stops.
    assert [i.feature for i in evaluation.model.impacts] == ["km", "stops"]
    assert evaluation.drift.sentence.startswith("km: mean")
    assert evaluation.model.state == "drift"
    assert evaluation.model.outputs.state == "drift"
    assert evaluation.model.disagreement is not None


def test_without_the_model_its_view_is_insufficient_and_the_rest_is_checked(monitor, live):
    serve(monitor, live, trips(100))
    evaluation = monitor.check(unloaded(live))
    assert (evaluation.model.state, evaluation.drift.state) == ("insufficient", "ok")


def test_the_window_before_tells_whether_the_world_still_moves(trained, live, clock):
    monitor = ModelMonitor(MetricsStore(trained.metrics_dir, window=150, clock=clock), trained, clock=clock)
    monitor.settings = trained.model_copy(update={"monitor": trained.monitor.model_copy(update={"window": 150})})
    warm = trips(450, seed=1).assign(km=lambda f: f["km"] + 40)
    states = []
    for start in (0, 150, 300):
        serve(monitor, live, trips(150, seed=2) if start == 0 else warm[start : start + 150])
        evaluation = monitor.check(unloaded(live))
        states.append((evaluation.drift.state, evaluation.previous.state))
    assert states == [("ok", "insufficient"), ("drift", "drift"), ("drift", "ok")]


def test_recorded_values_of_another_type_are_broken_data_and_no_crash(monitor, live):
    serve(monitor, live, trips(100))
    for i in range(20):
        monitor.record(
            {"km": "far", "stops": i % 4, "to": ("north", "south")[i % 2]}, 3.0, version="first", response_s=0.01
        )
    evaluation = monitor.check(live)
    assert evaluation.alarms["data"].startswith("km: 16.7% of the values are no numbers")
    assert evaluation.data.features == ("km",)
    steering.accept(monitor.store, "km", "first", by="test", reason="known")
    assert "data" not in monitor.check(live).alarms


def test_a_move_that_hardly_moves_the_predictions_is_no_more_than_possible_drift(monitor, live):
    # The target does not depend on where a trip goes to.
    serve(monitor, live, trips(300, seed=1).assign(to=["south", "south", "south", "east"] * 75))
    alone = monitor.check(unloaded(live))
    weighed = monitor.check(live)
    assert (alone.drift.state, weighed.drift.state) == ("drift", "possible")
    assert weighed.drift.features[0].sentence.endswith("only")
    assert weighed.model.impacts[0].feature == "to"


@pytest.fixture(scope="module")
def answering(tmp_path_factory):
    """A version with a holdout that is large enough to learn its error from."""
    made = make_workspace(tmp_path_factory.mktemp("estimate") / "ws", extra="\n[monitor]\nwindow = 200\n")
    trips(1_000).to_csv(made.root / "trips.csv", index=False)
    ModelRetrainer(made, VersionStore(made.versions_dir), MetricsStore.of(made)).retrain("first")
    return made, VersionStore(made.versions_dir).load("first")


def serve_and_label(answering, folder, clock, parts):
    """(rows, hours until their actuals, which get one at all): a row an hour, as the version answers it."""
    settings, live = answering
    monitor = ModelMonitor(MetricsStore(folder, window=200, clock=clock), settings, clock=clock)
    due = []
    for seed, (rows, hours, labelled) in enumerate(parts):
        frame = trips(rows, seed=seed + 1)
        outputs = answer(live.estimator, live.schema, to_rows(frame[live.schema.names])).predictions
        errors = np.abs(frame["minutes"] - outputs)
        for i, row in enumerate(to_rows(frame[live.schema.names])):
            clock.forward(hours=1)
            done = monitor.record(row, outputs[i], version="first", response_s=0.01)
            if labelled(errors[i]):
                due.append((clock.now + timedelta(hours=hours), done.id, frame["minutes"][i]))
            monitor.feedback([(name, y) for when, name, y in due if when <= clock.now])
            due = [late for late in due if late[0] > clock.now]
    return monitor.check(live)


def test_the_estimate_stands_beside_what_the_actuals_said(answering, tmp_path, clock):
    checked = serve_and_label(answering, tmp_path, clock, [(400, 10, lambda error: True)])
    found = checked.estimate
    assert (found.state, found.trusted, found.gap, found.n) == ("ok", True, None, 200)
    assert [c.n for c in found.record] == [50] * 7
    assert found.low < checked.performance.metrics["mae"] < found.high


def test_labels_that_come_first_and_of_the_worst_are_not_in_the_track_record(answering, tmp_path, clock):
    hard = (200, 1, lambda error: error > 3)
    found = serve_and_label(answering, tmp_path, clock, [(400, 150, lambda error: True), hard]).estimate
    assert (found.trusted, found.gap) == (True, None)
