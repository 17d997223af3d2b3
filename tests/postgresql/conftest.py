import itertools

import pytest

from workbench.database import Database
from workbench.metrics_store import MetricsStore
from workbench.records import Prediction
from workbench.shared_records import SharedRecords

NUMBER = itertools.count()


@pytest.fixture
def schema():
    """A name that no other test has."""
    return f"test_{next(NUMBER)}"


@pytest.fixture
def database(postgresql, schema):
    made = Database(postgresql.url, schema)
    yield made
    made.close()


def asked(i: int) -> Prediction:
    return Prediction(
        event_time="2026-01-01T00:00:00.000000Z", version="v", inputs={"i": i}, output=0.0, response_s=0.0
    )


def numbers(predictions) -> list:
    return [p.inputs["i"] for p in predictions]


class Fleet:
    """Some replicas of one workspace: folders of their own, one schema."""

    def __init__(self, root, url: str, schema: str, clock) -> None:
        self.root, self.url, self.schema, self.clock = root, url, schema, clock
        self.made: list[Database] = []

    def database(self) -> Database:
        self.made.append(Database(self.url, self.schema))
        return self.made[-1]

    def store(self, replica: str, **sizes: int) -> MetricsStore:
        """A store as one process of a replica has it."""
        folder = self.root / replica / "metrics"
        sizes = {"window": 5, "history": 20, "segment_rows": 4} | sizes
        return MetricsStore(folder, clock=self.clock, shared=SharedRecords(folder, self.database()), **sizes)

    def close(self) -> None:
        for database in self.made:
            database.close()


@pytest.fixture
def fleet(tmp_path, postgresql, schema, clock):
    made = Fleet(tmp_path, postgresql.url, schema, clock)
    yield made
    made.close()
