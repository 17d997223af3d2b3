"""One cycle of maintenance: watch a switch, check, raise or end alarms, decide, and have a retrain started.

Clock, stores and the way a retrain is started are arguments, so that a backtest can run the same code in simulated
time. What was done before is folded from the events; there is no state file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from workbench import retention, switching
from workbench.errors import Busy, CorruptVersion, UnknownVersion, WorkbenchError
from workbench.evaluation import Evaluation
from workbench.loaded_version import LoadedVersion, Reference
from workbench.material import material
from workbench.moments import utc_now
from workbench.monitor import ModelMonitor
from workbench.policy import LOST, PASSED, STUCK, decide, lost_on_probation, on_probation
from workbench.records import Decision, Event, Pointer
from workbench.settings import Settings
from workbench.steering import steering
from workbench.traffic import PREDICTING
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore

if TYPE_CHECKING:
    from workbench.switch_watch import SwitchWatch

log = logging.getLogger(__name__)
PRUNE_EVERY = timedelta(minutes=5)
HELD = "rollback_held"


class Maintainer:
    """Keeps one workspace's live version healthy.

    Parameters
    ----------
    settings : Settings
    monitor : ModelMonitor
    versions : VersionStore
    start : callable (Decision) -> None
        Starts a retrain and returns at once; raises WorkbenchError if it cannot.
    running : callable () -> bool
        Whether a retrain is under way.
    tell : callable (Event) -> None
        Hears of each alarm that begins or ends, after it was written; returns at once and does not raise.
    clock : callable returning an aware datetime
    """

    def __init__(
        self,
        settings: Settings,
        monitor: ModelMonitor,
        versions: VersionStore,
        *,
        start: Callable[[Decision], None],
        running: Callable[[], bool],
        tell: Callable[[Event], None] = lambda event: None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings = settings
        self.monitor = monitor
        self.metrics = monitor.store
        self.versions = versions
        self.start = start
        self.running = running
        self.tell = tell
        self.clock = clock
        self._seen: tuple[object, ...] = ()
        self._loaded: dict[str, LoadedVersion] = {}
        self._pruned_at = clock()
        self._trouble = ""

    @cached_property
    def _switches(self) -> SwitchWatch:
        # Here, and not above: as long as nothing is switched nobody is asked, and scikit-learn not needed.
        from workbench.switch_watch import SwitchWatch

        return SwitchWatch(self.settings, self.metrics, self.versions, self._load)

    def tend(self, *, check: bool = True) -> Decision | None:
        """Watch and, if asked, check: one turn of whoever keeps maintaining.

        What goes wrong is an event, the same trouble one event and not one a turn: what a model of somebody's own
        raises must not end maintenance.
        """
        decision = None
        try:
            if check:
                decision = self.cycle()
            else:
                self.watch()
        except Exception as error:
            told = str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
            if told != self._trouble:
                self._event("maintenance_failed", told, None)
                log.exception("maintenance failed")
            self._trouble = told
        else:
            self._trouble = ""
        return decision

    def watch(self) -> None:
        """Look after a version on probation: let it pass, or go back to the one before; costs a look at the pointer
        while there is none."""
        live = self._on_probation()
        if live is not None:
            self._judge_switch(live)

    def cycle(self) -> Decision:
        """Look once; check only if something has happened since the last look, so that checks in a row are
        checks of different traffic."""
        self.watch()
        live = self.versions.live()
        if live is None:
            return Decision(action="wait", reason="no version is live")
        seen = self._traffic_seen(live)
        fresh = seen != self._seen
        if fresh:
            self._tell_alarms(self.monitor.check(self._model(live), live.activated_at))
            self._seen = seen
        decision = self._decide(live) if fresh or self.settings.retrain.every_days else None
        if decision is None or not (fresh or decision.trigger == "schedule"):
            return Decision(action="wait", reason="nothing has happened since the last check")
        self._tell_decision(decision, live.version_id)
        if decision.action == "retrain":
            self._start(decision, live.version_id)
        self._prune()
        return decision

    def _on_probation(self) -> Pointer | None:
        live = self.versions.live()
        return live if live is not None and on_probation(self.metrics.events(), live) else None

    def _judge_switch(self, live: Pointer) -> None:
        found, events = self._switches.look(live, now=self.clock()), self.metrics.events()
        about = {"generation": live.generation, "previous": live.previous}
        told = {e.kind for e in events if e.data.get("generation") == live.generation}
        hold = steering(events, live.version_id).hold
        if found.state == "passed":
            self._event(PASSED, found.sentence, live.version_id, **about)
        elif found.state == "lost" and hold is not None:
            if HELD not in told:
                self._event(HELD, f"it would be rolled back: {found.sentence}; {hold}", live.version_id, **about)
        elif found.state == "lost":
            self._roll_back(live, found.sentence, about, lost=lost_on_probation(events), told=LOST in told)

    def _roll_back(
        self, live: Pointer, why: str, about: Mapping[str, object], *, lost: frozenset[str], told: bool
    ) -> None:
        if live.previous in lost:
            self._stuck(live, f"{why}; the version before, {live.previous}, lost on probation itself", about)
            return
        if not told:
            # Written first: a version that lost stays one, whatever becomes of this process.
            self._event(LOST, why, live.version_id, **about)
        reason = f"{live.version_id} lost on probation: {why}"
        try:
            switching.rollback(self.versions, self.metrics, by="maintainer", reason=reason, generation=live.generation)
        except Busy as error:
            log.info("%s", error)  # somebody was quicker
        except (CorruptVersion, UnknownVersion) as error:
            self._stuck(live, f"{why}; it cannot be rolled back: {error}", about)

    def _stuck(self, live: Pointer, why: str, about: Mapping[str, object]) -> None:
        """It has to stay: probation ends, so that checks and retrains go on, and a person is told."""
        self.tell(self._event(STUCK, why, live.version_id, **about))

    def _load(self, version_id: str) -> LoadedVersion | None:
        """A version, loaded once; None if it cannot be."""
        if version_id not in self._loaded:
            try:
                loaded = self.versions.load(version_id)
            except (CorruptVersion, UnknownVersion) as error:
                log.error("%s", error)
                return None
            self._loaded[version_id] = loaded
        return self._loaded[version_id]

    def _model(self, live: Pointer) -> Reference:
        """The live version; if it cannot be loaded, what it is measured by: its evaluation says the rest."""
        kept = {live.version_id, live.previous} if self._on_probation() is not None else {live.version_id}
        self._loaded = {name: loaded for name, loaded in self._loaded.items() if name in kept}
        return self._load(live.version_id) or self.versions.reference(live.version_id)

    def _traffic_seen(self, live: Pointer) -> tuple[object, ...]:
        # Heartbeats and questions of operators are no news of the model.
        asked = [r for r in self.metrics.requests() if r.path in PREDICTING]
        kinds = (self.metrics.window(), self.metrics.actuals(), asked)
        return live.generation, *(records[-1].id if records else None for records in kinds)

    def _decide(self, live: Pointer) -> Decision:
        # Checks from before a switch speak of another model, even if that version was live before.
        evaluations = [
            e for e in self.metrics.evaluations() if e.version == live.version_id and e.recorded_at >= live.activated_at
        ]
        # A check of the same rows, asked for by somebody in between, is no second opinion.
        distinct = {(e.last_id, e.performance.labelled, e.service.last_request): e for e in evaluations}
        events = self.metrics.events()
        return decide(
            list(distinct.values()),
            events,
            self.settings.retrain,
            now=self.clock(),
            live=live,
            material=material(self.settings, self.metrics, events),
            running=self.running(),
            hold=steering(events, live.version_id).hold,
        )

    def _tell_alarms(self, evaluation: Evaluation) -> None:
        """An event when an alarm begins and one when it ends; what is open is folded from the events."""
        opened: dict[str, str | None] = {}
        for event in self.metrics.events():
            if event.kind == "alarm":
                opened[event.data["name"]] = event.version
            elif event.kind == "alarm_ended":
                opened.pop(event.data["name"], None)
        for name, verdict in evaluation.verdicts.items():
            replaced = name in opened and opened[name] != evaluation.version
            if replaced or (name in opened and verdict.state == "ok"):
                why = f"{opened[name]} is no longer live" if replaced else verdict.sentence
                self.tell(self._event("alarm_ended", f"{name}: {why}", opened.pop(name), name=name))
            if name in evaluation.alarms and name not in opened:
                self.tell(self._event("alarm", f"{name}: {verdict.sentence}", evaluation.version, name=name))

    def _tell_decision(self, decision: Decision, version: str) -> None:
        """An event when the decision differs from the last one in more than its figures."""
        told = [e for e in self.metrics.events() if e.kind == "decision"]
        now = {
            "action": decision.action,
            "trigger": decision.trigger,
            "refusal": decision.refusal,
            "phase": decision.phase,
        }
        if decision.action == "retrain" or not told or told[-1].version != version or told[-1].data != now:
            self._event("decision", f"{decision.action}: {decision.sentence}", version, **now)

    def _start(self, decision: Decision, version: str) -> None:
        try:
            self.start(decision)
        except WorkbenchError as error:
            self._event("retrain_refused", str(error), version)

    def _event(self, kind: str, reason: str, version: str | None, **data: object) -> Event:
        event: Event = self.metrics.append(Event(kind=kind, reason=reason, version=version, data=data))[0]
        return event

    def _prune(self) -> None:
        if self.clock() - self._pruned_at < PRUNE_EVERY:
            return
        self._pruned_at = self.clock()
        training = TrainingStore(self.settings.versions_dir, clock=self.clock)
        retention.prune(self.metrics, lambda rows: training.archive(rows, self.settings.retrain.labelled_rows))
