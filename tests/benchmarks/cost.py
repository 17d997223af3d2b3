"""What does a check cost? As a multiple of scipy's KS test on the same columns in the same run, or in seconds."""

import gc
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from tqdm import tqdm

from tests.benchmarks.tables import Table, look, reference_of
from workbench import Workbench, demo, ensemble
from workbench.features import align, to_rows
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.version_store import LoadedVersion

ROOT = Path(__file__).parents[2]
# rows, columns, rows of the reference, repeats
SHAPES = ((1_000, 10, 5_000, 30), (100_000, 100, 5_000, 5), (100_000, 100, 100_000, 3))
QUICK_SHAPES = ((1_000, 10, 5_000, 3), (10_000, 5, 5_000, 1))
PROFILE, QUICK_PROFILE = (50_000, 50), (5_000, 5)
WINDOW = 1_000


def tables(*, quick: bool, seed: int) -> Iterator[Table]:
    yield _univariate(QUICK_SHAPES if quick else SHAPES, seed=seed)
    yield _whole(quick=quick, seed=seed)


def _univariate(shapes, *, seed: int) -> Table:
    rows = []
    for n, columns, m, repeats in tqdm(shapes, desc="cost: univariate"):
        rng = np.random.default_rng([seed, n, m])
        reference, window = normal(m, columns, rng), normal(n, columns, rng)
        profile = reference_of(reference)

        def ks(reference=reference, window=window) -> None:
            for name in reference:
                ks_2samp(reference[name].to_numpy(), window[name].to_numpy())

        # By turns, so that a busy moment of the machine hits both.
        ours, theirs = _best([lambda w=window, p=profile: look(w, p), ks], repeats)
        rows.append(
            (
                f"{n:,} x {columns}",
                f"{m:,}",
                f"{1e3 * ours:,.1f} ms",
                f"{1e3 * theirs:,.1f} ms",
                f"{theirs / ours:.1f} x",
            )
        )
    note = (
        "`drift.check`, all channels, beside a loop of `scipy.stats.ks_2samp`: best of several, by turns. The ratio "
        "depends on the reference's size: the KS loop sorts it anew each time, the check reads its profile."
    )
    return Table("Cost of the univariate check", note, ("window", "reference", "check", "KS loop", "faster"), rows)


def normal(n: int, columns: int, rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame({f"x_{i}": rng.normal(size=n) for i in range(columns)})


def _best(jobs: list[Callable[[], object]], repeats: int) -> list[float]:
    """Seconds of each job's fastest run, jobs by turns; the first run of each is not counted."""
    best = [float("inf")] * len(jobs)
    for repeat in range(repeats + 1):
        for i, job in enumerate(jobs):
            gc.collect()
            start = time.perf_counter()
            job()
            if repeat:
                best[i] = min(best[i], time.perf_counter() - start)
    return best


def _whole(*, quick: bool, seed: int) -> Table:
    n, columns = QUICK_PROFILE if quick else PROFILE
    frame = normal(n, columns, np.random.default_rng([seed, 5]))
    repeats = 1 if quick else 5
    bar = tqdm(total=4, desc="cost: profile and whole check")
    (plain,) = _best([lambda: reference_of(frame)], repeats)
    bar.update()
    (in_order,) = _best([lambda: reference_of(frame, in_order=True)], repeats)
    bar.update()
    with tempfile.TemporaryDirectory() as folder:
        wb, model = _flights(Path(folder))
        bar.update()
        (check,) = _best([lambda: wb.monitor.check(model)], repeats)
        wb.metrics.close()
    bar.update()
    bar.close()
    rows = [
        (f"profile of {n:,} x {columns}, rows by lot", f"{plain:.2f} s", "10 s"),
        (f"profile of {n:,} x {columns}, rows in event time", f"{in_order:.2f} s", "10 s"),
        ("whole check of 1,000 flights, with the model's view", f"{check:.2f} s", "2 s"),
    ]
    note = "Seconds of the best of several runs; importing, training and loading the version are not counted."
    return Table("Cost of the rest", note, ("what", "took", "asked: under"), rows)


def _flights(folder: Path) -> tuple[Workbench, LoadedVersion]:
    """A workspace with a version of the flights' model, and predictions of it from a month it has not seen."""
    shutil.copy(ROOT / "workbench.toml", folder)
    wb = Workbench(load_settings(folder))
    done = ModelRetrainer(wb.settings, wb.versions, wb.metrics).retrain("first")
    model = wb.versions.load("first")
    assert done is not None
    frame = demo.traffic().dropna(subset=[wb.settings.model.target]).iloc[10_000 : 10_000 + WINDOW]
    inputs, schema = align(frame, model.metadata.features), model.metadata.features
    said = ensemble.ask(model.estimator, schema, inputs).reshape(len(inputs), -1)[:, 0]
    wb.monitor.record_rows(to_rows(inputs), [float(v) for v in said], schema=schema, version="first", response_s=0.004)
    return wb, model
