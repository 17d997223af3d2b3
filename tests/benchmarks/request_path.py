"""What a request costs with monitoring on, beside a bare FastAPI app that does nothing. Tables on stdout.

    python -m tests.benchmarks.request_path [--rounds N] [--seconds S] [--only TABLE]

One worker each, the same uvicorn settings, a client in a process of its own, closed loop over loopback, rounds in turn;
medians of ratios within a round. One row against a FastAPI route that returns a constant and does not even read its
body; batches against FastAPI with a pydantic body, a DataFrame and `pipeline.predict`, which records nothing. The model
has one linear member, so that what is measured is the way there; batches are sent to the flights' ensemble, too. Run it
on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import psutil

from tests.benchmarks.load import generate
from tests.benchmarks.tables import Table
from workbench import bench, demo
from workbench.features import align, to_rows
from workbench.metrics_store import MetricsStore
from workbench.records import Prediction
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings, load_settings
from workbench.version_store import VersionStore

ROOT = Path(__file__).parents[2]
FEATURES = tuple(f"x{i}" for i in range(10))
TOML = """[model]
task = "regression"
target = "y"
data = "rows.csv"
members = ["linear"]
"""


def workspace(folder: Path) -> Settings:
    """One with a live version over ten numbers."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(0, 1, (2_000, len(FEATURES))).round(4), columns=list(FEATURES))
    folder.mkdir()
    rows.assign(y=rows.to_numpy() @ np.arange(1, 11) + rng.normal(0, 1, len(rows))).to_csv(
        folder / "rows.csv", index=False
    )
    (folder / "workbench.toml").write_text(TOML)
    settings = load_settings(folder)
    store = MetricsStore.of(settings)
    ModelRetrainer(settings, VersionStore(settings.versions_dir), store).retrain("first", promote="always")
    store.close()
    return settings


@dataclass(frozen=True)
class Server:
    """A worker that answers."""

    address: tuple[str, int]
    process: psutil.Process

    def asked(self, sent: bytes, *, concurrency: int, seconds: float) -> Told:
        before = self.process.cpu_times()
        load = generate(*self.address, "/predict", sent, concurrency=concurrency, seconds=seconds, expected=b'"first"')
        after = self.process.cpu_times()
        assert load.statuses.keys() == {200}, load.statuses
        assert load.unexpected is None, load.unexpected
        spent = after.user + after.system - before.user - before.system
        return Told(load.a_second, load.percentile_ms(99), spent / len(load.codes) * 1e6)


@dataclass(frozen=True)
class Told:
    """Requests a second, p99 in milliseconds, and microseconds of the server's CPU a request."""

    a_second: float
    p99_ms: float
    cpu_us: float


@contextmanager
def server(kind: str, settings: Settings, first: bytes | None = None) -> Iterator[Server]:
    """A worker process until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        command = [sys.executable, "-m", "tests.benchmarks.request_apps", kind]
        command += [str(settings.root), str(listener.fileno())]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()])
        try:
            address = listener.getsockname()
            # What comes before the version is loaded is answered by 503.
            for _ in range(100):
                if generate(*address, "/predict", first or body(1), requests=50).statuses == {200: 50}:
                    break
            else:
                raise RuntimeError(f"{kind} does not answer")
            yield Server(address, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(30)


def body(rows: int) -> bytes:
    """So many instances for the linear model."""
    values = np.random.default_rng(rows).normal(0, 1, (rows, len(FEATURES))).round(4)
    return json.dumps({"instances": [dict(zip(FEATURES, row, strict=True)) for row in values.tolist()]}).encode()


def in_turn(us: Server, them: Server, sent: bytes, *, concurrency: int, seconds: float) -> tuple[Told, Told]:
    told = [each.asked(sent, concurrency=concurrency, seconds=seconds) for each in (us, them)]
    return told[0], told[1]


def one_row(settings: Settings, rounds: int, seconds: float) -> Table:
    found: dict[int, list[tuple[Told, Told]]] = {1: [], 8: [], 32: []}
    with server("ours", settings) as us, server("bare", settings) as them:
        for _ in range(rounds):
            for concurrency, pairs in found.items():
                pairs.append(in_turn(us, them, body(1), concurrency=concurrency, seconds=seconds))
    return Table(
        "One row",
        f"Beside FastAPI and a constant: medians of {rounds} rounds of {seconds:g} s; p99 in ms, CPU in us a request.",
        ("concurrency", "ours, a second", "FastAPI", "ratio", "p99", "FastAPI", "CPU", "FastAPI"),
        [
            (
                concurrency,
                f"{median(a.a_second for a, _ in pairs):,.0f}",
                f"{median(b.a_second for _, b in pairs):,.0f}",
                f"{median(a.a_second / b.a_second for a, b in pairs):.2f}",
                f"{median(a.p99_ms for a, _ in pairs):.2f}",
                f"{median(b.p99_ms for _, b in pairs):.2f}",
                f"{median(a.cpu_us for a, _ in pairs):.0f}",
                f"{median(b.cpu_us for _, b in pairs):.0f}",
            )
            for concurrency, pairs in found.items()
        ],
    )


def flights(folder: Path) -> tuple[Settings, list[dict[str, Any]]]:
    """The flights' workspace with its voting ensemble live, and rows of its traffic."""
    folder.mkdir()
    (folder / "workbench.toml").write_text((ROOT / "workbench.toml").read_text())
    settings = load_settings(folder)
    store, versions = MetricsStore.of(settings), VersionStore(settings.versions_dir)
    ModelRetrainer(settings, versions, store).retrain("first", promote="always")
    store.close()
    return settings, to_rows(align(demo.traffic().head(10_000), versions.metadata("first").features))


def batches(settings: Settings, rounds: int, seconds: float) -> Table:
    other, rows = flights(settings.root.parent / "flights")
    told = []
    for name, wanted, sent in (
        ("linear", settings, body),
        ("flights' ensemble", other, lambda n: json.dumps({"instances": rows[:n]}).encode()),
    ):
        with server("ours", wanted, sent(1)) as us, server("usual", wanted, sent(1)) as them:
            pairs: dict[tuple[int, int], list[tuple[Told, Told]]] = {(100, 1): [], (100, 8): [], (10_000, 1): []}
            for _ in range(rounds):
                for (size, concurrency), found in pairs.items():
                    found.append(in_turn(us, them, sent(size), concurrency=concurrency, seconds=max(seconds, 1.0)))
        told += [
            (
                name,
                f"{size:,}",
                concurrency,
                f"{median(size * a.a_second for a, _ in found):,.0f}",
                f"{median(size * b.a_second for _, b in found):,.0f}",
                f"{median(a.a_second / b.a_second for a, b in found):.2f}",
                f"{median(b.cpu_us / a.cpu_us for a, b in found):.2f}",
            )
            for (size, concurrency), found in pairs.items()
        ]
    return Table(
        "Batches",
        "Rows a second, beside FastAPI with a pydantic body, a DataFrame and `pipeline.predict`: medians.",
        ("model", "rows a request", "concurrency", "ours", "FastAPI", "ratio", "CPU ratio"),
        told,
    )


def by_stage(settings: Settings, rounds: int, seconds: float) -> Table:
    version = VersionStore(settings.versions_dir).serve("first")
    with tempfile.TemporaryDirectory() as folder:
        scratch = bench.scratch_monitor(settings, Path(folder))
        found = bench.predicting(version, json.loads(body(1))["instances"], scratch, budget_s=0.5)
        scratch.store.close()
    return Table(
        "By stage",
        "Microseconds of one row; the server's own work (receive, route, send) is the rest of its CPU.",
        ("stage", "median", "p90"),
        [(stage.name, f"{stage.median_us:.1f}", f"{stage.p90_us:.1f}") for stage in found],
    )


def newest(settings: Settings, rounds: int, seconds: float) -> Table:
    """A fresh reader of a million predictions, beside reading all lines of the newest files until there are enough."""
    wanted = 1_000
    with tempfile.TemporaryDirectory() as folder:
        store = MetricsStore(folder)
        record = Prediction(
            event_time="", version="first", inputs=dict.fromkeys(FEATURES, 1.5), output=1.5, response_s=1e-4
        )
        for _ in range(200):
            store.put(Prediction, repeat(record, 5_000))
        store.close()
        ours, theirs = [], []
        for _ in range(rounds):
            begun = time.perf_counter()
            found = MetricsStore(folder).last(wanted)
            ours.append(time.perf_counter() - begun)
        # Not in turn: a million dicts take seconds, and leave neither cache nor heap to whoever comes next.
        for _ in range(3):
            begun = time.perf_counter()
            naive = [json.loads(line) for line in lines_of(Path(folder) / "predictions")][-wanted:]
            theirs.append(time.perf_counter() - begun)
            assert [p.id for p in found] == [line["id"] for line in naive]
    return Table(
        "The last 1,000 of a million",
        f"Milliseconds of a fresh reader, beside reading and parsing every line: medians of {rounds} rounds, and of 3.",
        ("", "ms"),
        [
            ("the store's reader", f"{median(ours) * 1e3:.1f}"),
            ("every line", f"{median(theirs) * 1e3:,.0f}"),
            ("ratio", f"{median(theirs) / median(ours):,.0f}"),
        ],
    )


def lines_of(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open() as file:
            yield from file


TABLES = {"one_row": one_row, "batches": batches, "by_stage": by_stage, "newest": newest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--only", choices=list(TABLES))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = workspace(Path(folder) / "ws")
        for name, table in TABLES.items():
            if asked.only in (None, name):
                print(f"{table(settings, asked.rounds, asked.seconds)}\n", flush=True)


if __name__ == "__main__":
    main()
