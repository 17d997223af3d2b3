"""`train`, which is also what the bare `python main.py` does."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Annotated, cast

import typer

from workbench.cli.show import By, Json, print_json, step_aside
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.admission import Outcome, Promote
    from workbench.jobs import Job, Jobs


def register(app: typer.Typer) -> None:
    app.command()(train)


def train(
    context: typer.Context,
    version_id: Annotated[str | None, typer.Option("--version_id", help="Default: the UTC time.")] = None,
    promote: Annotated[str, typer.Option(help="gate: live if it beats the live version; always; never.")] = "gate",
    reason: Annotated[str, typer.Option(help="Kept in the metadata and the log.")] = "by request",
    recipe: Annotated[str | None, typer.Option(help="Only this one of [retrain] recipes.")] = None,
    ensemble: Annotated[str | None, typer.Option(help="Only this one of [retrain] ensembles.")] = None,
    as_json: Json = False,
    trigger: Annotated[str, typer.Option(hidden=True)] = "manual",
    by: By = "command line",
    job: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Train a version on the base data and all labelled predictions, and make it live through the gate.

    Exit code 0: the version is live, or was to be published only. 1: it was kept out by the gate. 2: nothing was made.
    """
    if promote not in ("gate", "always", "never"):
        raise WorkbenchError(f"--promote={promote!r} is none of gate, always, never")
    # SIGTERM ends a training as Ctrl-C does: the claim is given back on the way out.
    signal.signal(signal.SIGTERM, _cancel)
    from workbench.metrics_store import MetricsStore
    from workbench.settings import load_settings, with_choice
    from workbench.version_ids import check_id
    from workbench.version_store import VersionStore

    settings = with_choice(load_settings(context.obj), recipe=recipe, ensemble=ensemble)
    if version_id is not None:
        check_id(version_id)
    metrics = MetricsStore.of(settings)
    if job is not None:
        step_aside()
        from workbench.jobs import Jobs

        progress: _Reporter | _Bar = _Reporter(Jobs(settings, metrics), job, version_id, reason, trigger, by)
    else:
        progress = _Bar()
    from workbench.retrainer import ModelRetrainer

    retrainer = ModelRetrainer(settings, VersionStore.of(settings), metrics, progress=progress)
    with progress:
        outcome = retrainer.retrain(
            version_id, promote=cast("Promote", promote), trigger=trigger, reason=reason, by=by, job=job
        )
        progress.finish(outcome)
    if as_json:
        print_json(outcome)
    else:
        print(outcome.sentence)
    if promote == "gate" and not outcome.promoted:
        raise typer.Exit(1)


def _cancel(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt("cancelled")


class _Bar:
    """Progress as a bar on stderr, which a log gets, too."""

    def __enter__(self) -> _Bar:
        from workbench.bars import Bar

        line = "{desc:<28} {bar:20} {n_fmt}/{total_fmt} {elapsed}<{remaining}"
        self._bar = Bar(bar_format=line, mininterval=0, disable=False)
        return self

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._bar.step(stage, done, total)

    def finish(self, outcome: Outcome) -> None:
        """A bar has nothing to keep."""

    def __exit__(self, *error: object) -> None:
        self._bar.close()


class _Reporter:
    """Progress into the job's file, and its end: done, failed or cancelled."""

    def __init__(self, jobs: Jobs, job: str, version_id: str | None, reason: str, trigger: str, by: str) -> None:
        import psutil

        from workbench.jobs import Job
        from workbench.moments import utc_now, utc_text

        self._jobs = jobs
        self._begun = time.monotonic()
        self._job: Job = Job(
            id=job,
            state="running",
            reason=reason,
            trigger=trigger,
            by=by,
            started_at=utc_text(utc_now()),
            pid=os.getpid(),
            pid_created=psutil.Process().create_time(),
            version_id=version_id,
        )
        self._write()

    def __enter__(self) -> _Reporter:
        return self

    def __call__(self, stage: str, done: int, total: int) -> None:
        if done == 0 or stage == "gate":
            self._begun = time.monotonic()
        took = time.monotonic() - self._begun
        self._write(stage=stage, done=done, total=total, left_s=took / done * (total - done) if done else None)

    def finish(self, outcome: Outcome) -> None:
        self._write(state="done", version_id=outcome.version_id, sentence=outcome.sentence)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            state = "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
            self._write(state=state, sentence=str(error) or repr(error))

    def _write(self, **changes: object) -> None:
        import msgspec

        self._job = msgspec.structs.replace(self._job, **changes)
        self._jobs.write(self._job)
