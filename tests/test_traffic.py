from datetime import timedelta

import numpy as np
import pytest

from tests.conftest import NOON
from workbench.records import Heartbeat, Request, utc_text
from workbench.traffic import summarise, uptime


def request(
    s: float, *, took: float = 0.01, status: int = 200, version: str = "v", rows: int = 1, path: str = "/predict"
):
    when = utc_text(NOON + timedelta(seconds=s))
    return Request(
        recorded_at=when, path=path, status=status, rows=rows, version=version, response_s=took, latency_s=took / 2
    )


def beat(s: float, *, started: float = 0.0, worker: int = 1, every: float = 5.0):
    at, since = (utc_text(NOON + timedelta(seconds=x)) for x in (s, started))
    return Heartbeat(
        recorded_at=at, worker=worker, started_at=since, every_s=every, version="v", cpu_share=0.25, memory_mb=100
    )


def summary(records, *, after: float = 100.0, window: int = 1000, **more):
    requests = [r for r in records if isinstance(r, Request)]
    beats = [r for r in records if isinstance(r, Heartbeat)]
    return summarise(requests, beats, now=NOON + timedelta(seconds=after), window=window, max_response_s=1.0, **more)


def test_times_are_numpys_mean_and_percentiles_of_the_answered_requests():
    took = np.random.default_rng(0).exponential(0.02, 200)
    found = summary([request(i / 10, took=t) for i, t in enumerate(took)]).all
    assert found.mean_s == pytest.approx(took.mean())
    assert [found.p50_s, found.p95_s, found.p99_s] == pytest.approx(np.percentile(took, [50, 95, 99]))
    assert found.latency_mean_s == pytest.approx(took.mean() / 2)


def test_rates_are_over_the_time_since_the_oldest_request_looked_at():
    found = summary([request(50 + i, rows=3) for i in range(50)]).all
    assert (found.requests_per_s, found.predictions_per_s) == (1.0, 3.0)


def test_4xx_and_5xx_are_told_apart_and_are_not_timed():
    found = summary(
        [*(request(i) for i in range(7)), request(8, status=422, took=9), request(9, status=500, took=9)]
    ).all
    assert (found.share_4xx, found.share_5xx, found.mean_s) == (1 / 9, 1 / 9, pytest.approx(0.01))


def test_only_the_last_window_of_prediction_requests_counts():
    records = (
        [request(i, took=9) for i in range(50)]
        + [request(50, path="/feedback", took=9)]
        + [request(60 + i) for i in range(30)]
    )
    found = summary(records, window=30)
    assert (found.all.requests, found.all.mean_s) == (30, pytest.approx(0.01))


def test_versions_are_told_apart():
    found = summary([request(1, version="a"), request(2, version="b", took=0.5)])
    assert {v: t.mean_s for v, t in found.by_version.items()} == {"a": 0.01, "b": 0.5}


def test_a_mean_above_the_limit_is_an_alarm_from_20_requests_on():
    assert summary([request(i, took=1.1) for i in range(19)]).state == "insufficient"
    assert summary([request(i, took=1.1) for i in range(20)]).state == "alarm"
    assert summary([request(i, took=0.9) for i in range(20)]).state == "ok"


def test_nothing_is_known_of_a_service_that_never_ran():
    found = summary([])
    assert (found.state, found.uptime, found.workers, found.all.mean_s) == ("insufficient", None, (), None)


def test_workers_that_are_long_silent_are_gone_and_the_others_add_up():
    found = summary([beat(1, worker=3), beat(95, worker=1), beat(96, worker=2)])
    assert [w.worker for w in found.workers] == [1, 2]
    assert (found.cpu_share, found.memory_mb) == (0.5, 200)


def test_uptime_counts_beats_and_not_the_silence_between_starts():
    beats = [beat(s) for s in range(0, 51, 5)] + [beat(s, started=80) for s in range(80, 101, 5)]
    found = uptime(beats, NOON + timedelta(seconds=100))
    assert (found.up_s, found.current_s) == (pytest.approx(70), 20)
    assert found.share == pytest.approx(0.7)


def test_uptime_goes_on_from_an_earlier_evaluation_when_its_heartbeats_are_gone():
    beats = [beat(s) for s in range(0, 101, 5)]
    before = uptime(beats[:11], NOON + timedelta(seconds=50))
    assert uptime(beats[11:], NOON + timedelta(seconds=100), before).share == pytest.approx(1.0)
    assert uptime([], NOON + timedelta(seconds=100), before).share == pytest.approx(0.5)


def test_a_new_version_does_not_answer_for_the_slowness_of_the_old():
    slow, quick = (
        [request(i, took=9, version="old") for i in range(50)],
        [request(60 + i, version="new") for i in range(25)],
    )
    assert summary([*slow, *quick]).state == "alarm"
    assert summary([*slow, *quick], version="new").state == "ok"


def test_what_a_version_costs_and_how_long_it_has_been_served_is_told():
    found = summary([request(1), *(beat(s) for s in (0, 5, 10, 96, 99))]).by_version["v"]
    assert (found.up_s, found.cpu_share, found.memory_mb) == (pytest.approx(13), 0.25, 100)
