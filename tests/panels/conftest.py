"""A workspace that has seen some traffic, and commands that only pretend to run."""

from dataclasses import dataclass, field

import pandas as pd
import pytest

from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.panels.commands import Result
from workbench.panels.desk import Desk
from workbench.panels.lock import Lock
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

    def send(self, rows=40):
        from workbench.ensemble import answer

        live = self.versions.load(self.versions.live().version_id)
        data = pd.read_csv(self.settings.root / "trips.csv").tail(rows)
        sent = to_rows(data[[*live.schema.names, "at"]])
        monitor = ModelMonitor(self.metrics, self.settings)
        said = answer(live.estimator, live.schema, sent).predictions
        done = monitor.record_rows(sent, said, schema=live.schema, version=live.id, response_s=0.01)
        monitor.feedback([(p.id, actual) for p, actual in zip(done, data["minutes"], strict=True)])
        return monitor.check(self.versions.reference(live.id))


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
