"""Retraining by hand: started as a job, followed member by member, its challenger promoted or kept out; and what holds
the automation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import ipywidgets as W
import traitlets as t

from workbench.jobs import OPEN, Job
from workbench.panels import challenger, hold
from workbench.panels.base import Panel, row, tag, visible
from workbench.panels.challenger import Challenger
from workbench.panels.deed import BY, reason
from workbench.panels.desk import Desk
from workbench.panels.hold import Hold
from workbench.panels.view import View

GLYPHS = {"done": "✓", "cancelled": "‖"}


class Retrain(Panel):
    """Start a retrain, follow it, and decide what becomes of it."""

    title = "Retrain"
    # The job that was started, or cancelled, from here; and the one under way, whoever began it.
    job = t.Unicode()
    running = t.Unicode()

    def __init__(self, desk: Desk) -> None:
        self.jobs, self.deed = desk.reader.jobs, desk.deed()
        settings = desk.settings
        self.reason = W.Text(description="Reason", placeholder="kept with what is done", continuous_update=False)
        self.recipe = W.Dropdown(description="Recipe", options=_choices(settings.retrain.recipes))
        self.ensemble = W.Dropdown(description="Ensemble", options=_choices(settings.ensembles))
        self.version_id = W.Text(
            description="New id", placeholder="optional; default: the time", continuous_update=False
        )
        self.start = W.Button(description="Retrain", icon="refresh", tooltip="train a new version")
        self.progress = W.IntProgress(min=0, max=1, description="Training")
        self.stage = W.HTML()
        self.cancel = W.Button(description="Cancel training", icon="stop", tooltip="nothing of it is published")
        self.working = row(self.progress, self.cancel, self.stage)
        self.challenger, self.hold = Challenger(self.deed, self.reason), Hold(self.deed, self.reason)
        chosen = row(self.recipe, self.ensemble, self.version_id, self.start)
        self.controls = W.VBox([row(self.reason), chosen, self.challenger, self.hold])
        super().__init__(desk, self.working, self.controls, self.deed)
        self.start.on_click(lambda _: self._ask())
        self.cancel.on_click(lambda _: self._ask_cancel())
        desk.lock.observe(lambda _: self._arrange(), "locked")
        self.observe(lambda _: self._arrange(), ["job", "running"])
        self._arrange()

    @property
    def busy(self) -> bool:
        return bool(self.job) or self.deed.busy

    def _arrange(self) -> None:
        locked = self.deed.lock.locked
        visible(self.controls, not locked)
        visible(self.working, self.running != "")
        visible(self.cancel, not locked)
        self.start.disabled = (self.job or self.running) != ""

    def _ask(self) -> None:
        recipe, ensemble, named = self.recipe.value, self.ensemble.value, self.version_id.value.strip()
        only = [f"{what} {name}" for what, name in (("recipe", recipe), ("ensemble", ensemble)) if name]
        question = (
            f"Train a new version{f' as {named}' if named else ''} now{', of ' if only else ''}{' and '.join(only)}"
            f"{' alone' if only else ''}? It goes live only if it beats the live one."
        )
        self.deed.ask("retrain", question, partial(self._do, reason(self.reason), named, recipe, ensemble))

    def _do(self, why: str, named: str, recipe: str, ensemble: str) -> None:
        job = self.jobs.start(
            reason=why, by=BY, version_id=named or None, recipe=recipe or None, ensemble=ensemble or None
        )
        self.job = self.running = job.id
        self.deed.say("● the retrain has started")

    def _ask_cancel(self) -> None:
        job = self.running
        if job:
            question = "Cancel the training that is under way? Nothing of it is published."
            self.deed.ask("cancel", question, partial(self._cancel, job))

    def _cancel(self, job: str) -> None:
        self.jobs.cancel(job)
        self.job = job
        self.deed.say("● the training was asked to end")

    def poll(self) -> None:
        self.deed.poll()
        if self.job:
            job = self.jobs.read(self.job)
            if job.state not in OPEN:
                self.job = ""
                self.deed.say(f"{GLYPHS.get(job.state, '✗')} retrain {job.state}: {job.sentence}")

    def show(self, view: View) -> None:
        super().show(view)
        self.challenger.show(view)
        self.hold.show(view)
        self.running = view.job.id if view.job else ""
        if view.job is not None:
            self.progress.max, self.progress.value = max(view.job.total, 1), view.job.done
            self.stage.value = tag("span", _told(view.job))

    def key(self, view: View) -> object:
        told = view.standing.told if view.standing else None
        return view.happened, view.live, len(view.versions), told, view.width

    @staticmethod
    def draw(view: View) -> str:
        return hold.told(view) + challenger.told(view)


def _choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """All that are configured compete, or one of them is trained alone."""
    alone = [(name, name) for name in names]
    return [(f"all {len(names)} compete", ""), *alone] if len(names) > 1 else [(names[0], "")]


def _told(job: Job) -> str:
    """The member that is being fitted, and the time left by their pace."""
    told = f"{job.stage} ({job.progress})" if job.stage else "starting"
    return f"retraining ({job.by}: {job.reason}): {told}"
