"""Several workers over one store of labels."""

import pytest

from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.records import Prediction
from workbench.settings import Settings

FATES = ("accepted", "duplicate", "conflict", "unknown", "expired")


def asked(i: int) -> Prediction:
    return Prediction(
        event_time="2026-01-01T00:00:00.000000Z", version="v", inputs={"i": i}, output=0.0, response_s=0.0
    )


class Workers:
    """Some workers of one metrics folder, each with a store and a monitor of its own."""

    def __init__(self, root, clock, count: int = 1, history: int = 8, segment_rows: int = 3) -> None:
        self.settings = Settings(root=root, model={"task": "regression", "target": "y", "data": "y.csv"})
        self.clock = clock
        self.sizes = {"window": 2, "history": history, "segment_rows": segment_rows}
        self.monitors = [self.fresh() for _ in range(count)]

    def store(self) -> MetricsStore:
        return MetricsStore(self.settings.metrics_dir, clock=self.clock, **self.sizes)

    def fresh(self) -> ModelMonitor:
        return ModelMonitor(self.store(), self.settings, clock=self.clock)

    def restart(self, worker: int) -> None:
        self.monitors[worker].store.close()
        self.monitors[worker] = self.fresh()

    def predict(self, count: int, worker: int = 0) -> list[Prediction]:
        self.clock.forward(seconds=1)
        return self.monitors[worker].store.append(*(asked(i) for i in range(count)))

    def close(self) -> None:
        for monitor in self.monitors:
            monitor.store.close()


@pytest.fixture
def workers(tmp_path, clock):
    made = Workers(tmp_path, clock, count=2)
    yield made
    made.close()


def refused(workers) -> list[tuple[str, object, str]]:
    return [(r.prediction_id, r.actual, r.why) for r in workers.store().refused()]
