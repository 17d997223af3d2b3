"""What people told the automation: pause, pin, accept, decline; each an event, and from these what is in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from workbench.metrics_store import MetricsStore
from workbench.policy import Standing, standing
from workbench.records import Event, Pointer
from workbench.settings import Settings


class Steering(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force. `hold` says why nothing may happen by itself; None if it may."""

    paused: str | None = None
    pinned: str | None = None
    pinned_why: str = ""
    accepted: dict[str, str] = {}

    @property
    def hold(self) -> str | None:
        if self.paused is not None:
            return f"paused: {self.paused}"
        if self.pinned is not None:
            return f"pinned to {self.pinned}: {self.pinned_why}"
        return None


def steering(events: Sequence[Event], live: str | None) -> Steering:
    """What is in force after these events, oldest first; features stay accepted while the same version is live."""
    paused: str | None = None
    pinned: Event | None = None
    accepted: dict[str, str] = {}
    for event in events:
        if event.kind in ("paused", "resumed"):
            paused = event.reason if event.kind == "paused" else None
        elif event.kind in ("pinned", "unpinned"):
            pinned = event if event.kind == "pinned" else None
        elif event.kind == "accepted" and event.version == live:
            accepted[event.data["feature"]] = event.reason
    return Steering(
        paused=paused,
        pinned=pinned.version if pinned else None,
        pinned_why=pinned.reason if pinned else "",
        accepted=accepted,
    )


def stand(settings: Settings, metrics: MetricsStore, live: Pointer | None, *, running: bool, now: datetime) -> Standing:
    """Where maintenance stands now, for those who show it."""
    events = metrics.events()
    hold = steering(events, live.version_id if live else None).hold
    return standing(events, live, settings.retrain, now=now, running=running, hold=hold)


def pause(metrics: MetricsStore, *, by: str, reason: str) -> Event:
    """No automatic retrain and no automatic switch until `resume`."""
    return metrics.tell(Event(kind="paused", reason=reason, by=by))


def resume(metrics: MetricsStore, *, by: str, reason: str) -> Event:
    return metrics.tell(Event(kind="resumed", reason=reason, by=by))


def pin(metrics: MetricsStore, version_id: str | None, *, by: str, reason: str) -> Event:
    """Keep a version live: nothing switches away from it by itself; None ends that."""
    kind = "unpinned" if version_id is None else "pinned"
    return metrics.tell(Event(kind=kind, reason=reason, version=version_id, by=by))


def decline(metrics: MetricsStore, version_id: str, *, by: str, reason: str) -> Event:
    """A challenger that the gate kept out stays out: nobody is asked about it any more."""
    return metrics.tell(Event(kind="declined", reason=reason, version=version_id, by=by))


def accept(metrics: MetricsStore, feature: str, live: str | None, *, by: str, reason: str) -> Event:
    """Take a feature's drift as the new normal, for as long as the live version stays live."""
    return metrics.tell(Event(kind="accepted", reason=reason, version=live, by=by, data={"feature": feature}))
