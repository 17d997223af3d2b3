"""Retraining by hand: a job, as the maintainer would start it, and how far the one under way is, whoever began it."""

from __future__ import annotations

from functools import partial

import ipywidgets as W
import traitlets as t

from workbench.jobs import OPEN
from workbench.panels.base import Panel, row, tag, visible
from workbench.panels.deed import BY, reason
from workbench.panels.desk import Desk
from workbench.panels.view import View


class Retrain(Panel):
    """Start a retrain and follow it."""

    title = "Retrain"
    # The job that was started from here.
    job = t.Unicode()

    def __init__(self, desk: Desk) -> None:
        self.jobs, self.deed = desk.reader.jobs, desk.deed()
        self.reason = W.Text(description="Reason", placeholder="kept with what is done")
        self.version_id = W.Text(description="New id", placeholder="optional; default: the time")
        self.start = W.Button(description="Retrain", icon="refresh")
        self.progress = W.IntProgress(min=0, max=1)
        self.stage = W.HTML()
        self.working = row(self.progress, self.stage)
        self.controls = W.VBox([row(self.reason), row(self.version_id, self.start)])
        super().__init__(desk, self.controls, self.working, self.deed)
        self.start.on_click(lambda _: self._ask())
        desk.lock.observe(lambda _: self._arrange(), "locked")
        self.observe(lambda _: self._arrange(), "job")
        self._arrange()

    def _arrange(self) -> None:
        visible(self.controls, not self.deed.lock.locked)
        self.start.disabled = self.job != ""

    def _ask(self) -> None:
        named = self.version_id.value.strip()
        question = (
            f"Train a new version{f' as {named}' if named else ''} now? It goes live only if it beats the live one."
        )
        self.deed.ask("retrain", question, partial(self._do, reason(self.reason), named or None))

    def _do(self, why: str, named: str | None) -> None:
        self.job = self.jobs.start(reason=why, by=BY, version_id=named).id
        self.deed.say("● the retrain has started")

    def poll(self) -> None:
        if self.job:
            job = self.jobs.read(self.job)
            if job.state not in OPEN:
                self.job = ""
                self.deed.say(f"{'✓' if job.state == 'done' else '✗'} retrain {job.state}: {job.sentence}")

    def show(self, view: View) -> None:
        job = view.job
        visible(self.working, job is not None)
        if job is not None:
            self.progress.max, self.progress.value = max(job.total, 1), job.done
            told = f"{job.stage} ({job.progress})" if job.stage else "starting"
            self.stage.value = tag("span", f"retraining ({job.by}: {job.reason}): {told}")
