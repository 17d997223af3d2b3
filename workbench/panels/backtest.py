"""Backtest: had the maintainer been on with these thresholds, what would it have done, and would it have helped?"""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

import ipywidgets as W

from workbench import backtest_records
from workbench.panels.backtest_picker import BacktestPicker
from workbench.panels.backtest_policy import PolicySliders
from workbench.panels.base import Panel, full_width, row, tag, visible
from workbench.panels.commands import Result
from workbench.panels.deed import failed
from workbench.panels.desk import Desk
from workbench.panels.view import View

# It came to its end; 1 says that a policy did harm.
DONE = (0, 1)
STOPPED = (-signal.SIGTERM, 128 + signal.SIGTERM)


class Backtest(Panel):
    """Sliders for the policy, a run and how far it is; below, what came of one."""

    title = "Backtest: would this policy have helped?"

    def __init__(self, desk: Desk) -> None:
        self.settings, self.deed = desk.settings, desk.deed()
        newest = next(reversed(desk.reader.versions.all()), None)
        self.policy = PolicySliders(desk.settings, newest.metrics.get(desk.settings.metric) if newest else None)
        self.beside = W.Checkbox(value=True, description="beside the settings in force", indent=False)
        self.start = W.Button(description="Run the backtest", icon="play")
        self.reset = W.Button(description="As the settings are", icon="undo")
        self.progress = W.FloatProgress(min=0, max=1, description="Backtest")
        self.stage = W.HTML()
        self.cancel = W.Button(description="Stop it", icon="stop")
        self.picker = BacktestPicker(desk.settings)
        self.controls = W.VBox([self.policy, row(self.start, self.reset, self.beside)])
        self.working = row(self.progress, self.stage, self.cancel).add_class("wb-underway")
        self._files: tempfile.TemporaryDirectory[str] | None = None
        super().__init__(desk, self.controls, self.working, self.deed, self.picker)
        self.start.on_click(lambda _: self._start())
        self.cancel.on_click(lambda _: self._cancel())
        self.reset.on_click(lambda _: self.policy.put_back())
        self.deed.observe(lambda _: self._arrange(), "running")
        desk.lock.observe(lambda _: self._arrange(), "locked")
        self._arrange()

    @property
    def busy(self) -> bool:
        return self.deed.busy

    def _arrange(self) -> None:
        visible(self.controls, not self.deed.lock.locked)
        visible(self.cancel, not self.deed.lock.locked)
        self.start.disabled = self.deed.busy

    def _start(self) -> None:
        if self.deed.refused() or self.deed.busy:
            return
        self._files = tempfile.TemporaryDirectory(prefix="workbench-")
        files = self.policy.write(Path(self._files.name), beside=self.beside.value)
        self.deed.say("● the backtest has started")
        self.deed.start(self._ended, "backtest", *(f"--settings={path}" for path in files), "--json", "--aside")

    def _cancel(self) -> None:
        if self.deed.refused():
            return
        stopped = backtest_records.stop(self.settings)
        self.deed.say(
            "● it is being stopped" if stopped else "✗ not stopped: nothing is under way but what a notebook plays"
        )

    def _ended(self, result: Result) -> None:
        if self._files is not None:
            self._files.cleanup()
        if result.code in DONE:
            self.deed.say("✓ the backtest is done")
            self.picker.offer(newest=True)
        elif result.code in STOPPED:
            self.deed.say("‖ stopped; with the same thresholds the next run goes on from there")
        else:
            self.deed.say(failed(result))

    def poll(self) -> None:
        self.deed.poll()
        told = backtest_records.underway(self.settings)
        visible(self.working, told is not None or self.deed.busy)
        self.progress.value = told.share if told else 0.0
        self.stage.value = tag("span", f"{'; '.join(told.policies)}: {told.stage}" if told else "starting")

    def show(self, view: View) -> None:
        super().show(view)
        self.picker.width = full_width(view)
        self.picker.offer()

    def key(self, view: View) -> object:
        return view.settings.backtest

    @staticmethod
    def draw(view: View) -> str:
        source = view.settings.backtest.data or "the training data, and the replayed or the recorded traffic after them"
        told = (
            f"The maintainer plays a labelled history ({source}) with the thresholds below, beside never retraining "
            "and retraining every period. Nothing here changes the settings in force."
        )
        return tag("p", told, "wb-quiet")
