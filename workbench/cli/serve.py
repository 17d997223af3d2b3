"""`serve`: the service's workers and the one maintainer, watched over; `maintain` is the maintainer alone."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from workbench.cli.supervisor import STOP_S, Child, Supervisor, claim_port

if TYPE_CHECKING:
    import socket

    from workbench.jobs import Jobs
    from workbench.metrics_store import MetricsStore
    from workbench.settings import Settings
    from workbench.version_store import VersionStore

log = logging.getLogger("workbench.maintainer")
CANCEL_S = 10.0
# A version on probation is looked at so often, whatever the pace of the checks.
WATCH_EVERY_S = 1.0
# Below the workers, which somebody waits for; well above a retrain.
NICENESS = 10
# A worker that has drained writes down what it holds.
AFTER_DRAIN_S = 5.0


def register(app: typer.Typer) -> None:
    app.command()(serve)
    app.command(hidden=True)(maintain)


def serve(context: typer.Context) -> None:
    """Serve the live version, with the maintainer beside it, until Ctrl-C."""
    from workbench.exposure import check_exposure, service_url
    from workbench.live_pointer import LivePointer
    from workbench.logs import log_to
    from workbench.settings import load_settings
    from workbench.tokens import maintenance_token

    settings = load_settings(context.obj)
    check_exposure(settings)
    log_to(settings.service.log)
    address = claim_port(settings.service.host, settings.service.port, "[service] port")
    maintenance_token(settings.root)
    print(f"{service_url(settings)} serves {settings.model.name}", flush=True)
    print("maintenance takes the token that `python main.py token` shows", flush=True)
    if settings.metrics.url is None and not LivePointer(settings.versions_dir).path.exists():
        print("no version is live yet; train one with `python main.py`", flush=True)
    with tempfile.TemporaryDirectory(prefix="workbench-", dir=_memory()) as shared:
        children = [*workers(settings, address, Path(shared)), _maintainer(settings)]
        say = logging.getLogger("workbench.serve").warning
        with Supervisor(children, say=say, stop_s=stop_s(settings)) as supervisor:
            supervisor.run()
    address.close()


def stop_s(settings: Settings) -> float:
    """How long `serve` may take to end: requests that are under way are answered first."""
    return max(STOP_S, settings.service.drain_s + AFTER_DRAIN_S)


def _memory() -> str | None:
    """Where files are no disk's: a worker that counts in a mapped file is killed when the disk below it is full."""
    place = Path("/dev/shm")
    return str(place) if place.is_dir() and os.access(place, os.W_OK | os.X_OK) else None


def workers(settings: Settings, address: socket.socket, shared: Path) -> list[Child]:
    """The service's workers on an address that is held for them, with a folder in which they count and share arrays."""
    counters, shelf = shared / "counters", shared / "shelf"
    for folder in (counters, shelf):
        folder.mkdir()

    def forget(worker: int) -> None:
        """What a worker counted stays; what was only so while it lived goes."""
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker, str(counters))

    # One thread each: workers share the cores, and threads that wait for each other are slower than one.
    env = {"PROMETHEUS_MULTIPROC_DIR": str(counters), "OMP_NUM_THREADS": "1"}
    return [
        Child(
            name=f"service worker {i}",
            argv=[
                *(sys.executable, "-m", "service", "--root", str(settings.root)),
                *("--fd", str(address.fileno()), "--worker", str(i), "--shelf", str(shelf)),
            ],
            env=env,
            pass_fds=(address.fileno(),),
            ended=partial(forget, i),
        )
        for i in range(1, settings.service.workers + 1)
    ]


def _maintainer(settings: Settings) -> Child:
    argv = [sys.executable, "-m", "workbench.cli", "--root", str(settings.root), "maintain"]
    return Child(name="maintainer", argv=argv, env={"OMP_NUM_THREADS": "1"})


def maintain(context: typer.Context) -> None:
    """Check, decide, retrain, until told to stop; one process per workspace, others wait for it to end.

    Where records are shared, it sends those of this machine, and checks only as long as no other machine does."""
    os.nice(NICENESS)
    import filelock

    from workbench.logs import log_to
    from workbench.settings import load_settings

    settings = load_settings(context.obj)
    log_to(settings.service.log)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings.metrics_dir.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(settings.metrics_dir / "maintainer.lock")
    while not stop.is_set():
        try:
            with lock.acquire(blocking=False):
                _keep_maintaining(settings, stop)
        except filelock.Timeout:
            stop.wait(1.0)


def _keep_maintaining(settings: Settings, stop: threading.Event) -> None:
    from workbench.alerts import Alerts
    from workbench.jobs import Jobs
    from workbench.maintainer import Maintainer
    from workbench.metrics_store import MetricsStore
    from workbench.monitor import ModelMonitor
    from workbench.records import Decision
    from workbench.version_store import VersionStore

    metrics = MetricsStore.of(settings)
    versions = VersionStore.of(settings)
    jobs = Jobs(settings, metrics)

    def start(decision: Decision) -> None:
        jobs.start(reason=decision.reason, trigger=decision.trigger or "manual", by="maintainer")

    alerts = Alerts(settings, metrics)
    monitor = ModelMonitor(metrics, settings)
    maintainer = Maintainer(settings, monitor, versions, start=start, running=versions.retraining, tell=alerts.tell)
    log.info("maintaining %s as process %s", settings.root, os.getpid())
    due = time.monotonic()
    with _among_others(settings, metrics, versions) as leads:
        while not stop.wait(min(WATCH_EVERY_S, settings.monitor.check_every_s)):
            jobs.bury()
            if not leads():
                continue
            check = time.monotonic() >= due
            if check:
                due = time.monotonic() + settings.monitor.check_every_s
            decision = maintainer.tend(check=check)
            if decision is not None:
                log.info("%s: %s", decision.action, decision.sentence)
    alerts.close()
    _end_job(jobs)


@contextmanager
def _among_others(settings: Settings, metrics: MetricsStore, versions: VersionStore) -> Iterator[Callable[[], bool]]:
    """Shares what is recorded here while the block lasts; yields whether it is this machine's turn to maintain."""
    if metrics.shared is None:
        yield lambda: True
        return
    from workbench.leadership import Leadership
    from workbench.sharing import Sharing
    from workbench.training_store import TrainingStore

    shared, training = metrics.shared, TrainingStore(settings.versions_dir)

    def also() -> None:
        # What retrains learn from, on each machine: any may be the next to lead.
        shared.archive_labelled(lambda rows: training.archive(rows, settings.retrain.labelled_rows))
        versions.pointer.follow()

    leadership = Leadership(shared.database, shared.replica)
    with Sharing(shared, every_s=settings.metrics.ship_every_s, also=also):
        try:
            yield leadership.leads
        finally:
            leadership.end()


def _end_job(jobs: Jobs) -> None:
    """A retrain that the workspace's service or maintainer started ends with them."""
    import psutil

    job = jobs.running()
    if job is None:
        return
    try:
        process = psutil.Process(job.pid)
        jobs.cancel(job.id)
        process.wait(CANCEL_S)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        process.kill()
