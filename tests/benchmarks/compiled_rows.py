"""Compiled ensembles beside scikit-learn: one row, batches, size and load; `python -m tests.benchmarks.compiled_rows`.

Models learn the flights' reference; both ways are asked turn by turn in one run, on one thread.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import io
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from tests.benchmarks.tables import Table
from workbench import compiled, demo, members, parity
from workbench.compiled import Compiled
from workbench.ensemble import answer, build, fit
from workbench.features import align, infer_schema, to_rows
from workbench.records import Schema
from workbench.settings import load_settings

ROOT = Path(__file__).parents[2]
TASKS = {"air_time": ROOT, "late": ROOT / "examples" / "late"}
SINGLE, ROUNDS = 300, 5
SIZES = (10, 100, 1_000, 10_000)


def fitted(task: str, names: Sequence[str]) -> tuple[Schema, Any, Any]:
    """The schema, rows and voting ensemble of one of the flights' tasks."""
    model = load_settings(TASKS[task]).model
    frame = demo.reference().dropna(subset=[model.target])
    schema = infer_schema(frame, task=model.task, target=model.target, time=model.time, features=model.features)
    X = align(frame, schema)
    estimator = build("voting", schema, names=names, seed=0, threads=1)
    return schema, X, fit(estimator, X, frame[model.target].to_numpy())


def median_s(works: Sequence[Callable[[], Any]]) -> float:
    taken = []
    for work in works:
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def one_row(ours: Compiled, estimator: Any, X: Any, rows: Sequence[Any]) -> tuple[float, float]:
    """Medians in seconds: compiled from a dict, `pipeline.predict` of a one-row frame that is made already."""
    say = getattr(estimator, "predict_proba", estimator.predict)
    turns = []
    for i in range(SINGLE // 10):
        some = range(i * 10, i * 10 + 10)
        turns.append(
            (
                median_s([partial(ours.answer, [rows[k]]) for k in some]),
                median_s([partial(say, X.iloc[k : k + 1]) for k in some]),
            )
        )
    ours_s, theirs_s = np.median(turns, axis=0)
    return float(ours_s), float(theirs_s)


def batch(ours: Compiled, estimator: Any, schema: Schema, rows: Sequence[Any]) -> tuple[float, float]:
    """Medians in seconds for a batch of rows: compiled, and a frame made and predicted."""
    turns = [
        (median_s([partial(ours.answer, rows, aside=True)]), median_s([partial(answer, estimator, schema, rows)]))
        for _ in range(ROUNDS)
    ]
    ours_s, theirs_s = np.median(turns, axis=0)
    return float(ours_s), float(theirs_s)


def loads(ours: Compiled, estimator: Any) -> tuple[float, float, float, float]:
    """Megabytes and milliseconds to load: the compiled form, the pickle."""
    pickle = io.BytesIO()
    joblib.dump(estimator, pickle)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours.save(folder)
        size = sum(path.stat().st_size for path in folder.iterdir())
        read = median_s([partial(compiled.read, lambda name, folder=folder: (folder / name).read_bytes())] * ROUNDS)
    unpickled = median_s([lambda: joblib.load(io.BytesIO(pickle.getvalue()))] * ROUNDS)
    return size / 1e6, read * 1e3, pickle.tell() / 1e6, unpickled * 1e3


def tables() -> Iterator[Table]:
    single, many, sizes = [], [], []
    for task in TASKS:
        for told, names in (("linear, forest, boosting", members.USUAL), ("all five kinds", members.KNOWN)):
            schema, X, estimator = fitted(task, names)
            ours, proof = parity.compiled_and_proven(estimator, schema, X, seed=0)
            if ours is None:
                raise SystemExit(f"{task}, {told}: {proof.sentence}")
            rows = to_rows(X)
            fast, slow = one_row(ours, estimator, X, rows)
            name = f"{task}: {told}"
            single.append(
                (name, f"{fast * 1e6:.0f}", f"{slow * 1e6:,.0f}", f"{slow / fast:.0f}", proof.rows, proof.hostile)
            )
            pairs = (batch(ours, estimator, schema, [rows[i % len(rows)] for i in range(n)]) for n in SIZES)
            many.append((name, *(f"{theirs / mine:.1f}" for mine, theirs in pairs), proof.crossover_rows or "never"))
            size, read, pickled, unpickled = loads(ours, estimator)
            sizes.append((name, f"{size:.1f}", f"{read:.1f}", f"{pickled:.1f}", f"{unpickled:.0f}"))
    machine = f"{time.strftime('%d %B %Y')}, {os.cpu_count()} cores, Python {platform.python_version()}, one thread."
    yield Table(
        "One row",
        f"Medians in microseconds: a dict answered compiled, beside the pipeline on a one-row DataFrame. {machine}",
        ("model", "compiled", "scikit-learn", "times", "rows proven", "hostile rows proven"),
        single,
    )
    yield Table(
        "Batches",
        "How many times faster compiled is than DataFrame and pipeline, by rows; and the crossover that is stored.",
        ("model", *(f"{n:,} rows" for n in SIZES), "scikit-learn from"),
        many,
    )
    yield Table(
        "Size and load",
        "Megabytes on disk and milliseconds to load: the compiled form, beside the pickle.",
        ("model", "compiled MB", "ms", "pickle MB", "ms"),
        sizes,
    )


if __name__ == "__main__":
    with threadpool_limits(1):
        for table in tables():
            print(table, end="\n\n")
