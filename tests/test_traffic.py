from datetime import timedelta
from functools import partial

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from scipy import signal, stats

from tests.conftest import NOON
from workbench.evaluation import ServiceResult
from workbench.moments import utc_text
from workbench.records import Heartbeat, Request
from workbench.traffic import summarise, uptime
from workbench.traffic_words import p95_told


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


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def timed(times, **more):
    """What is found of requests that took so long."""
    return summary([request(i / 100, took=float(t)) for i, t in enumerate(times)], **more)


def lognormal(rng, n, *, dependent=0.0, sigma=1.0):
    """Times of mean 0.1 s; `dependent` is the correlation of one's logarithm with the one before."""
    noise = rng.normal(size=n + 200) * np.sqrt(1 - dependent**2)
    return 0.1 * np.exp(sigma * signal.lfilter([1], [1, -dependent], noise)[200:] - sigma**2 / 2)


def shares_missed(draw, truth, interval, rounds):
    """How often an interval lies wholly above the truth, and wholly below it."""
    found = np.array([getattr(timed(draw()).all, interval) for _ in range(rounds)])
    return (found[:, 0] > truth).mean(), (found[:, 1] < truth).mean()


# Without skewness and dependence in it, the interval of the last two would miss in 16 % and in half of the rounds.
@pytest.mark.parametrize(
    ("n", "more", "most"),
    [(30, {"sigma": 0.3}, 0.09), (300, {}, 0.09), (30, {}, 0.12), (300, {"dependent": 0.8}, 0.12)],
)
def test_the_interval_of_the_mean_holds_for_skewed_and_dependent_times(rng, n, more, most):
    above, below = shares_missed(partial(lognormal, rng, n, **more), 0.1, "mean_interval_s", 200)
    assert above < 0.06, "the lower bound is what raises an alarm"
    assert above + below < most


@pytest.mark.parametrize(("n", "dependent", "most"), [(100, 0.0, 0.07), (300, 0.0, 0.07), (300, 0.8, 0.13)])
def test_the_interval_of_the_p95_holds_for_dependent_times_too(rng, n, dependent, most):
    truth = 0.1 * np.exp(stats.norm.ppf(0.95) - 0.5)
    draw = partial(lognormal, rng, n, dependent=dependent)
    assert sum(shares_missed(draw, truth, "p95_interval_s", 200)) < most


def test_the_interval_of_independent_times_without_skewness_is_students(rng):
    half = 0.1 + rng.normal(0, 0.01, 100)
    times = np.concatenate([half, 0.2 - half])[rng.permutation(200)]
    expected = stats.ttest_1samp(times, 0).confidence_interval(0.95)
    assert timed(times).all.mean_interval_s == pytest.approx(tuple(expected), rel=1e-6)


def test_skewness_moves_both_ends_of_the_interval_to_the_long_side(rng):
    times = rng.permutation(0.01 + stats.expon.ppf((np.arange(100) + 0.5) / 100) / 10)
    found, student = timed(times).all.mean_interval_s, stats.ttest_1samp(times, 0).confidence_interval(0.95)
    assert student.low < found[0] < times.mean() < student.high < found[1]
    # Hall's transformation of the distance to either end is where Student's distribution ends.
    s, skewness = (times.mean() - np.array(found)) / times.std(ddof=1), stats.skew(times, bias=False)
    transformed = s + skewness * s**2 / 3 + skewness**2 * s**3 / 27 + skewness / 600
    assert transformed * 10 == pytest.approx(stats.t.ppf([0.975, 0.025], 99))


@pytest.mark.parametrize("n", [20, 71, 72, 100, 333, 5_000])
def test_the_interval_of_the_p95_is_scipys_quantile_test(rng, n):
    times = rng.exponential(0.02, n)
    found = timed(times, window=n).all
    expected = stats.quantile_test(times, p=0.95).confidence_interval(0.95)
    assert found.p95_interval_s == (expected.low, times.max() if np.isnan(expected.high) else expected.high)
    assert ("at least" in p95_told(found)) == (found.p95_interval_s[1] == times.max())


@pytest.mark.parametrize("n", [1, 7, 50, 400])
def test_the_interval_of_the_failures_is_wilsons(n):
    for k in {0, 1, n // 2, n}:
        found = summary([request(i, status=500 if i < k else 200) for i in range(n)]).all.share_5xx_interval
        assert found == pytest.approx(tuple(stats.binomtest(k, n).proportion_ci(method="wilson")), abs=1e-12)


@pytest.mark.parametrize("n", range(41))
def test_intervals_enclose_their_figures_at_any_number_of_requests(rng, n):
    found = timed(lognormal(rng, n, sigma=2.0)).all
    assert (found.mean_interval_s is None) == (n < 3)
    assert (found.p95_s is None) == (found.p95_interval_s is None) == (n < 20)
    assert (found.max_s is None) == (n == 0)
    for value, interval in (
        (found.mean_s, found.mean_interval_s),
        (found.p95_s, found.p95_interval_s),
        (found.share_5xx, found.share_5xx_interval),
    ):
        assert interval is None or 0 <= interval[0] <= value <= interval[1]


def test_below_20_answered_requests_the_longest_response_is_told_in_place_of_percentiles():
    slow = [request(i, took=(10 + i) / 1000) for i in range(19)]
    found = summary(slow)
    assert (found.all.p95_s, found.all.p99_s, found.all.max_s) == (None, None, 0.028)
    assert found.sentence == "insufficient: 19 requests, 20 are needed; longest response 28.0 ms"
    failing = summary([*slow, *(request(20 + i, status=500, took=9) for i in range(21))])
    assert (failing.state, failing.all.max_s) == ("insufficient", 0.028)
    assert failing.sentence.startswith("insufficient: of 40 requests too few were answered, 20 are needed; longest")
    assert failing.sentence.endswith("; 52.5% (95 %: 37.5% to 67.1%) failed")


def test_a_mean_above_the_limit_is_no_alarm_while_its_lower_bound_is_below():
    times = np.tile([0.02, 0.02, 0.02, 5.0], 10)
    found = timed(times)
    assert found.all.mean_interval_s[0] < 1.0 < found.all.mean_s
    assert found.state == "possible"
    assert "perhaps slower than 1 s, by chance alone" in found.sentence
    assert timed(np.tile(times, 20)).state == "alarm", "more of the same leaves no doubt"


def test_the_alarm_comes_exactly_when_the_lower_bound_passes_the_limit(rng):
    for limit in rng.uniform(0.7, 1.4, 30):
        # Too few to have a newest half that says anything alone.
        requests = [request(i, took=float(t)) for i, t in enumerate(lognormal(rng, 39) * 10)]
        found = summarise(requests, [], now=NOON + timedelta(seconds=60), window=100, max_response_s=limit)
        above, surely = found.all.mean_s > limit, found.all.mean_interval_s[0] > limit
        assert found.state == ("alarm" if surely else "possible" if above else "ok")


def test_a_service_that_became_slow_is_an_alarm_as_soon_as_its_mean_is_above_the_limit(rng):
    before, since = rng.normal(0.01, 0.002, 860), rng.normal(9.0, 1.0, 140)
    found = timed(np.concatenate([before, since]))
    assert found.all.mean_interval_s[0] < 1.0 < found.all.mean_s
    assert found.state == "alarm"
    assert timed(np.concatenate([before, since[:60]])).state == "ok", "the mean is what is asked about"


@pytest.mark.parametrize("n", [0, 1, 5, 50])
def test_what_is_found_can_be_stored_and_read_again(rng, n):
    found = timed(lognormal(rng, n))
    assert msgspec.json.decode(msgspec.json.encode(found), type=ServiceResult) == found


def test_the_sentence_tells_the_intervals():
    assert timed([0.010, 0.012] * 50).sentence == (
        "mean response 11.0 ms (95 %: 10.8 to 11.2), p95 12.0 ms (95 %: 12.0 to 12.0) over 100 requests, "
        "0.0% (95 %: 0.0% to 3.7%) failed"
    )


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


def test_a_versions_intervals_are_those_of_its_requests_alone(rng):
    times = {"a": lognormal(rng, 60), "b": lognormal(rng, 40)}
    records = [request(i, took=float(t), version=v) for v, took in times.items() for i, t in enumerate(took)]
    mixed = [records[i] for i in rng.permutation(100)]
    for version, traffic in summary(mixed).by_version.items():
        alone = summary([r for r in mixed if r.version == version]).all
        assert (traffic.mean_interval_s, traffic.p95_interval_s) == (alone.mean_interval_s, alone.p95_interval_s)
        assert traffic.max_s == times[version].max()


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


def test_a_worker_that_was_replaced_is_gone_at_once_and_one_of_another_service_stays():
    dead, replacement = beat(95, worker=1), beat(98, worker=1, started=97)
    assert [w.started_at for w in summary([dead, replacement]).workers] == [replacement.started_at]
    other = beat(96, worker=1, started=90)
    assert len(summary([dead, other, beat(99, worker=1)]).workers) == 2


def test_workers_of_one_number_on_two_machines_do_not_take_each_others_place():
    here, there = replace(beat(97, started=96), replica="b"), replace(beat(95), replica="a")
    assert [w.name for w in summary([here, there]).workers] == ["a/1", "b/1"]
    assert summary([beat(95)]).workers[0].name == "1"


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
    assert summary([*slow, *quick]).all.mean_s > 1
    assert summary([*slow, *quick], version="old").state == "alarm"
    assert summary([*slow, *quick], version="new").state == "ok"


def test_what_a_version_costs_and_how_long_it_has_been_served_is_told():
    found = summary([request(1), *(beat(s) for s in (0, 5, 10, 96, 99))]).by_version["v"]
    assert (found.up_s, found.cpu_share, found.memory_mb) == (pytest.approx(13), 0.25, 100)
