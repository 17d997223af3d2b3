import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error

from tests.conftest import trips
from workbench import steering
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
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
    store.prune(lambda rows: None)
    assert monitor.feedback([(old.id, 1.0)]).expired == [old.id]
    assert "feedback_refused" in {e.kind for e in store.events()}


def test_a_check_is_one_record_with_the_figures_of_numpy_and_scikit_learn(monitor, live):
    frame = trips(200, seed=1, start="2026-02-01")
    done = serve(monitor, live, frame)
    monitor.feedback([(p.id, y) for p, y in zip(done[:150], frame["minutes"], strict=False)])
    evaluation = monitor.check(live.metadata, live.profile)
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
    assert monitor.check(live.metadata, live.profile).n == 30


def test_a_check_of_nothing_is_insufficient(monitor, live):
    evaluation = monitor.check(live.metadata, live.profile)
    assert {v.state for v in evaluation.verdicts.values()} == {"insufficient"}
    assert evaluation.alarms == {}


def test_drifted_inputs_are_an_alarm_until_they_are_accepted(monitor, live):
    serve(monitor, live, trips(100).assign(km=lambda f: f["km"] + 40))
    assert monitor.check(live.metadata, live.profile).alarms["drift"].startswith("km: mean")
    steering.accept(monitor.store, "km", "first", by="test", reason="longer routes")
    assert monitor.check(live.metadata, live.profile).alarms == {}


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(12)), repeats=st.lists(st.integers(0, 11), max_size=6))
def test_any_order_of_actuals_duplicates_and_restarts_gives_the_same_figures(
    trained, live, tmp_path_factory, order, repeats
):
    def served():
        return ModelMonitor(MetricsStore(tmp_path, window=100), trained)

    tmp_path = tmp_path_factory.mktemp("store")
    frame = trips(12, seed=5)
    done = serve(served(), live, frame)
    for i in [*order, *repeats]:
        served().feedback([(done[i].id, frame["minutes"][i])])
    found = served().check(live.metadata, live.profile).performance
    assert found.labelled == 12
    assert found.metrics["mae"] == pytest.approx(mean_absolute_error(frame["minutes"], 2 * frame["km"]))
