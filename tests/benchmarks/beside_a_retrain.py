"""What a retrain costs those who are asking meanwhile: response times before and beside it. A table on stdout.

    python -m tests.benchmarks.beside_a_retrain [--rounds N]

The real service with the flights and its maintainer, a client that asks 40 times a second, and retrains as jobs.
Nothing fails here if a figure is bad; read it, and run it on a machine that does nothing else.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.tables import Table
from tests.processes import CLIENT, demo_workspace, run, serving, url
from workbench.demo import traffic
from workbench.features import align, to_rows
from workbench.jobs import OPEN, Jobs
from workbench.metrics_store import MetricsStore
from workbench.version_store import VersionStore

EVERY_S, QUIET_S, LONGEST_S = 0.025, 10.0, 120.0


def ask(address: str, rows: list[dict], going_on) -> list[float]:
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


def for_seconds(seconds: float):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def measure(settings, rounds: int) -> list[tuple[object, ...]]:
    rows = to_rows(align(traffic().head(500), VersionStore(settings.versions_dir).metadata("first").features))
    address, jobs = f"{url(settings)}/predict", Jobs(settings, MetricsStore.of(settings))
    told: list[tuple[object, ...]] = []
    ask(address, rows, for_seconds(3))
    for number in range(1, rounds + 1):
        before = ask(address, rows, for_seconds(QUIET_S))
        job = jobs.start(reason="benchmark", by="benchmark", promote="never")
        beside = ask(address, rows, lambda job=job: jobs.read(job.id).state in OPEN)
        assert jobs.read(job.id).state == "done", jobs.read(job.id)
        (m0, p0), (m1, p1) = (np.percentile(times, [50, 99]) for times in (before, beside))
        told.append(
            (
                number,
                len(before),
                len(beside),
                f"{m0:.1f}",
                f"{m1:.1f}",
                f"{m1 / m0:.2f}",
                f"{p0:.1f}",
                f"{p1:.1f}",
                f"{p1 / p0:.2f}",
            )
        )
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = demo_workspace(Path(folder) / "ws", check_every_s="30")
        run(settings.root, "--version_id=first")
        with serving(settings):
            rows = measure(settings, asked.rounds)
    note = (
        f"One-row requests, {1 / EVERY_S:.0f} a second, to the flights' voting ensemble; {QUIET_S:.0f} s before each "
        "retrain and as long as it takes beside it. Asked: median within 1.5x, p99 within 3x."
    )
    head = ("round", "before", "beside", "median ms", "beside ", "ratio", "p99 ms", "beside  ", "ratio ")
    print(Table("A retrain beside traffic", note, head, rows))


if __name__ == "__main__":
    main()
