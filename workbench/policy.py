"""Evaluations + settings + now + what was done before -> act or wait, and why: the governor of maintenance.

Pure: the clock and the history are arguments, so a backtest asks the same questions in simulated time. There is no
state but what the events tell: `standing` folds them, `decide` adds what the checks say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from workbench.evaluation import Evaluation
from workbench.moments import parse_utc, utc_text
from workbench.records import Decision, Event, Phase, Pointer
from workbench.sections import RetrainSettings
from workbench.worth import not_yet

ATTEMPT, GATING = "retrain_started", "gating"
GOING_BACK, WENT_BACK, ROLLED_BACK = "going_back", "went_back", "rolled_back"
PASSED, LOST, STUCK = "probation_passed", "probation_lost", "rollback_failed"
SWITCHES = ("promoted", WENT_BACK, ROLLED_BACK, "switched")
# How an attempt ends.
ENDED = ("promoted", "kept_out", WENT_BACK, "retrain_failed")
# Switches that put nothing on probation: who goes back knows what is bad about the version left.
CLEARED = (ROLLED_BACK, PASSED, STUCK)
RECOVERY = "recovery"
# Alarms that look at inputs and answers, and at no actual.
INPUTS_ALONE = frozenset({"drift", "model", "estimate"})
TOLD: dict[Phase, str] = {
    "training": "a retrain is under way",
    "gating": "a retrain is under way: its winner meets the live version",
    "probation": "the live version is on probation",
}


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What a retrain could learn from now: `base` and `fingerprint` tell the base data, and all data, from others."""

    new_rows: int
    base: str = ""
    fingerprint: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where maintenance stands after the events.

    `attempts` are the moments of those of the last 24 hours; `lost` the versions that were rolled back on probation;
    `unrestored` the level that the live version has not won back, if there is one, and `tries` the attempts since it
    was lost.
    """

    phase: Phase
    since: str | None = None
    hold: str | None = None
    attempts: tuple[str, ...] = ()
    last_attempt: str | None = None
    cooling_until: str | None = None
    tried: frozenset[str] = frozenset()
    last_base: str | None = None
    lost: frozenset[str] = frozenset()
    unrestored: str | None = None
    tries: int = 0

    @property
    def sentence(self) -> str:
        if self.phase == "cooling down" and self.cooling_until:
            return f"cooling down until {parse_utc(self.cooling_until):%Y-%m-%d %H:%M:%SZ}"
        return self.hold or TOLD.get(self.phase, self.phase)

    @property
    def told(self) -> str:
        """Phase and reason."""
        return self.sentence if self.sentence.startswith(self.phase) else f"{self.phase}: {self.sentence}"


def standing(
    events: Sequence[Event],
    live: Pointer | None,
    settings: RetrainSettings,
    *,
    now: datetime,
    running: bool = False,
    hold: str | None = None,
) -> Standing:
    """Fold the events, oldest first.

    Parameters
    ----------
    live : Pointer, optional
        A switch that was cut off before its event is on probation all the same.
    running : bool
        Whether a retrain is under way: one that died says nothing.
    hold : str, optional
        Why people told the automation to do nothing.
    """
    attempts = [e for e in events if e.kind == ATTEMPT]
    last = attempts[-1] if attempts else None
    gating = last is not None and any(e.kind == GATING and e.recorded_at >= last.recorded_at for e in events)
    until = parse_utc(last.recorded_at) + timedelta(seconds=settings.cooldown_s) if last else None
    day = utc_text(now - timedelta(days=1))
    phase: Phase = "steady"
    since: str | None = None
    if hold:
        phase = "paused"
    elif running:
        phase, since = "gating" if gating else "training", last.recorded_at if last else None
    elif live is not None and on_probation(events, live):
        phase, since = "probation", live.activated_at
    elif until is not None and now < until:
        phase, since = "cooling down", last.recorded_at if last else None
    return Standing(
        phase=phase,
        since=since,
        hold=hold,
        attempts=tuple(e.recorded_at for e in attempts if e.recorded_at > day),
        last_attempt=last.recorded_at if last else None,
        cooling_until=utc_text(until) if until else None,
        tried=frozenset(e.data["fingerprint"] for e in attempts if e.data.get("fingerprint")),
        last_base=next((e.data["base"] for e in reversed(attempts) if "base" in e.data), None),
        lost=lost_on_probation(events),
        unrestored=_unrestored(events, live),
        tries=_tries(events),
    )


def _unrestored(events: Sequence[Event], live: Pointer | None) -> str | None:
    """What the live version has not won back, as its promotion told."""
    switches = [e for e in events if e.kind in SWITCHES]
    if live is None or not switches or switches[-1].version != live.version_id:
        return None
    told: str | None = switches[-1].data.get("unrestored")
    return told


def _tries(events: Sequence[Event]) -> int:
    """Attempts since a level was lost: by the first of the last switches in a row that left something to win back."""
    tries, lost = 0, False
    for event in events:
        if event.kind in SWITCHES:
            left = bool(event.data.get("unrestored"))
            tries, lost = (tries if left and lost else 0), left
        elif event.kind == ATTEMPT:
            tries += lost
    return tries


def on_probation(events: Iterable[Event], live: Pointer) -> bool:
    """Whether the live version is still watched: it came by a switch that was no rollback, and is not judged yet."""
    if live.previous is None:
        return False
    return not any(
        (e.kind in CLEARED and e.data.get("generation") == live.generation)
        # A rollback that was cut off before its own event: the one before told whither it goes.
        or (
            (e.kind == LOST and (e.version, e.data.get("previous")) == (live.previous, live.version_id))
            and e.data.get("generation") == live.generation - 1
        )
        for e in events
    )


def lost_on_probation(events: Iterable[Event]) -> frozenset[str]:
    """None of these versions goes live again but by a person's hand."""
    return frozenset(e.version for e in events if e.kind == LOST and e.version is not None)


def decide(
    evaluations: Sequence[Evaluation],
    events: Sequence[Event],
    settings: RetrainSettings,
    *,
    now: datetime,
    live: Pointer | None = None,
    material: Material,
    running: bool = False,
    hold: str | None = None,
) -> Decision:
    """Whether to retrain now.

    Parameters
    ----------
    evaluations : of the live version since it went live, oldest first
    events, live, running, hold : as for `standing`
    material : what there is to learn from

    Returns
    -------
    Decision
        `action` "retrain" or "wait", with the reason in words.
    """
    stand = standing(events, live, settings, now=now, running=running, hold=hold)
    trigger, why = _cause(evaluations, stand, live, settings, now)
    if trigger is None:
        suspected = stand.phase == "steady" and why.startswith("suspected")
        return Decision(
            action="wait", reason=_broken(evaluations) or why, phase="suspected" if suspected else stand.phase
        )
    refusal = _broken(evaluations) or _refusal(stand, settings, material, trigger)
    if refusal:
        phase: Phase = "suspected" if stand.phase == "steady" and trigger != RECOVERY else stand.phase
        return Decision(action="wait", reason=why, trigger=trigger, refusal=refusal, phase=phase)
    return Decision(action="retrain", reason=why, trigger=trigger, phase="training")


def _cause(
    evaluations: Sequence[Evaluation],
    stand: Standing,
    live: Pointer | None,
    settings: RetrainSettings,
    now: datetime,
) -> tuple[str | None, str]:
    """What asks for a retrain: the first alarm that stood in enough checks in a row, the schedule, or a lost level."""
    trigger, why = _alarm(evaluations, settings, stand.last_attempt)
    if trigger is None and settings.every_days is not None and live is not None:
        last = max(stand.last_attempt or "", live.activated_at)
        due = parse_utc(last) + timedelta(days=settings.every_days)
        if now >= due:
            return "schedule", f"schedule: {settings.every_days:g} days since the last attempt"
    if trigger is None and stand.unrestored is not None and RECOVERY in settings.triggers:
        return RECOVERY, f"recovery: {stand.unrestored}"
    return trigger, why


def _alarm(
    evaluations: Sequence[Evaluation], settings: RetrainSettings, last_attempt: str | None
) -> tuple[str | None, str]:
    if not evaluations:
        return None, "no check of the live version yet"
    suspected: str | None = None
    newest = evaluations[-1]
    virtual = not settings.virtual_drift and newest.performance.state == "ok"
    early = not_yet(evaluations, settings.attempt_cost, last_attempt)
    for name in settings.triggers:
        if name in INPUTS_ALONE and (virtual or (early and not settings.virtual_drift)):
            continue
        streak = 0
        for evaluation in reversed(evaluations):
            if name not in triggers(evaluation):
                break
            streak += 1
        if streak >= settings.checks_in_a_row:
            if name != "performance" or early is None:
                return name, f"{name.replace('_', ' ')}: {triggers(newest)[name]}"
            suspected = f"suspected: performance: {triggers(newest)[name]}; {early}"
        elif streak and suspected is None:
            told = name.replace("_", " ")
            suspected = f"suspected: {told} in alarm in {streak} of {settings.checks_in_a_row} checks in a row"
    if suspected is None and virtual and INPUTS_ALONE & triggers(newest).keys():
        return None, f"drift without a loss: {newest.performance.sentence}"
    return None, suspected or "nothing in alarm"


def triggers(evaluation: Evaluation) -> dict[str, str]:
    """The alarms of an evaluation by the name of the trigger; the service's is called by its cause."""
    found = dict(evaluation.alarms)
    service = found.pop("service", None)
    if service is not None:
        found[evaluation.service.cause or "response_time"] = service
    return found


def _broken(evaluations: Sequence[Evaluation]) -> str | None:
    """Nothing good is learnt from broken data."""
    if not evaluations or evaluations[-1].data.state != "broken":
        return None
    return f"the data are broken: {evaluations[-1].data.sentence}"


def _refusal(stand: Standing, settings: RetrainSettings, material: Material, trigger: str) -> str | None:
    if not settings.automatic:
        return "automatic retraining is off ([retrain] automatic)"
    if stand.phase != "steady":
        return stand.sentence
    if len(stand.attempts) >= settings.max_attempts_a_day:
        return f"{len(stand.attempts)} attempts in the last 24 hours, {settings.max_attempts_a_day} are allowed"
    if material.fingerprint and material.fingerprint in stand.tried:
        return "the same data were tried before; nothing has come since to learn from"
    grown = stand.last_base is not None and material.base != stand.last_base
    # A world that has become harder for good is asked ever less often.
    least = settings.min_new_rows * (2**stand.tries if trigger == RECOVERY else 1)
    if material.new_rows < least and not grown:
        return f"fewer than {least} new labelled predictions to learn from"
    return None
