"""What /maintenance answers beyond single records: pages of them, and the summary of all parts."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from workbench.evaluation import DriftResult, ServiceResult, Worker
from workbench.jobs import Job
from workbench.performance_result import PerformanceResult
from workbench.policy import Standing
from workbench.records import Event, Metadata, Pointer, Promotion
from workbench.steering import Steering

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Records, newest first; `next` is the `before` of the page that follows, null on the last one."""

    items: list[T]
    next: str | None


class Window(msgspec.Struct, frozen=True):
    """The newest recorded predictions, which the checks look at; `size` is how many it holds at most."""

    size: int
    n: int
    first_id: str | None
    last_id: str | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Service statistics now, and what the last check, the last decision and the people say."""

    live: Pointer | None
    service: ServiceResult
    workers: tuple[Worker, ...]
    window: Window
    drift: DriftResult | None
    performance: PerformanceResult | None
    evaluated_at: str | None
    last_decision: Event | None
    steering: Steering
    maintenance: Standing
    retrain: Job | None


class DriftCheck(DriftResult, frozen=True, kw_only=True):
    """Drift as one check found it."""

    id: str
    recorded_at: str
    version: str
    first_event_time: str | None
    last_event_time: str | None


class PerformanceCheck(PerformanceResult, frozen=True, kw_only=True):
    """Performance as one check found it."""

    id: str
    recorded_at: str
    version: str
    first_event_time: str | None
    last_event_time: str | None


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """All versions, oldest first, and the promotion log; `live_at` only where a moment was asked for."""

    live: Pointer | None
    versions: list[Metadata]
    promotions: list[Promotion]
    live_at: str | msgspec.UnsetType | None = msgspec.UNSET


class Version(msgspec.Struct, frozen=True):
    """One version, and when it went live."""

    metadata: Metadata
    promotions: list[Promotion]
