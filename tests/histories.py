"""Histories to play: trips, one an hour, whose truth changes as a test says; and a small policy, quickly played."""

import numpy as np
import pandas as pd

from tests.conftest import trips
from workbench.settings import Settings, load_settings

TOML = """
[model]
name = "trips"
task = "{task}"
target = "{target}"
data = "history.csv"
time = "at"
features = ["km", "stops", "to"]
members = ["linear"]

[monitor]
window = 200

[retrain]
min_new_rows = 150
select_rows = 60
gate_rows = 100
gate_min_rows = 60
recent_days = 10
cooldown_s = 3600

[backtest]
delay = "6h"
look_rows = 50
"""


def workspace(
    folder, frame: pd.DataFrame, *, task: str = "regression", target: str = "minutes", extra: str = ""
) -> Settings:
    """A workspace that holds one labelled history, and no version."""
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "history.csv", index=False)
    (folder / "workbench.toml").write_text(TOML.format(task=task, target=target) + extra)
    return load_settings(folder)


def stable(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    return trips(n, seed=seed)


def rates(*phases: tuple[int, float], seed: int = 0) -> pd.DataFrame:
    """Phases of (rows, minutes a km), one after the other."""
    n = sum(rows for rows, _ in phases)
    frame = trips(n, seed=seed)
    rate = np.concatenate([np.full(rows, value) for rows, value in phases])
    frame["minutes"] += (rate - 2.0) * frame["km"]
    frame["slow"] = (frame["minutes"] > 60).astype(int)
    return frame
