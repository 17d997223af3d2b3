"""One course of a backtest played to its end: a policy, or one of those that it is held beside; and what it did.

A course needs nothing but its plan and the history's folder, so it can run in any process; cut off, it goes on.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from workbench.always import always, never
from workbench.backtest_result import Step
from workbench.files import replace_whole
from workbench.labelled_history import History
from workbench.policy import ATTEMPT, LOST, PASSED, ROLLED_BACK, STUCK, WENT_BACK
from workbench.records import Event
from workbench.said import Said
from workbench.sections import Recipe
from workbench.settings import Settings
from workbench.shared_fits import SharedFits
from workbench.simulation import BY, Simulation

# kind of event: what it is counted as, if it is
COUNTED = {
    "alarm": "alarms",
    ATTEMPT: "attempts",
    "promoted": "promotions",
    WENT_BACK: "went_back",
    "kept_out": "kept_out",
    ROLLED_BACK: "rollbacks",
    "retrain_failed": "failures",
    "maintenance_failed": "failures",
}
TOLD = (*COUNTED, "alarm_ended", PASSED, LOST, STUCK)
PLAYED, PROGRESS = "played.json", "progress"


@dataclass(frozen=True)
class Plan:
    """A course that is to be played in a folder of its own; `recipe` of those who always retrain."""

    name: str
    kind: Literal["policy", "never", "always"]
    settings: Settings
    folder: Path
    recipe: Recipe | None = None


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What a course did; its answers lie beside."""

    fits: int
    fit_s: float
    counts: dict[str, int] = {}
    steps: tuple[Step, ...] = ()


def play(
    plan: Plan,
    history: History,
    fits: Path,
    edges: np.ndarray,
    *,
    chances: bool,
    progress: Callable[[int], None] = lambda row: None,
) -> Played:
    """Play a course to its end; at once, if that was done before.

    Parameters
    ----------
    fits : where fits are shared
    edges : of the periods, in microseconds
    progress : hears of each row number up to which it is done
    """
    done = plan.folder / PLAYED
    if done.exists():
        return msgspec.json.decode(done.read_bytes(), type=Played)
    plan.folder.mkdir(parents=True, exist_ok=True)
    shared = SharedFits(fits)

    def told(row: int) -> None:
        (plan.folder / PROGRESS).write_text(str(row))
        progress(row)

    if plan.kind == "policy":
        played = _policy(plan, history, shared, chances, told)
    else:
        if plan.recipe is None:
            never(plan.settings, history, plan.folder, shared, chances=chances, progress=told)
        else:
            always(plan.recipe, plan.settings, history, plan.folder, shared, edges, chances=chances, progress=told)
        played = Played(fits=shared.asked, fit_s=shared.spent_s)
    replace_whole(done, msgspec.json.encode(played))
    for name in ("workspace", "first", "saved-a", "saved-b"):
        shutil.rmtree(plan.folder / name, ignore_errors=True)
    return played


def said(plan: Plan, history: History, chances: bool) -> Said:
    """The answers of a course that was played."""
    return Said(plan.folder / "said", history, chances=chances)


def row_of(plan: Plan) -> int:
    """The row up to which a course is played, as it told last; 0 before it began."""
    try:
        return int((plan.folder / PROGRESS).read_text() or 0)
    except FileNotFoundError:
        return 0


def _policy(plan: Plan, history: History, fits: SharedFits, chances: bool, progress: Callable[[int], None]) -> Played:
    simulation = Simulation(plan.settings, history, plan.folder, fits, chances=chances)
    simulation.play(progress)
    events = [e for e in simulation.metrics.events() if e.by != BY]
    return Played(fits=fits.asked, fit_s=fits.spent_s, counts=counts(events), steps=steps(events))


def counts(events: Sequence[Event]) -> dict[str, int]:
    """How often a policy did what; a refusal is a decision to wait although something asked for a retrain."""
    found = Counter(COUNTED[e.kind] for e in events if e.kind in COUNTED)
    found["refusals"] = sum(_refused(e) for e in events)
    return dict(found)


def steps(events: Sequence[Event]) -> tuple[Step, ...]:
    """What a policy did and refused, in order, in its own words."""
    return tuple(
        Step(at=e.recorded_at, kind="refused" if _refused(e) else e.kind, version=e.version, reason=e.reason)
        for e in events
        if e.kind in TOLD or _refused(e)
    )


def _refused(event: Event) -> bool:
    return event.kind == "decision" and event.data.get("refusal") is not None
