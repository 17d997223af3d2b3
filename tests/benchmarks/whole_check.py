"""How often does a whole check cry wolf? Every part of `checkup.evaluate` together, with a small model to be asked."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import VotingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from tqdm import tqdm

from tests.benchmarks.streams import mixed
from tests.benchmarks.tables import RATE, Table, interval, percent
from tests.walks import predictions, walk
from workbench.records import Actual
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings
from workbench.workspace import Workbench

NUMBERS = ["normal_1", "normal_2", "lognormal_1", "uniform", "spiked_90", "poisson", "boolean", "missing_30"]
TEXTS = ["cat_3", "cat_missing_30"]
REFERENCE, STEPS = 5_000, 10


@dataclass
class Alarms:
    """Checks in alarm, and runs of them, by the part of the check."""

    checks: int = 0
    windows: float = 0.0
    in_alarm: int = 0
    episodes: int = 0
    parts: Counter[str] = field(default_factory=Counter)


def small() -> Pipeline:
    """A vote of two quick members."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encode = make_column_transformer((numbers, NUMBERS), (OneHotEncoder(handle_unknown="ignore"), TEXTS))
    vote = VotingRegressor([("line", Ridge()), ("tree", DecisionTreeRegressor(max_depth=6, random_state=0))])
    return Pipeline([("encode", encode), ("vote", vote)])


def labelled(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Ten of the mixed features, and a target that depends on some of them; nothing drifts."""
    frame = mixed(n, rng)[NUMBERS + TEXTS]
    worth = frame["cat_3"].map({"north": 0.0, "south": 1.0, "east": 3.0})
    return frame.assign(target=2 * frame["normal_1"] + frame["poisson"] + worth + rng.normal(0, 1, n))


def slide(*, repeats: int, checks: int, window: int, seed: int, moved: float = 0.0) -> Alarms:
    """Checks of a window that slides on by a tenth of its rows, each time with a new version.

    `moved` is how far one feature has moved, in standard deviations: 0 but to see that it would be told.
    """
    total = Alarms()
    bar = tqdm(total=repeats * checks, desc="false alarms: whole check", mininterval=1)
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, window, repeat])
        root = Path(tempfile.mkdtemp(prefix="whole-check-"))
        try:
            bench = _trained(root, labelled(REFERENCE, rng), window)
            live, stream = bench.versions.load("first"), labelled(window + (checks - 1) * window // STEPS, rng)
            rows = predictions(live, stream.assign(normal_1=stream["normal_1"] + moved))
            told = zip(rows, stream["target"], strict=True)
            actuals = {p.id: Actual(prediction_id=p.id, actual=float(y), recorded_at=p.recorded_at) for p, y in told}
            before = False
            for found in walk(live, bench.settings, rows, first=window, step=window // STEPS, actuals=actuals):
                now = bool(found.alarms)
                total.checks, total.in_alarm = total.checks + 1, total.in_alarm + now
                total.episodes, before = total.episodes + (now and not before), now
                total.parts.update(found.alarms.keys())
                bar.update()
            bench.metrics.close()
        finally:
            shutil.rmtree(root)
        total.windows += 1 + (checks - 1) / STEPS
    bar.close()
    return total


def _trained(root: Path, frame: pd.DataFrame, window: int) -> Workbench:
    frame.to_parquet(root / "rows.parquet")
    model = {
        "task": "regression",
        "target": "target",
        "data": "rows.parquet",
        "ensemble": "tests.benchmarks.whole_check:small",
    }
    settings = Settings(root=root, model=model, monitor={"window": window})
    bench = Workbench(settings)
    ModelRetrainer(settings, bench.versions, bench.metrics).retrain("first")
    return bench


def tables(*, quick: bool, seed: int) -> Iterator[Table]:
    rows = []
    for window in (200, 1_000):
        repeats, checks = (1, 20) if quick else (6, 100)
        found = slide(repeats=repeats, checks=checks, window=window, seed=seed)
        full = max(round(found.windows), found.episodes)
        parts = ", ".join(f"{name} ({count})" for name, count in found.parts.most_common()) or "none"
        rows.append(
            (
                window,
                found.checks,
                found.in_alarm,
                parts,
                full,
                found.episodes,
                percent(found.episodes, full),
                interval(found.episodes, full),
            )
        )
    note = (
        f"No drift. 10 mixed features and a target, reference {REFERENCE:,}, all actuals at once; data, drift, the "
        f"model's view, performance and the estimate judged at {RATE:.0%} together, as episodes (runs of checks with "
        "any alarm) per full window of new rows."
    )
    head = (
        "window",
        "checks",
        "in alarm",
        "parts in alarm",
        "full windows",
        "episodes",
        "rate",
        "95 % interval",
    )
    yield Table("The whole check, sliding", note, head, rows)
