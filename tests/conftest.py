"""Workspaces to test in: a small one made once and copied, so that no test waits for a training it does not look at."""

import os

# Before scikit-learn is loaded: on a busy machine two threads that wait for each other take many times as long as one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits
from xdist.scheduler import LoadScopeScheduling

from workbench.loaded_version import Reference
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings, load_settings
from workbench.version_store import VersionStore

BROWSER = "tests/browser/"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

TOML = """
[model]
name = "trips"
task = "{task}"
target = "{target}"
data = "trips.csv"
time = "at"
features = ["km", "stops", "to"]


[retrain]
min_new_rows = 50
select_rows = 30
gate_rows = 60
gate_min_rows = 40
cooldown_s = 60
"""


class ByFile(LoadScopeScheduling):
    """A file is one worker's, so that what it shares is made once; all files that drive the browser are one worker's,
    too: they share a server, and one browser beside other tests is enough."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return BROWSER if file.startswith(BROWSER) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log) if config.option.dist == "loadfile" else None


@pytest.fixture(scope="module")
def one_thread():
    """On a busy machine, threads that wait for each other are many times slower than one."""
    with threadpool_limits(1):
        yield


def until(true: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Wait for something that another process brings about; fails rather than hangs."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"not so within {timeout_s:g} s"
        threading.Event().wait(0.05)


def unloaded(version: Reference) -> Reference:
    """What a version is measured by, without the version."""
    return Reference(metadata=version.metadata, profile=version.profile, holdout=version.holdout)


class Clock:
    """A clock that moves when told to."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **length: float) -> None:
        self.now += timedelta(**length)


def trips(n: int, *, seed: int = 0, start: str = "2026-01-01", minutes_a_km: float = 2.0) -> pd.DataFrame:
    """Trips, one an hour: minutes = rate * km + 3 * stops + noise; `slow` where that is over 60."""
    rng = np.random.default_rng(seed)
    km, stops = rng.uniform(1, 50, n).round(2), rng.integers(0, 4, n)
    minutes = minutes_a_km * km + 3 * stops + rng.normal(0, 2, n)
    return pd.DataFrame(
        {
            "at": pd.date_range(start, periods=n, freq="h").strftime("%Y-%m-%dT%H:%M:%S"),
            "km": km,
            "stops": stops,
            "to": rng.choice(["north", "south", "east"], n),
            "minutes": minutes.round(3),
            "slow": (minutes > 60).astype(int),
        }
    )


def make_workspace(folder, task: str = "regression", target: str = "minutes", extra: str = "") -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    trips(400).to_csv(folder / "trips.csv", index=False)
    (folder / "workbench.toml").write_text(TOML.format(task=task, target=target) + extra)
    return load_settings(folder)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in [n for n in os.environ if n.startswith("WORKBENCH_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A workspace with data and without a version."""
    return make_workspace(tmp_path / "ws")


@pytest.fixture(scope="session")
def postgresql():
    """A server for all tests of a session: each test takes a schema of its own."""
    from tests.databases import started

    server = started()
    yield server
    server.stop()
    shutil.rmtree(server.folder)


def _trained(folder, task: str, target: str) -> Settings:
    settings = make_workspace(folder, task, target)
    metrics = MetricsStore.of(settings)
    ModelRetrainer(settings, VersionStore(settings.versions_dir), metrics).retrain("first")
    metrics.close()
    return settings


@pytest.fixture(scope="session")
def _regression(tmp_path_factory):
    return _trained(tmp_path_factory.mktemp("regression") / "ws", "regression", "minutes")


@pytest.fixture(scope="session")
def _classification(tmp_path_factory):
    return _trained(tmp_path_factory.mktemp("classification") / "ws", "classification", "slow")


@pytest.fixture
def trained(_regression, tmp_path) -> Settings:
    """A workspace whose version `first` is live."""
    return load_settings(shutil.copytree(_regression.root, tmp_path / "ws"))


@pytest.fixture
def trained_classifier(_classification, tmp_path) -> Settings:
    return load_settings(shutil.copytree(_classification.root, tmp_path / "ws"))
