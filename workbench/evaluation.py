"""The evaluation: one frozen record of one check, which plots, API, alerts and triggers read; none computes its own."""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.records import Kind, Record, State


class FeatureProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One feature of the reference, summarised; the moments are of the values that are there."""

    name: str
    kind: Kind
    n: int
    missing_share: float
    mean: float | None = None
    std: float | None = None
    kurtosis: float | None = None
    edges: tuple[float, ...] = ()
    shares: dict[str, float] = {}


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's window beside its reference, each score with the band it stays in without drift."""

    feature: str
    kind: Kind
    state: State
    sentence: str
    n: int
    missing_share: float
    reference_missing_share: float
    mean: float | None = None
    std: float | None = None
    reference_mean: float | None = None
    reference_std: float | None = None
    mean_shift: float | None = None
    mean_shift_band: float | None = None
    std_ratio: float | None = None
    std_ratio_band: float | None = None
    shares: dict[str, float] = {}
    reference_shares: dict[str, float] = {}
    share_shift: float | None = None
    share_shift_band: float | None = None
    unseen_share: float | None = None


class DriftResult(msgspec.Struct, frozen=True, kw_only=True):
    state: State
    sentence: str
    n: int
    features: tuple[FeatureDrift, ...] = ()


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of some labelled predictions: a version's, or a period's."""

    n: int
    metrics: dict[str, float | None]
    version: str | None = None
    start: str | None = None
    end: str | None = None


class PerformanceResult(msgspec.Struct, frozen=True, kw_only=True):
    state: State
    sentence: str
    metric: str
    n: int
    labelled: int
    metrics: dict[str, float | None] = {}
    baseline: dict[str, float | None] = {}
    loss: float | None = None
    by_version: tuple[Score, ...] = ()
    over_time: tuple[Score, ...] = ()


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Service statistics of some requests; response times of requests that were answered with 2xx."""

    requests: int
    rows: int
    requests_per_s: float | None = None
    predictions_per_s: float | None = None
    mean_s: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    latency_mean_s: float | None = None
    share_4xx: float | None = None
    share_5xx: float | None = None
    up_s: float | None = None
    cpu_share: float | None = None
    memory_mb: float | None = None


class Uptime(msgspec.Struct, frozen=True, kw_only=True):
    """`up_s` of the time since `since` was answered; `as_of` is the last heartbeat counted."""

    since: str
    as_of: str
    up_s: float
    share: float
    current_s: float


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    worker: int
    version: str | None
    started_at: str
    seen_at: str
    cpu_share: float
    memory_mb: float
    deferred: int
    lost: int
    error: str | None


class ServiceResult(msgspec.Struct, frozen=True, kw_only=True):
    state: State
    sentence: str
    all: Traffic
    by_version: dict[str, Traffic] = {}
    uptime: Uptime | None = None
    workers: tuple[Worker, ...] = ()
    cpu_share: float | None = None
    memory_mb: float | None = None


class Evaluation(Record, frozen=True, kw_only=True):
    """One check: what was looked at, the figures, the thresholds they met and the verdicts in words."""

    version: str
    n: int
    first_id: str | None
    last_id: str | None
    first_event_time: str | None
    last_event_time: str | None
    service: ServiceResult
    drift: DriftResult
    performance: PerformanceResult
    thresholds: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, DriftResult | PerformanceResult | ServiceResult]:
        return {"drift": self.drift, "performance": self.performance, "service": self.service}

    @property
    def alarms(self) -> dict[str, str]:
        """The sentence of each part that is in alarm, by its name."""
        return {k: v.sentence for k, v in self.verdicts.items() if v.state == "alarm"}
