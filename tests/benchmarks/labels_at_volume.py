"""A million predictions, 90 % of them labelled late and in any order: is the join exact, and is memory bounded?

`python -m tests.benchmarks.labels_at_volume [--rows N]`. Two workers record predictions in batches and take labels,
restarting now and then, while a maintainer prunes, all in one process; what each label met with is then compared, one
by one, with a dict that forgets nothing.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import psutil

from tests.benchmarks.tables import Table
from workbench import retention
from workbench.joining import conflicting, join
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.pruning import records
from workbench.records import Prediction
from workbench.settings import Settings

FATES = ("accepted", "duplicate", "conflict", "unknown", "expired")
# One label that was sent: of which prediction (-1: none), what, after how many predictions, and what it met with.
SENT = np.dtype([("row", "i4"), ("value", "i4"), ("after", "i4"), ("fate", "u1")])
PAIR = np.dtype([("row", "i4"), ("value", "i4")])
LABELLED, REPEATED, CONTRADICTED = 0.9, 0.03, 0.02
MARKS = (0.1, 0.25, 0.5, 1.0)


class Mark(NamedTuple):
    """What so many predictions took, and how much memory was held then."""

    rows: int
    seconds: float
    memory_mb: float
    peak_mb: float


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Client:
    """Owes labels: 90 % of the predictions, after delays with a heavy tail; some twice, some with another value."""

    def __init__(self, rng: np.random.Generator, batch: int, delay: float) -> None:
        self.rng, self.batch, self.delay = rng, batch, delay
        self.owed: dict[int, list[tuple[str, int, int]]] = defaultdict(list)

    def owe(self, done: list[Prediction], now: int) -> None:
        for p in done:
            row = int(p.inputs["i"])
            if self.rng.random() < LABELLED:
                self._later(p.id, row, row % 997, now)
            if self.rng.random() < REPEATED:
                self._later(p.id, row, row % 997, now)
            if self.rng.random() < CONTRADICTED:
                # The same wrong value twice: it is on record once.
                self._later(p.id, row, row % 997 + 1, now)
                self._later(p.id, row, row % 997 + 1, now)

    def _later(self, name: str, row: int, value: int, now: int) -> None:
        rows = self.rng.pareto(0.8) * self.delay
        self.owed[now + int(min(rows, 1e9) // self.batch)].append((name, row, value))

    def due(self, now: int) -> list[tuple[str, int, int]]:
        due = self.owed.pop(now, [])
        due.append((f"nonsense-{now}", -1, 0))
        return [due[i] for i in self.rng.permutation(len(due))]

    def rest(self) -> Iterator[list[tuple[str, int, int]]]:
        left = [label for labels in self.owed.values() for label in labels]
        left = [left[i] for i in self.rng.permutation(len(left))]
        for start in range(0, len(left), self.batch):
            yield left[start : start + self.batch]


def stream(
    folder: Path,
    rows: int,
    *,
    history: int = 100_000,
    segment_rows: int = 5_000,
    batch: int = 1_000,
    prune_every: int = 10,
    restart_every: int = 97,
    seed: int = 0,
) -> list[Mark]:
    """Predict, label, prune; leaves sent.bin, archived.bin and joined.bin in `folder`."""
    rng, clock = np.random.default_rng(seed), Clock()
    settings = Settings(root=folder, model={"task": "regression", "target": "y", "data": "y.csv"})

    def store() -> MetricsStore:
        return MetricsStore(folder / "metrics", history=history, segment_rows=segment_rows, clock=clock)

    def archive(pairs: list) -> None:
        archived.write(np.array([(p.inputs["i"], a.actual) for p, a in pairs], PAIR).tobytes())

    maintainer = store()
    workers = [ModelMonitor(store(), settings, clock=clock) for _ in range(2)]
    client = Client(rng, batch, delay=history / 50)
    marks: list[Mark] = []
    start = time.perf_counter()
    with open(folder / "sent.bin", "wb") as sent, open(folder / "archived.bin", "wb") as archived:

        def send(labels: list[tuple[str, int, int]], after: int) -> None:
            while labels:
                # One label of each prediction a request, so that a name tells which label met with what.
                now = {name: (row, value) for name, row, value in reversed(labels)}
                seen: set[str] = set()
                labels = [label for label in labels if label[0] in seen or seen.add(label[0])]
                monitor = workers[rng.integers(2)]
                verdict = msgspec.structs.asdict(monitor.feedback([(name, value) for name, (_, value) in now.items()]))
                fates = {name: FATES.index(fate) for fate, names in verdict.items() for name in names}
                told = [(row, value, after, fates[name]) for name, (row, value) in now.items()]
                sent.write(np.array(told, SENT).tobytes())

        for step, first in enumerate(range(0, rows, batch)):
            clock.now += timedelta(seconds=1)
            if step % restart_every == restart_every - 1:
                at = step // restart_every % 2
                workers[at].store.close()
                workers[at] = ModelMonitor(store(), settings, clock=clock)
            asked = [
                Prediction(
                    event_time="2026-01-01T00:00:00.000000Z", version="v", inputs={"i": i}, output=0.0, response_s=0
                )
                for i in range(first, min(first + batch, rows))
            ]
            client.owe(workers[step % 2].store.append(*asked), step)
            after = first + len(asked)
            send(client.due(step), after)
            if step % prune_every == prune_every - 1:
                retention.prune(maintainer, archive)
            if len(marks) < len(MARKS) and after >= int(rows * MARKS[len(marks)]):
                marks.append(_mark(after, start))
        for labels in client.rest():
            clock.now += timedelta(seconds=1)
            send(labels, rows)
        _dump(folder, maintainer)
    return marks


def _mark(rows: int, start: float) -> Mark:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Mark(rows, time.perf_counter() - start, psutil.Process().memory_info().rss / 2**20, peak)


def _dump(folder: Path, store: MetricsStore) -> None:
    """Joined pairs within the history; those beyond it that are still on disk; refused; ids with two actuals."""
    actuals, within = store.actuals(), store.history()
    held = [p for path in sorted((store.folder / "predictions").glob("*.jsonl")) for p in records(path, Prediction)]
    for name, rows in (("joined", within), ("on_disk", held)):
        pairs = [(p.inputs["i"], a.actual) for p, a in join(rows, actuals)]
        (folder / f"{name}.bin").write_bytes(np.array(pairs, PAIR).tobytes())
    row_of = {p.id: p.inputs["i"] for p in held}
    refused = [(row_of.get(r.prediction_id, -1), r.actual) for r in store.refused()]
    (folder / "refused.bin").write_bytes(np.array(refused, PAIR).tobytes())
    assert not conflicting(actuals)
    assert len({(r.prediction_id, r.actual) for r in store.refused()}) == len(refused)


def verify(folder: Path, rows: int, history: int) -> dict[str, int]:
    """Counts of each fate, after comparing everything with a dict that forgets nothing."""
    counts = dict.fromkeys(FATES, 0)
    known: dict[int, int] = {}
    refused: set[tuple[int, int]] = set()
    for row, value, after, code in np.fromfile(folder / "sent.bin", SENT).tolist():
        if row < 0:
            fate = "unknown"
        elif row < after - history:
            fate = "expired"
        elif row in known:
            fate = "duplicate" if known[row] == value else "conflict"
        else:
            fate, known[row] = "accepted", value
        assert FATES[code] == fate, f"row {row} = {value} after {after}: {FATES[code]}, should be {fate}"
        counts[fate] += 1
        if fate in ("conflict", "expired"):
            refused.add((row, value))
    joined, archived = (_pairs(folder / f"{name}.bin") for name in ("joined", "archived"))
    assert joined == [(row, known[row]) for row in range(rows - history, rows) if row in known]
    assert len(archived) == len(set(archived)), "some rows were archived twice"
    assert dict(archived) | dict(_pairs(folder / "on_disk.bin")) == known, "labels were lost by pruning"
    on_record = {pair for pair in _pairs(folder / "refused.bin") if pair[0] >= rows - history}
    assert on_record == {pair for pair in refused if pair[0] >= rows - history}
    return counts | {"joined": len(joined), "archived": len(archived)}


def _pairs(path: Path) -> list[tuple[int, int]]:
    return [tuple(pair) for pair in np.fromfile(path, PAIR).tolist()]


def measured(rows: int, history: int, seed: int = 0) -> tuple[list[Mark], dict[str, int]]:
    """Marks on the way, and the counts of each fate once all was found exact.

    The stream runs in a process of its own, so that the memory is its and not the verification's.
    """
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        marks = pool.submit(stream, Path(name), rows, history=history, seed=seed).result()
        return marks, verify(Path(name), rows, history)


def tables(*, quick: bool, seed: int) -> Iterator[Table]:
    rows, history = (30_000, 10_000) if quick else (1_000_000, 100_000)
    marks, counts = measured(rows, history, seed)
    told = [
        (f"{m.rows:,}", f"{m.seconds:.0f}", f"{m.rows / m.seconds:,.0f}", f"{m.memory_mb:.0f}", f"{m.peak_mb:.0f}")
        for m in marks
    ]
    fates = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    note = (
        f"Predictions in batches of 1,000 by two workers that restart now and then, {LABELLED:.0%} labelled after "
        f"delays with a heavy tail, some twice, some contradicting; a history of {history:,} and a maintainer that "
        "prunes, all in one process. Each label's fate, what is joined and what is archived are those of a dict that "
        f"forgets nothing: {fates}."
    ).replace("%", " %")
    yield Table("Labels at volume", note, ("predictions", "seconds", "a second", "memory, MB", "peak, MB"), told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--history", type=int, default=100_000)
    asked = parser.parse_args()
    marks, counts = measured(asked.rows, asked.history)
    for mark in marks:
        print(mark)
    print("exact:", ", ".join(f"{count:,} {name}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
