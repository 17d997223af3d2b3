"""Retrain jobs: a training in a process of its own, the same command line a person would type, watched through a file.

metrics/jobs/<job>.json is replaced whole by the training as it goes on; <job>.log holds what it printed.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

import filelock
import msgspec

from workbench import processes
from workbench.errors import Busy, WorkbenchError
from workbench.files import replace_whole
from workbench.material import material
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now, utc_text
from workbench.policy import ATTEMPT
from workbench.records import Event
from workbench.rows import ONE_LINE
from workbench.settings import Settings, with_choice
from workbench.version_store import VersionStore

KEPT = 100
# Starting a process takes some tenths of a second.
START_S = 3.0
OPEN = ("starting", "running")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A retrain job as its file tells it."""

    id: str
    state: Literal["starting", "running", "done", "failed", "cancelled", "died"]
    reason: str
    trigger: str
    by: str
    started_at: str
    pid: int
    pid_created: float
    version_id: str | None = None
    stage: str = ""
    done: int = 0
    total: int = 0
    left_s: float | None = None
    sentence: str = ""

    @property
    def progress(self) -> str:
        """Steps done, and the time left by their pace."""
        told = f"{self.done}/{self.total}"
        return told if self.left_s is None else f"{told}, about {self.left_s:.0f} s left"


class Jobs:
    """Starts, follows and cancels the retrain jobs of one workspace."""

    def __init__(self, settings: Settings, metrics: MetricsStore, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.metrics = metrics
        self.clock = clock
        self.folder = settings.metrics_dir / "jobs"

    def start(
        self,
        *,
        reason: str,
        trigger: str = "manual",
        by: str,
        version_id: str | None = None,
        promote: str = "gate",
        recipe: str | None = None,
        ensemble: str | None = None,
    ) -> Job:
        """Start a training at low priority.

        Raises
        ------
        Busy
            If a retrain is under way.
        WorkbenchError
            If the version id is malformed or taken, or the recipe or the ensemble is not configured.
        """
        versions = VersionStore(self.settings.versions_dir)
        if not ONE_LINE.fullmatch(reason):
            raise WorkbenchError(f"a reason is one line of text, not {reason[:80]!r}")
        if version_id is not None:
            versions.check_free(version_id)
        with_choice(self.settings, recipe=recipe, ensemble=ensemble)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Of two who ask at once, one is told that the other was quicker.
        try:
            turn = filelock.FileLock(self.folder / "start.lock").acquire(timeout=START_S)
        except filelock.Timeout as error:
            raise Busy(f"another process has been starting a retrain for {START_S:g} s; try again") from error
        with turn:
            if self.running() is not None or versions.retraining():
                raise Busy("a retrain is under way; wait for it, or cancel it")
            options = {"--promote": promote, "--version_id": version_id, "--recipe": recipe, "--ensemble": ensemble}
            return self._start(reason, trigger, by, version_id, options)

    def _start(
        self, reason: str, trigger: str, by: str, version_id: str | None, options: Mapping[str, str | None]
    ) -> Job:
        job_id = f"{self.clock():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        options = {"--job": job_id, "--reason": reason, "--trigger": trigger, "--by": by, **options}
        command = [sys.executable, "-m", "workbench.cli", "--root", str(self.settings.root), "train"]
        told = material(self.settings, self.metrics, self.metrics.events())
        data = {"job": job_id, "trigger": trigger, "base": told.base, "fingerprint": told.fingerprint}
        # Written first: an attempt counts, whatever becomes of it.
        self.metrics.append(Event(kind=ATTEMPT, reason=reason, version=version_id, by=by, data=data))
        with open(self.folder / f"{job_id}.log", "ab") as log:
            process = subprocess.Popen(
                [*command, *(f"{name}={value}" for name, value in options.items() if value)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": str(self.settings.retrain.threads)},
            )
        # Somebody has to take note of its end, or it stays as a zombie of a long-lived process.
        threading.Thread(target=process.wait, name=f"retrain {job_id}", daemon=True).start()
        job = Job(
            id=job_id,
            state="starting",
            reason=reason,
            trigger=trigger,
            by=by,
            started_at=utc_text(self.clock()),
            pid=process.pid,
            pid_created=processes.born(process.pid),
            version_id=version_id,
        )
        if not self._path(job_id).exists():
            self.write(job)
        self._forget_old()
        return job

    def write(self, job: Job) -> None:
        replace_whole(self._path(job.id), msgspec.json.encode(job))

    def read(self, job_id: str) -> Job:
        """A job as it stands; one whose process is gone without a word has died.

        Raises
        ------
        WorkbenchError
            If there is no such job.
        """
        try:
            job = msgspec.json.decode(self._path(job_id).read_bytes(), type=Job)
        except (OSError, ValueError) as error:
            newest = max((p.stem for p in self.folder.glob("*.json")), default="none")
            raise WorkbenchError(f"no retrain job {job_id[:80]!r} (newest: {newest})") from error
        if job.state in OPEN and not alive(job):
            # It may have written its last word between our two looks.
            job = msgspec.json.decode(self._path(job_id).read_bytes(), type=Job)
            if job.state in OPEN:
                sentence = f"its process ended without a word; see {self.folder.name}/{job_id}.log"
                job = msgspec.structs.replace(job, state="died", sentence=sentence)
        return job

    def all(self) -> list[Job]:
        """Kept jobs, oldest first."""
        found = []
        for path in sorted(self.folder.glob("[!.]*.json")):
            try:
                found.append(self.read(path.stem))
            except WorkbenchError:
                continue  # damaged, or forgotten since it was listed; `read` names it
        return found

    def running(self) -> Job | None:
        return next((job for job in reversed(self.all()) if job.state in OPEN), None)

    def cancel(self, job_id: str) -> Job:
        """Ask a running job to end; it gives its claim back and says so in its file and an event."""
        job = self.read(job_id)
        if job.state in OPEN:
            os.kill(job.pid, signal.SIGTERM)
        return job

    def bury(self) -> list[Job]:
        """Write down the end of jobs that died; returns them."""
        died = [job for job in self.all() if job.state == "died" and self._told(job).state != "died"]
        for job in died:
            self.write(job)
            self.metrics.append(
                Event(kind="retrain_failed", reason=job.sentence, version=job.version_id, data={"job": job.id})
            )
        return died

    def _told(self, job: Job) -> Job:
        """What the file says, whatever became of the process since."""
        return msgspec.json.decode(self._path(job.id).read_bytes(), type=Job)

    def _path(self, job_id: str) -> Path:
        if not job_id.replace("-", "").isalnum():
            raise WorkbenchError(f"no retrain job {job_id[:80]!r}")
        return self.folder / f"{job_id}.json"

    def _forget_old(self) -> None:
        for path in sorted(self.folder.glob("[!.]*.json"))[:-KEPT]:
            path.unlink()
            path.with_suffix(".log").unlink(missing_ok=True)


def alive(job: Job) -> bool:
    """Whether the process of a job is still there."""
    return processes.alive(job.pid, job.pid_created)
