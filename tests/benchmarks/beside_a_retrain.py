"""What a retrain, and checks, cost those who are asking meanwhile: response times before and beside. A table on stdout.

    python -m tests.benchmarks.beside_a_retrain [--rounds N]

The real service with the flights and its maintainer, a client that asks 100 times a second, retrains as jobs, checks
by a process that makes one after the other where the maintainer makes one now and then.
Nothing fails here if a figure is bad; read it, and run it on a machine that does nothing else.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.benchmarks.tables import Table
from tests.processes import CLIENT, demo_workspace, run, serving, url
from workbench import machine
from workbench.demo import traffic
from workbench.features import align, to_rows
from workbench.jobs import OPEN, Jobs
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now
from workbench.settings import Settings
from workbench.version_store import VersionStore

EVERY_S, QUIET_S, LONGEST_S = 0.01, 10.0, 120.0
CHECKS = """
import os
import sys
from workbench.cli.serve import NICENESS
from workbench import MetricsStore, ModelMonitor, VersionStore, load_settings

os.nice(NICENESS)
settings = load_settings(sys.argv[1])
monitor, live = ModelMonitor(MetricsStore.of(settings), settings), VersionStore(settings.versions_dir).load("first")
while True:
    monitor.check(live)
    print(flush=True)
"""


def ask(address: str, rows: list[dict], going_on: Callable[[], bool]) -> list[float]:
    """Milliseconds of one-row requests, at a fixed pace, as long as something goes on."""
    taken: list[float] = []
    begun, number = time.monotonic(), 0
    while going_on() and time.monotonic() - begun < LONGEST_S:
        due = begun + number * EVERY_S
        time.sleep(max(due - time.monotonic(), 0))
        asked = time.perf_counter()
        answer = CLIENT.post(address, json={"instances": [rows[number % len(rows)]]})
        taken.append((time.perf_counter() - asked) * 1e3)
        assert answer.status_code == 200, answer.text
        number += 1
    return taken


def for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


@contextmanager
def a_retrain(settings: Settings) -> Iterator[Callable[[], bool]]:
    """A job; whether it goes on."""
    jobs = Jobs(settings, MetricsStore.of(settings))
    job = jobs.start(reason="benchmark", by="benchmark", promote="never")
    yield lambda: jobs.read(job.id).state in OPEN
    assert jobs.read(job.id).state == "done", jobs.read(job.id)


@contextmanager
def checks(settings: Settings) -> Iterator[Callable[[], bool]]:
    """Check after check, for as long as was quiet before."""
    command = [sys.executable, "-c", CHECKS, str(settings.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        # The first one has loaded everything.
        process.stdout.readline()
        yield for_seconds(QUIET_S)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


BESIDE = {"a retrain": a_retrain, "checks, one after the other": checks}


def measure(settings: Settings, rounds: int) -> list[tuple[object, ...]]:
    rows = to_rows(align(traffic().head(500), VersionStore(settings.versions_dir).metadata("first").features))
    address = f"{url(settings)}/predict"
    told: list[tuple[object, ...]] = []
    # A window full of predictions, for the checks.
    ask(address, rows, for_seconds(QUIET_S))
    for name, beside_it in BESIDE.items():
        ratios = []
        for number in range(1, rounds + 1):
            before = ask(address, rows, for_seconds(QUIET_S))
            with beside_it(settings) as going_on:
                beside = ask(address, rows, going_on)
            (m0, p0), (m1, p1) = (np.percentile(times, [50, 99]) for times in (before, beside))
            ratios.append((m1 / m0, p1 / p0))
            told.append((name, number, *_cells(len(before), len(beside), m0, m1, p0, p1)))
        median, p99 = np.median(ratios, axis=0)
        told.append((name, "median", "", "", "", "", f"{median:.2f}", "", "", f"{p99:.2f}"))
    return told


def _cells(n0: int, n1: int, m0: float, m1: float, p0: float, p1: float) -> tuple[object, ...]:
    return n0, n1, f"{m0:.2f}", f"{m1:.2f}", f"{m1 / m0:.2f}", f"{p0:.2f}", f"{p1:.2f}", f"{p1 / p0:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = demo_workspace(Path(folder) / "ws", check_every_s="30")
        run(settings.root, "--version_id=first")
        # Nothing is to be retrained but what is asked for here.
        run(settings.root, "pause", "--reason=benchmark")
        with serving(settings):
            rows = measure(settings, asked.rounds)
    note = (
        f"One-row requests, {1 / EVERY_S:.0f} a second, to the flights' voting ensemble; {QUIET_S:.0f} s before, and "
        "beside a retrain as long as it takes. Asked: median within 1.5x, p99 within 3x. "
        f"{machine.told(utc_now())}."
    )
    head = ("beside", "round", "before", "beside ", "median ms", "then", "ratio", "p99 ms", "then ", "ratio ")
    print(Table("A retrain and checks beside traffic", note, head, rows))


if __name__ == "__main__":
    main()
