"""What the workspace's records say, as Prometheus metrics: the same whichever worker is asked, and after a restart.

Label values are the model's features, metrics and parts, and the numbers of workers; so there are few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from workbench.evaluation import Evaluation, FeatureDrift, Traffic
from workbench.moments import parse_utc
from workbench.policy import ATTEMPT, LOST, PASSED, ROLLED_BACK, STUCK, WENT_BACK
from workbench.records import Event, Heartbeat, Pointer, State
from workbench.sections import Trigger
from workbench.settings import Settings
from workbench.steering import steering

STATES: dict[State, int] = {"insufficient": 0, "ok": 1, "possible": 2, "alarm": 3, "drift": 3, "broken": 3}
STATES_TOLD = "0 insufficient, 1 ok, 2 possible, 3 alarm (drift, broken data)"
PARTS = ("data", "drift", "model", "performance", "estimate", "service")
# Kinds of events, as values of the label that tells them apart.
SWITCHES = {"promoted": "promoted", WENT_BACK: "went_back", "switched": "by_hand", ROLLED_BACK: "rolled_back"}
ENDS = {"promoted": "promoted", "kept_out": "kept_out", WENT_BACK: "went_back", "retrain_failed": "failed"}
PROBATIONS = {PASSED: "passed", LOST: "lost"}
ALERTS = {"alert_sent": "sent", "alert_failed": "failed"}


def gauge(name: str, help_: str, value: float | None) -> Iterator[Metric]:
    """A metric without labels; none where there is no value."""
    if value is not None:
        yield GaugeMetricFamily(f"workbench_{name}", help_, value=value)


def by_label(name: str, help_: str, label: str, values: Iterable[tuple[str, float | None]]) -> Metric:
    """A gauge with one label, without those that have no value."""
    family = GaugeMetricFamily(f"workbench_{name}", help_, labels=[label])
    for key, value in values:
        if value is not None:
            family.add_metric([key], value)
    return family


def of_events(events: Sequence[Event]) -> Iterator[Metric]:
    """What was done since the workspace began; each value of a label is there from the start, at 0."""
    kinds = Counter(event.kind for event in events)

    def count(name: str, help_: str, label: str, told: dict[str, str]) -> Metric:
        family = CounterMetricFamily(f"workbench_{name}", help_, labels=[label])
        for kind, value in told.items():
            family.add_metric([value], kinds[kind])
        return family

    held = steering(events, None).hold is not None
    yield from gauge("held", "1 while people hold the automation (pause, pin).", int(held))
    tried = Counter(e.data.get("trigger") for e in events if e.kind == ATTEMPT)
    attempts = CounterMetricFamily("workbench_attempts", "Retrains that were begun, by trigger.", labels=["trigger"])
    known = (*get_args(Trigger), "schedule", "manual")
    for trigger in known:
        attempts.add_metric([trigger], tried[trigger])
    attempts.add_metric(["other"], sum(n for trigger, n in tried.items() if trigger not in known))
    yield attempts
    yield count("attempt_ends", "What came of retrains.", "result", ENDS)
    yield count("switches", "Switches of the live version, rollbacks among them.", "how", SWITCHES)
    for name, help_, kind in (
        ("rollbacks", "Switches that were undone, by itself or by hand.", ROLLED_BACK),
        ("rollback_failures", "Rollbacks that were due and could not be made.", STUCK),
        ("maintenance_failures", "Rounds of the maintainer that ended with an error.", "maintenance_failed"),
    ):
        yield CounterMetricFamily(f"workbench_{name}", help_, value=kinds[kind])
    yield count("probations", "How the watch over a switch ended.", "result", PROBATIONS)
    yield count("alerts", "Messages to the webhook.", "result", ALERTS)
    begun = Counter(e.data.get("name") for e in events if e.kind == "alarm")
    alarms = CounterMetricFamily("workbench_alarms", "Alarms that began, by part of the check.", labels=["part"])
    for part in PARTS:
        alarms.add_metric([part], begun[part])
    yield alarms


def of_check(last: Evaluation) -> Iterator[Metric]:
    """The last check; a state as a number, so that 3 is what a person is told of."""
    states = {name: STATES[verdict.state] for name, verdict in last.verdicts.items()}
    for name, state in states.items():
        yield from gauge(f"{name}_state", f"{name}: {STATES_TOLD}.", state)
    yield from gauge("state", f"The worst part: {STATES_TOLD}.", max(states.values()))
    when = parse_utc(last.recorded_at).timestamp()
    yield from gauge("check_timestamp_seconds", "When the last check was made.", when)
    yield from gauge("window_predictions", "Predictions of the live version in the window.", last.n)
    quality, estimate = last.performance, last.estimate
    metrics = "of the window's labelled predictions, by metric"
    yield by_label("performance", f"Quality {metrics}.", "metric", quality.metrics.items())
    yield by_label("performance_baseline", "The same of the holdout.", "metric", quality.baseline.items())
    bounds = {name: ends[0] for name, ends in quality.intervals.items()}
    yield by_label("performance_lower_bound", f"Lower 95 % bound {metrics}.", "metric", bounds.items())
    bounds = {name: ends[1] for name, ends in quality.intervals.items()}
    yield by_label("performance_upper_bound", f"Upper 95 % bound {metrics}.", "metric", bounds.items())
    loss = "How much worse than on the holdout the deciding metric is, as a share of its value there."
    yield from gauge("performance_loss_ratio", loss, quality.loss)
    yield from gauge("labelled_predictions", "Of the last mature predictions, those with actual.", quality.labelled)
    coverage = quality.labels.coverage if quality.labels else None
    yield from gauge("label_coverage_ratio", "Share of mature predictions that have their actual.", coverage)
    estimated = "Quality as estimated without actuals."
    yield by_label("estimated_performance", estimated, "metric", [(estimate.metric, estimate.value)])
    yield from _of_features(last.drift.features)


def _of_features(features: Sequence[FeatureDrift]) -> Iterator[Metric]:
    states = [(f.feature, STATES[f.state]) for f in features]
    yield by_label("feature_state", f"Drift by feature: {STATES_TOLD}.", "feature", states)
    missing = [(f.feature, f.missing_share) for f in features]
    yield by_label("feature_missing_ratio", "Share of the window's values that are missing.", "feature", missing)
    means = [(f.feature, f.channels["mean"].value) for f in features if "mean" in f.channels]
    yield by_label("mean_shift", "In reference standard deviations.", "feature", means)
    noise = GaugeMetricFamily(
        "workbench_drift_noise",
        "Distance from the training reference; 1 is what 95 of 100 checks without drift stay within.",
        labels=["feature", "channel"],
    )
    for f in features:
        for name, channel in f.channels.items():
            noise.add_metric([f.feature, name], channel.noise)
    yield noise


def of_traffic(told: Traffic) -> Iterator[Metric]:
    """The last requests for predictions, as the summary has them."""
    asked = "of the window's requests for predictions"
    yield from gauge("window_requests", "Requests for predictions in the window.", told.requests)
    yield from gauge("window_requests_per_second", f"Rate {asked}, up to now.", told.requests_per_s)
    yield from gauge("window_predictions_per_second", f"Rate of predictions {asked}.", told.predictions_per_s)
    for name, value in (("mean", told.mean_s), ("p50", told.p50_s), ("p95", told.p95_s), ("p99", told.p99_s)):
        yield from gauge(f"window_response_{name}_seconds", f"Response time, {name}, {asked}.", value)
    yield from gauge("window_response_max_seconds", f"Longest response {asked}.", told.max_s)
    yield from gauge("window_latency_mean_seconds", f"Mean time to the first byte {asked}.", told.latency_mean_s)
    yield from gauge("window_client_error_ratio", f"Share {asked} that were answered 4xx.", told.share_4xx)
    yield from gauge("window_server_error_ratio", f"Share {asked} that were answered 5xx.", told.share_5xx)


def of_workers(beats: Sequence[Heartbeat]) -> Iterator[Metric]:
    """Each worker's process, as its last heartbeat told; counters begin anew with the process."""

    def each(name: str, help_: str, value: Callable[[Heartbeat], float | None]) -> Metric:
        return by_label(f"worker_{name}", help_, "worker", ((str(b.worker), value(b)) for b in beats))

    def count(name: str, help_: str, value: Callable[[Heartbeat], float]) -> Metric:
        family = CounterMetricFamily(f"workbench_worker_{name}", help_, labels=["worker"])
        for beat in beats:
            family.add_metric([str(beat.worker)], value(beat))
        return family

    yield from gauge("workers", "Workers that live.", len(beats))
    yield count("cpu_seconds", "CPU time of the process.", lambda b: b.cpu_s)
    yield each("resident_memory_bytes", "Resident memory of the process.", lambda b: b.memory_mb * 1e6)
    yield each("open_fds", "Open file descriptors of the process.", lambda b: b.open_files)
    yield each("start_time_seconds", "When the process began.", lambda b: parse_utc(b.started_at).timestamp())
    yield each("heartbeat_timestamp_seconds", "Its last heartbeat.", lambda b: parse_utc(b.recorded_at).timestamp())
    yield each("deferred_records", "Records that wait because the disk refused them.", lambda b: b.deferred)
    yield count("lost_records", "Records given up because too many waited.", lambda b: b.lost)
    yield each("load_failed", "1 while it cannot load the live version.", lambda b: b.error is not None)
    serves = InfoMetricFamily("workbench_worker", "The version that it answers with.", labels=["worker"])
    for beat in beats:
        serves.add_metric([str(beat.worker)], {"version": beat.version or ""})
    yield serves


def of_live(settings: Settings, live: Pointer | None, maintained: bool) -> Iterator[Metric]:
    """Which version is live, and whether somebody looks after it."""
    yield from gauge("maintainer_up", "1 while a maintainer runs.", int(maintained))
    yield from gauge("workers_wanted", "Workers that the settings ask for.", settings.service.workers)
    yield from gauge("window_size", "Predictions that a check looks at.", settings.monitor.window)
    limit = "A mean response time above it is an alarm."
    yield from gauge("max_response_seconds", limit, settings.monitor.max_response_s)
    if live is not None:
        told = {"model": settings.model.name, "version": live.version_id, "task": settings.model.task}
        yield InfoMetricFamily("workbench_model", "The live version.", value=told)
        begun = parse_utc(live.activated_at).timestamp()
        yield from gauge("live_since_timestamp_seconds", "When the live version went live.", begun)
        yield from gauge("live_generation", "Grows by one with each switch.", live.generation)
