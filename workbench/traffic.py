"""How is the service doing? Requests and heartbeats -> rates, response times, errors, uptime.

Pure functions on records: no disk, no clock. Intervals hold with 95 %, also where response times depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from statistics import NormalDist
from typing import Literal

import msgspec
import numpy as np

from workbench.autocorrelation import dependence
from workbench.evaluation import ServiceResult, Traffic, Uptime, Worker
from workbench.moments import parse_utc
from workbench.records import Heartbeat, Request, State
from workbench.traffic_words import failures_told, mean_told, p95_told

PREDICT = "/predict"
# All ways to be predicted are the same traffic.
PREDICTING = frozenset({PREDICT, "/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"})
MIN_REQUESTS = 20
MISSED_BEATS = 3
# Of an interval of 95 %: what lies outside on each side.
TAIL = 0.025
MIN_TIMES = 3  # fewer have no skewness


def summarise(
    requests: Sequence[Request],
    beats: Sequence[Heartbeat],
    *,
    now: datetime,
    window: int,
    max_response_s: float,
    max_failed: float = 1.0,
    before: Uptime | None = None,
    version: str | None = None,
) -> ServiceResult:
    """Statistics of the last `window` prediction requests, and of the workers that answered them.

    Parameters
    ----------
    requests, beats : of all workers, oldest first
    now : aware datetime
    window : int
        How many requests are looked at.
    max_response_s : float
        A mean response time above it is an alarm where its lower bound is, too, from 20 answered requests on.
    max_failed : float
        A share of requests answered with 5xx above it is an alarm where its lower bound is, too.
    before : Uptime, optional
        Uptime as of an earlier evaluation, so that heartbeats that are gone still count.
    version : str, optional
        The verdict is over this version's requests: a new one does not answer for the slowness of the old.
    """
    asked = [r for r in requests if r.path in PREDICTING][-window:]
    traffic, workers = _traffic(asked, now), _workers(beats, now)
    own: dict[str, list[Request]] = {}
    for r in asked:
        if r.version:
            own.setdefault(r.version, []).append(r)
    by_version = {v: _of_version(v, served, beats, workers, now) for v, served in own.items()}
    judged = traffic if version is None else by_version.get(version, Traffic(requests=0, rows=0))
    times = _times(asked if version is None else own.get(version, []))
    state, sentence, cause = _verdict(judged, times, max_response_s, max_failed)
    return ServiceResult(
        state=state,
        sentence=sentence,
        cause=cause,
        last_request=asked[-1].id if asked else None,
        all=traffic,
        by_version=by_version,
        uptime=uptime(beats, now, before),
        workers=workers,
        cpu_share=sum(w.cpu_share for w in workers) if workers else None,
        memory_mb=sum(w.memory_mb for w in workers) if workers else None,
    )


def _of_version(
    version: str, served: Sequence[Request], beats: Sequence[Heartbeat], workers: Sequence[Worker], now: datetime
) -> Traffic:
    """A version's requests, what its workers cost now, and how long some worker has been on it."""
    own = [w for w in workers if w.version == version]
    return msgspec.structs.replace(
        _traffic(served, now),
        cpu_share=sum(w.cpu_share for w in own),
        memory_mb=sum(w.memory_mb for w in own),
        up_s=_up_s([b for b in beats if b.version == version]),
    )


def _up_s(beats: Sequence[Heartbeat]) -> float:
    """Seconds between beats that followed each other without a gap."""
    times = [parse_utc(b.recorded_at).timestamp() for b in beats]
    gaps = zip(times, times[1:], beats[1:], strict=False)
    return sum(later - earlier for earlier, later, b in gaps if later - earlier <= MISSED_BEATS * b.every_s)


def _verdict(
    traffic: Traffic, times: np.ndarray, max_response_s: float, max_failed: float
) -> tuple[State, str, Literal["response_time", "failures"] | None]:
    n = traffic.requests
    if traffic.share_5xx_interval is not None and n >= MIN_REQUESTS and traffic.share_5xx_interval[0] > max_failed:
        return "alarm", f"{failures_told(traffic)} of {n} requests failed, allowed are {max_failed:.3g}", "failures"
    if traffic.p95_s is None or traffic.mean_interval_s is None:
        found = f"{n} requests" if n < MIN_REQUESTS else f"of {n} requests too few were answered"
        longest = f"; longest response {traffic.max_s * 1e3:.1f} ms" if traffic.max_s is not None else ""
        return "insufficient", f"insufficient: {found}, {MIN_REQUESTS} are needed{longest}{_failed(traffic)}", None
    figures = f"mean response {mean_told(traffic)}, p95 {p95_told(traffic)}"
    slow = times.mean() > max_response_s
    if slow and _surely_slower(times, max_response_s):
        sentence = f"{figures}: slower than {max_response_s:g} s over {n} requests{_failed(traffic)}"
        return "alarm", sentence, "response_time"
    if slow:
        sentence = (
            f"{figures}: perhaps slower than {max_response_s:g} s, by chance alone the mean of {n} requests can be so "
            f"far above it{_failed(traffic)}"
        )
        return "possible", sentence, None
    return "ok", f"{figures} over {n} requests, {failures_told(traffic)} failed", None


def _surely_slower(times: np.ndarray, limit: float) -> bool:
    """Whether the lower bound of the mean is above a limit, over all the times or over their newest half, quarter, ...:
    a service that has just become slow looks, over all, as if slow answers came in long runs by chance."""
    while len(times) >= MIN_REQUESTS:
        if _mean_interval(times)[0] > limit:
            return True
        times = times[len(times) // 2 :]
    return False


def _failed(traffic: Traffic) -> str:
    return f"; {failures_told(traffic)} failed" if traffic.share_5xx else ""


def _times(requests: Sequence[Request]) -> np.ndarray:
    """Seconds, of the requests that were answered."""
    return np.array([r.response_s for r in requests if r.status < 400])


def of_window(requests: Sequence[Request], *, now: datetime, window: int) -> Traffic:
    """The figures alone of the last `window` prediction requests: without intervals, and so without scipy."""
    return _traffic([r for r in requests if r.path in PREDICTING][-window:], now, intervals=False)


def _traffic(requests: Sequence[Request], now: datetime, *, intervals: bool = True) -> Traffic:
    n, rows = len(requests), sum(r.rows for r in requests)
    if not n:
        return Traffic(requests=0, rows=0)
    answered = [r for r in requests if r.status < 400]
    times = _times(requests)
    p50, p95, p99 = (float(q) for q in np.percentile(times, [50, 95, 99])) if len(times) else (None,) * 3
    enough = len(times) >= MIN_REQUESTS
    failed = sum(r.status >= 500 for r in requests)
    # To now, not to the last request: a service that nobody asks any more has a falling rate.
    # A floor of a second: the first requests of all are no rate yet.
    span = max((now - parse_utc(requests[0].recorded_at)).total_seconds(), 1.0)
    return Traffic(
        requests=n,
        rows=rows,
        refused=sum(r.status == 422 for r in requests),
        requests_per_s=n / span,
        predictions_per_s=rows / span,
        mean_s=float(times.mean()) if len(times) else None,
        mean_interval_s=_mean_interval(times) if intervals and len(times) >= MIN_TIMES else None,
        p50_s=p50,
        p95_s=p95 if enough else None,
        p95_interval_s=_p95_interval(times) if intervals and enough else None,
        p99_s=p99 if enough else None,
        max_s=float(times.max()) if len(times) else None,
        latency_mean_s=float(np.mean([r.latency_s for r in answered])) if answered else None,
        share_4xx=sum(400 <= r.status < 500 for r in requests) / n,
        share_5xx=failed / n,
        share_5xx_interval=_wilson(failed, n),
    )


def _mean_interval(times: np.ndarray) -> tuple[float, float]:
    """Student's, with the skewness taken out (Hall 1992): response times have a long tail on one side.

    Times that follow each other are alike, so there count fewer of them than there are.
    """
    n, mean, deviation = len(times), times.mean(), times.std(ddof=1)
    if times.min() == times.max():
        return float(mean), float(mean)
    # Here, and not above: a worker that is not asked how it does has no need of scipy.
    from scipy import special

    told = n / dependence(times)
    skewness = ((times - mean) ** 3).mean() / times.std() ** 3 * np.sqrt(n * (n - 1)) / (n - 2)
    reach = special.stdtrit(told - 1, 1 - TAIL) / np.sqrt(told) * np.array([1, -1])
    if abs(skewness) > 1e-6:
        reach = 3 / skewness * (np.cbrt(1 + skewness * (reach - skewness / (6 * told))) - 1)
    low, high = mean - deviation * reach
    return max(float(low), 0.0), float(high)


def _p95_interval(times: np.ndarray) -> tuple[float, float]:
    """Two of the times themselves: how many lie below the percentile is binomial, whatever the distribution.

    Where even the longest may lie below it, the longest is the upper end, and no bound.
    """
    from scipy import special

    n, sorted_times = len(times), np.sort(times)
    # Slow ones come in bursts: as many independent ones as tell as much.
    told = int(n / dependence((times > np.percentile(times, 95)).astype(float)))
    low, high = np.ceil(special.bdtrik([TAIL, 1 - TAIL], told, 0.95))
    first = max(int(low * n / told), 1)
    last = min(int(np.ceil((high + 1) * n / told)), n)
    return float(sorted_times[first - 1]), float(sorted_times[last - 1])


def _wilson(k: int, n: int) -> tuple[float, float]:
    """Of the share k / n."""
    z = NormalDist().inv_cdf(1 - TAIL)
    middle, half = k + z**2 / 2, z * math.sqrt(k * (n - k) / n + z**2 / 4)
    return max((middle - half) / (n + z**2), 0.0), min((middle + half) / (n + z**2), 1.0)


def living(beats: Sequence[Heartbeat], now: datetime) -> list[Heartbeat]:
    """The last heartbeat of each worker that is neither long silent nor replaced, by machine and number."""
    last = {(b.replica or "", b.worker, b.started_at): b for b in beats}
    newest = {(replica, worker): started_at for replica, worker, started_at in sorted(last)}
    alive = [
        b
        for b in last.values()
        # One of its number that was started after its last beat took its place; before that, it is another service's.
        if newest[b.replica or "", b.worker] <= max(b.recorded_at, b.started_at)
        and (now - parse_utc(b.recorded_at)).total_seconds() < MISSED_BEATS * b.every_s
    ]
    return sorted(alive, key=lambda b: (b.replica or "", b.worker))


def _workers(beats: Sequence[Heartbeat], now: datetime) -> tuple[Worker, ...]:
    return tuple(
        Worker(
            worker=b.worker,
            version=b.version,
            started_at=b.started_at,
            seen_at=b.recorded_at,
            cpu_share=b.cpu_share,
            memory_mb=b.memory_mb,
            deferred=b.deferred,
            lost=b.lost,
            error=b.error,
            replica=b.replica or None,
        )
        for b in living(beats, now)
    )


def uptime(beats: Sequence[Heartbeat], now: datetime, before: Uptime | None = None) -> Uptime | None:
    """Share of the time since the first start in which some worker's heart beat.

    A gap between heartbeats counts as up as long as it is no longer than three beats.

    >>> from datetime import UTC, timedelta
    >>> from workbench.moments import utc_text
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> def beat(s):
    ...     return Heartbeat(recorded_at=utc_text(noon + timedelta(seconds=s)), worker=1, started_at=utc_text(noon),
    ...                      every_s=10, version=None, cpu_share=0, memory_mb=0)
    >>> uptime([beat(0), beat(10), beat(60)], noon + timedelta(seconds=60)).share
    0.3333333333333333
    """
    fresh = [b for b in beats if before is None or b.recorded_at > before.as_of]
    if not fresh:
        if before is None:
            return None
        silent = _silent(before.as_of, beats[-1].every_s, now) if beats else 0.0
        return msgspec.structs.replace(before, share=_share(before.up_s + silent, before.since, now))
    since = before.since if before else min(fresh[0].started_at, fresh[0].recorded_at)
    last, up_s = (before.as_of, before.up_s) if before else (since, 0.0)
    for beat in fresh:
        gap = (parse_utc(beat.recorded_at) - parse_utc(last)).total_seconds()
        # The first beat of a new start tells that the gap before it was silence, however short.
        begun = max((parse_utc(beat.recorded_at) - parse_utc(beat.started_at)).total_seconds(), 0.0)
        up_s += gap if gap <= MISSED_BEATS * beat.every_s else min(gap, begun, beat.every_s)
        last = beat.recorded_at
    newest = fresh[-1]
    current = (parse_utc(newest.recorded_at) - parse_utc(newest.started_at)).total_seconds()
    share = _share(up_s + _silent(last, newest.every_s, now), since, now)
    return Uptime(since=since, as_of=last, up_s=up_s, share=share, current_s=max(current, 0.0))


def _silent(last: str, every_s: float, now: datetime) -> float:
    """Since the last beat a worker is taken to live, until its next beats fail to come."""
    silent = (now - parse_utc(last)).total_seconds()
    return silent if silent <= MISSED_BEATS * every_s else 0.0


def _share(up_s: float, since: str, now: datetime) -> float:
    total = (now - parse_utc(since)).total_seconds()
    return min(up_s / total, 1.0) if total > 0 else 1.0
