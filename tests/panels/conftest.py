"""A workspace that has seen some traffic, and commands that only pretend to run."""

import shutil
from dataclasses import dataclass, field

import pandas as pd
import pytest

from tests.conftest import trips
from tests.panels.kernels import viewing
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.panels.commands import Result
from workbench.panels.desk import Desk
from workbench.panels.lock import Lock
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings, load_settings
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore


@dataclass
class Traffic:
    """Rows of the training data sent through the live version, with their actuals."""

    settings: object
    metrics: MetricsStore = field(init=False)

    def __post_init__(self):
        self.metrics = MetricsStore.of(self.settings)
        self.versions = VersionStore(self.settings.versions_dir)

    def send(self, rows=40, data=None, **moved):
        """Send rows and check them; `moved` holds what is to be done to a column before."""
        from workbench.ensemble import answer

        live = self.versions.load(self.versions.live().version_id)
        data = pd.read_csv(self.settings.root / "trips.csv").tail(rows) if data is None else data
        data = data.assign(**moved)
        sent = to_rows(data[[*live.schema.names, "at"]])
        monitor = ModelMonitor(self.metrics, self.settings)
        said = answer(live.estimator, live.schema, sent).predictions
        done = monitor.record_rows(sent, said, schema=live.schema, version=live.id, response_s=0.01)
        monitor.feedback([(p.id, actual) for p, actual in zip(done, data["minutes"], strict=True)])
        return monitor.check(live)


@dataclass
class Commands:
    """Stands in for the command line: keeps what was asked, ends when told to."""

    asked: list = field(default_factory=list)
    result: Result | None = None

    def __call__(self, argv):
        self.asked.append(list(argv))
        return self

    def poll(self):
        return self.result


@pytest.fixture
def traffic(trained) -> Traffic:
    return Traffic(trained)


@pytest.fixture
def drifting(traffic) -> Traffic:
    """Four checks; at the last two, trips are longer than those learnt from."""
    for far in (0, 0, 12, 12):
        traffic.send(100, km=lambda data, far=far: data["km"] + far)
    return traffic


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def token(trained) -> str:
    return maintenance_token(trained.root)


@pytest.fixture
def lock(trained) -> Lock:
    """Open, as in a person's own notebook."""
    return Lock(trained, locked=False)


@pytest.fixture
def desk(trained, lock, commands) -> Desk:
    return Desk(trained, lock, commands)


@pytest.fixture(scope="session")
def _two_versions(_regression, tmp_path_factory):
    """`first` is live, and has answered a hundred trips that are newer than what it has learnt; `second` has met it on
    those, and was kept out by the gate."""
    root = shutil.copytree(_regression.root, tmp_path_factory.mktemp("two") / "ws")
    traffic = Traffic(load_settings(root))
    traffic.send(data=trips(100, seed=3, start="2026-02-01"))
    retrainer = ModelRetrainer(traffic.settings, traffic.versions, traffic.metrics)
    assert not retrainer.retrain("second", reason="to have another").promoted
    traffic.metrics.close()
    return traffic.settings


@pytest.fixture
def two_versions(_two_versions, tmp_path) -> Settings:
    return load_settings(shutil.copytree(_two_versions.root, tmp_path / "two"))


@pytest.fixture
def two_desk(two_versions, commands) -> Desk:
    """Open, over the workspace with two versions."""
    return Desk(two_versions, Lock(two_versions, locked=False), commands)


@pytest.fixture
def kernel(traffic):
    """A real kernel that shows the dashboard over some traffic."""
    traffic.send(60)
    with viewing(traffic.settings.root) as viewer:
        yield viewer
