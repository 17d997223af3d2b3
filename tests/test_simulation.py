"""A policy's life in simulated time: labels come when due, a stop loses nothing, decisions are the live ones."""

import shutil
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from service.app import create_app
from tests.conftest import Clock, until
from tests.histories import rates, workspace
from workbench import simulation
from workbench.features import to_rows
from workbench.history_source import prepare
from workbench.joining import first_of_each
from workbench.maintainer import Maintainer
from workbench.metrics_store import MetricsStore
from workbench.moments import parse_utc, utc_text
from workbench.monitor import ModelMonitor
from workbench.retrainer import ModelRetrainer
from workbench.shared_fits import SharedFits
from workbench.simulation import BY, FIRST, Simulation, moment, simulated
from workbench.version_store import VersionStore

pytestmark = pytest.mark.slow
STEP = rates((400, 2.0), (500, 3.0))


def history_of(folder, frame, **options):
    settings = workspace(folder / "ws", frame, **options)
    told = settings.backtest.model_copy(update={"data": "history.csv"})
    settings = settings.model_copy(update={"backtest": told})
    return settings, prepare(folder / "history", settings, recorded=pd.DataFrame, curve=lambda: None)


@pytest.fixture(scope="module")
def step(tmp_path_factory):
    return history_of(tmp_path_factory.mktemp("step"), STEP)


@pytest.fixture(scope="module")
def whole(step, tmp_path_factory):
    """The step played from beginning to end, once for all."""
    return played(*step, tmp_path_factory.mktemp("whole"))


def played(settings, history, folder, progress=lambda row: None):
    made = Simulation(settings, history, folder / "course", SharedFits(folder / "fits"))
    made.play(progress)
    return made


def stopping(end):
    """Progress that is a Ctrl-C from some row on."""

    def progress(row):
        if row >= end:
            raise KeyboardInterrupt

    return progress


def told(metrics):
    """What happened and why, without what differs between two stores."""
    return [(e.recorded_at, e.kind, e.version, e.reason, e.data.get("refusal")) for e in metrics.events() if e.by != BY]


def test_predictions_and_labels_are_recorded_when_they_happen(step, whole):
    _, history = step
    metrics = whole.metrics
    predictions, actuals = metrics.history(), first_of_each(metrics.actuals())
    assert [p.recorded_at for p in predictions] == [utc_text(moment(t)) for t in history.times[history.told.start :]]
    late = {parse_utc(actuals[p.id].recorded_at) - parse_utc(p.recorded_at) for p in predictions if p.id in actuals}
    assert late == {timedelta(hours=6)}
    assert len(predictions) - len(actuals) == 6
    assert all(actuals[p.id].actual == history.actual(int(p.request_id)) for p in predictions if p.id in actuals)


def test_what_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, step, whole, monkeypatch):
    settings, history = step
    monkeypatch.setattr(simulation, "SAVE_EVERY_S", 0.0)
    for end in (300, 550, 750):
        with pytest.raises(KeyboardInterrupt):
            played(settings, history, tmp_path / "parts", stopping(end))
    parts = played(settings, history, tmp_path / "parts")
    assert told(parts.metrics) == told(whole.metrics)
    assert np.array_equal(parts.said.values, whole.said.values)
    assert parts.said.names == whole.said.names
    assert (parts.state.fits, len(parts.metrics.history())) == (whole.state.fits, len(whole.metrics.history()))


def test_a_process_that_died_within_a_step_leaves_no_half_of_it(tmp_path, step, whole, monkeypatch):
    settings, history = step
    monkeypatch.setattr(simulation, "SAVE_EVERY_S", 0.0)
    parts = Simulation(settings, history, tmp_path / "parts" / "course", SharedFits(tmp_path / "parts" / "fits"))
    with pytest.raises(KeyboardInterrupt):
        parts.play(stopping(500))
    parts._answer(parts.state.row, parts.state.row + 30)
    shutil.rmtree(max(parts.folder.glob("saved-*"), key=simulation._row))
    again = played(settings, history, tmp_path / "parts")
    assert told(again.metrics) == told(whole.metrics)
    assert len(again.metrics.history()) == len(whole.metrics.history())


def test_a_quiet_time_lets_labels_come_and_the_maintainer_look(tmp_path):
    frame = rates((600, 2.0))
    at = pd.to_datetime(frame["at"])
    frame["at"] = at.where(frame.index < 310, at + pd.Timedelta("40D")).astype(str)
    settings, history = history_of(tmp_path, frame)
    metrics = played(settings, history, tmp_path).metrics
    before = [p for p in metrics.history() if int(p.request_id) < 310]
    assert metrics.evaluations()[0].last_id is not None
    looked = [e for e in metrics.evaluations() if e.last_id == before[-1].id]
    assert len(looked) == 1
    assert looked[0].performance.labelled == len(before)


def test_decisions_are_those_of_the_live_system_on_the_same_events(tmp_path, step, whole):
    """The service answers over HTTP, the maintainer turns as `serve` has it turn; only the clock is made up."""
    from fastapi.testclient import TestClient

    settings, history = step
    live = simulated(settings, history, tmp_path / "live")
    live.root.mkdir()
    live = live.model_copy(update={"service": live.service.model_copy(update={"heartbeat_s": 3600.0})})
    clock = Clock(moment(history.times[history.told.start - 1]))
    metrics, versions = MetricsStore.of(live, clock), VersionStore(live.versions_dir, clock=clock)
    retrainer = ModelRetrainer(live, versions, metrics, clock=clock)
    retrainer.retrain(FIRST, trigger="first", reason="the first version", by=BY)
    maintainer = Maintainer(
        live,
        ModelMonitor(metrics, live, clock=clock),
        versions,
        start=lambda d: retrainer.retrain(trigger=d.trigger, reason=d.reason, by="maintainer"),
        running=versions.retraining,
        clock=clock,
    )
    with TestClient(
        create_app(live, clock=clock, note_together_s=0), base_url="http://127.0.0.1", client=("127.0.0.1", 50_000)
    ) as client:
        until(lambda: client.get("/ready").status_code == 200)
        waiting = []
        for start, end in backtest_stretches(settings, history):
            for row, instance in zip(range(start, end), to_rows(history.frame(start, end)), strict=True):
                waiting = feed(client, clock, waiting, int(history.times[row]))
                clock.now = moment(history.times[row])
                instance["at"] = utc_text(clock.now)
                answer = client.post("/predict", json={"instances": [instance]}).json()
                waiting.append((int(history.due[row]), answer["prediction_ids"][0], history.actual(row)))
            waiting = feed(client, clock, waiting, int(history.times[end - 1]))
            before = versions.live_id()
            maintainer.tend()
            if versions.live_id() != before:
                until(lambda: client.get("/health").json()["model_version"] == versions.live_id() or follow(client))
    live_told, back_told = told(metrics), told(whole.metrics)
    assert [k for _, k, *_ in back_told].count("promoted") >= 1
    assert live_told == back_told


def backtest_stretches(settings, history):
    every = settings.backtest.look_rows
    start, n = history.told.start, history.told.rows
    return [(a, min(a + every, n)) for a in range(start, n, every)]


def feed(client, clock, waiting, until_micros):
    """Labels that are known by now; those that are left."""
    for due, prediction_id, actual in [w for w in waiting if w[0] <= until_micros]:
        clock.now = moment(due)
        body = {"actuals": [{"prediction_id": prediction_id, "actual": actual}]}
        assert client.post("/feedback", json=body).json()["accepted"] == [prediction_id]
    return [w for w in waiting if w[0] > until_micros]


def follow(client):
    client.app.state.serving.follow()
    return False
