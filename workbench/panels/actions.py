"""Maintenance by hand: unlocked with the workspace's token; retrain, switch, roll back, each after a confirmation.

Nothing is done in the viewer's own process: a retrain is a job, a switch the same command line a person would type.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any

import ipywidgets as W
import traitlets as t

from workbench.errors import WorkbenchError
from workbench.jobs import OPEN, Job, Jobs
from workbench.panels.base import Markup, tag
from workbench.panels.commands import Command, Result, Run, Running, door
from workbench.panels.view import View
from workbench.settings import Settings
from workbench.tokens import FILE, read_token

MAX_REASON = 200
BY = "dashboard"


class Actions(W.VBox):
    """The locked corner of the page.

    Parameters
    ----------
    settings : Settings
    jobs : Jobs
        Followed for the progress of a retrain.
    start : callable (reason=, by=, version_id=) -> Job, optional
        Starts a retrain; default `jobs.start`.
    run : callable (argv) -> Running
        Starts a command.
    """

    locked = t.Bool(True)
    # What waits for its confirmation: the deed, its target, the reason; taken when asked, not when confirmed.
    pending = t.Tuple(t.Unicode(), t.Unicode(), t.Unicode(), default_value=("", "", ""))
    running = t.Any()
    job = t.Unicode()
    previous = t.Unicode()

    def __init__(
        self, settings: Settings, jobs: Jobs, *, start: Callable[..., Job] | None = None, run: Run = Command
    ) -> None:
        self.settings, self.jobs, self.run = settings, jobs, run
        self.start = start or jobs.start
        self.token = W.Password(description="Token", placeholder="python main.py token shows it")
        self.unlock = W.Button(description="Unlock", icon="unlock")
        self.lock = W.Button(description="Lock again", icon="lock")
        self.reason = W.Text(description="Reason", placeholder="kept with what is done")
        self.version_id = W.Text(description="New id", placeholder="optional; default: the time")
        self.choice = W.Dropdown(description="Version", options=[])
        self.retrain = W.Button(description="Retrain", icon="refresh")
        self.apply = W.Button(description="Switch to it", icon="exchange")
        self.back = W.Button(description="Roll back", icon="undo")
        self.question = W.HTML()
        self.confirm = W.Button(description="Confirm", button_style="warning")
        self.cancel = W.Button(description="Cancel")
        self.progress = W.IntProgress(min=0, max=1)
        self.stage = W.HTML()
        self.status = W.HTML()
        self.door = _row(self.token, self.unlock)
        self.asking = W.VBox([self.question, _row(self.confirm, self.cancel)]).add_class("wb-confirm")
        self.working = _row(self.progress, self.stage)
        self.controls = W.VBox(
            [
                _row(self.reason),
                _row(self.version_id, self.retrain),
                _row(self.choice, self.apply, self.back),
                self.asking,
                _row(self.lock),
            ]
        )
        super().__init__([W.HTML(tag("h2", "Maintenance")), self.door, self.controls, self.working, self.status])
        self.add_class("wb-panel")
        self._connect()

    def _connect(self) -> None:
        self.unlock.on_click(lambda _: self._try_token())
        self.lock.on_click(lambda _: self._lock())
        self.retrain.on_click(lambda _: self._ask("retrain", self.version_id.value.strip()))
        self.apply.on_click(lambda _: self._ask("switch", self.choice.value or ""))
        self.back.on_click(lambda _: self._ask("roll back", self.previous))
        self.confirm.on_click(lambda _: self._confirmed())
        self.cancel.on_click(lambda _: self._cancel())
        self.observe(lambda _: self._arrange(), ["locked", "pending", "running", "job", "previous"])
        self._arrange()

    def _arrange(self) -> None:
        """Show what can be used now; a page can press a hidden button, so every deed asks `locked` again."""
        _visible(self.door, self.locked)
        _visible(self.controls, not self.locked)
        _visible(self.asking, self.pending[0] != "")
        busy = self.running is not None
        self.retrain.disabled = self.job != ""
        self.apply.disabled = busy or not self.choice.options
        self.back.disabled = busy or not self.previous

    def _try_token(self) -> None:
        told, given = read_token(self.settings.root / FILE), self.token.value.strip()
        self.token.value = ""
        if told and hmac.compare_digest(told.encode(), given.encode()):
            self.locked = False
            self._say("✓ unlocked; lock again when you are done")
        elif told:
            self._say("✗ that is not the token; python main.py token shows it")
        else:
            self._say("✗ this workspace has no token yet; python main.py token makes one")

    def _lock(self) -> None:
        self.pending = ("", "", "")
        self.locked = True
        self._say("locked")

    def _ask(self, deed: str, target: str) -> None:
        if self._refused():
            return
        self.pending = (deed, target, _line(self.reason.value)[:MAX_REASON] or "by request")
        self.question.value = tag("p", _question(deed, target))

    def _cancel(self) -> None:
        self.pending = ("", "", "")
        self._say("nothing was done")

    def _confirmed(self) -> None:
        (deed, target, reason), self.pending = self.pending, ("", "", "")
        if self._refused() or not deed:
            return
        try:
            self._do(deed, target, reason)
        except (WorkbenchError, OSError) as error:
            self._say(f"✗ {deed}: {error}")

    def _do(self, deed: str, target: str, reason: str) -> None:
        if deed == "retrain":
            self.job = self.start(reason=reason, by=BY, version_id=target or None).id
            self._say("● the retrain has started")
            return
        if deed == "roll back" and target != self.previous:
            self._say("✗ not done: another version has gone live meanwhile; look again")
            return
        words = ["activate", target] if deed == "switch" else ["rollback"]
        self.running = self.run(door(self.settings.root, *words, f"--reason={reason}", f"--by={BY}", "--json"))
        self._say(f"● {deed}: the version is being checked")

    def _refused(self) -> bool:
        if self.locked:
            self._say("✗ locked: enter the token first")
        return self.locked

    def poll(self) -> None:
        """Look after what was started; called each tick, never waits."""
        self._poll_command(self.running)
        if self.job:
            job = self.jobs.read(self.job)
            if job.state not in OPEN:
                self.job = ""
                self._say(f"{'✓' if job.state == 'done' else '✗'} retrain {job.state}: {job.sentence}")

    def _poll_command(self, running: Running | None) -> None:
        result = running.poll() if running is not None else None
        if result is not None:
            self.running = None
            self._say(_ending(result))

    def show(self, view: View) -> None:
        """Offer the versions that are not live, and show how far a retrain is, whoever started it."""
        live = view.live.version_id if view.live else None
        self.previous = (view.live.previous or "") if view.live else ""
        offered = [m.version_id for m in reversed(view.versions) if m.version_id != live]
        if list(self.choice.options) != offered:
            kept = self.choice.value
            self.choice.options = offered
            self.choice.value = kept if kept in offered else next(iter(offered), None)
            self._arrange()
        job = view.job
        _visible(self.working, job is not None)
        if job is not None:
            self.progress.max, self.progress.value = max(job.total, 1), job.done
            told = f"{job.stage} ({job.progress})" if job.stage else "starting"
            self.stage.value = tag("span", f"retraining ({job.by}: {job.reason}): {told}")

    def _say(self, text: str) -> None:
        self.status.value = Markup(f'<div class="wb-said" role="status">{tag("span", text)}</div>')


def _line(text: str) -> str:
    """A text from the page as one line: control characters have no place on a command line."""
    return "".join(c for c in text if c.isprintable()).strip()


def _question(deed: str, target: str) -> str:
    if deed == "retrain":
        named = f" as {target}" if target else ""
        return f"Train a new version{named} now? It goes live only if it beats the live one."
    if deed == "switch":
        return f"Make {target} live now? It is checked first; requests under way finish on the old one."
    return f"Go back to {target}, which was live before this one?"


def _ending(result: Result) -> str:
    if result.code != 0:
        return f"✗ not done: {result.errors or result.output or f'exit code {result.code}'}"
    try:
        return f"✓ done: {json.loads(result.output)['version_id']} is live"
    except (ValueError, KeyError, TypeError):
        return f"✓ done: {result.output}"


def _row(*widgets: Any) -> W.HBox:
    return W.HBox(widgets).add_class("wb-controls")


def _visible(widget: W.Widget, shown: bool) -> None:
    widget.layout.display = None if shown else "none"
