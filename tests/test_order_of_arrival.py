"""Predictions, actuals, duplicates, contradictions and restarts in any order: the figures are scikit-learn's."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from tests.conftest import Clock, make_workspace, unloaded
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_text
from workbench.monitor import ModelMonitor
from workbench.records import Heartbeat
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.version_store import VersionStore

PLACES = ("east", "north", "south")
START = pd.Timestamp("2025-12-01", tz="UTC")


@pytest.fixture(
    scope="module", params=[("regression", "minutes"), ("classification", "slow"), ("classification", "to")]
)
def watched(request, tmp_path_factory):
    """A workspace and its version; numbers, two classes, three classes."""
    task, target = request.param
    made = make_workspace(tmp_path_factory.mktemp(target) / "ws", task, target)
    toml = made.root / "workbench.toml"
    toml.write_text(toml.read_text().replace('"to"]', '"slow"]') if target == "to" else toml.read_text())
    made = load_settings(made.root)
    ModelRetrainer(made, VersionStore(made.versions_dir), MetricsStore.of(made)).retrain("first")
    return made, unloaded(VersionStore(made.versions_dir).load("first"))


class Rows:
    """Random answers and actuals, an hour of event time apart."""

    def __init__(self, rng, task: str, target: str, n: int = 25) -> None:
        self.classes = ("0", "1") if target == "slow" else PLACES
        self.chances = None
        if task == "regression":
            self.true, self.said = rng.normal(60, 20, n).tolist(), rng.normal(60, 20, n).tolist()
            self.other = [y + 1 for y in self.true]
        else:
            k = len(self.classes)
            self.chances = rng.dirichlet(np.ones(k), n)
            # Each class occurs, so that every metric is defined.
            numbers = rng.permutation(np.arange(n) % k)
            self.true, self.said, self.other = (
                [self.classes[i] for i in column] for column in (numbers, self.chances.argmax(1), (numbers + 1) % k)
            )

    def probabilities(self, i: int) -> dict[str, float] | None:
        return None if self.chances is None else dict(zip(self.classes, self.chances[i].tolist(), strict=True))

    def figures(self, chosen: list[int]) -> dict[str, float]:
        """What scikit-learn says of these rows."""
        true, said = (np.array([column[i] for i in chosen]) for column in (self.true, self.said))
        if self.chances is None:
            return {
                "mae": oracle.mean_absolute_error(true, said),
                "rmse": oracle.root_mean_squared_error(true, said),
                "r2": oracle.r2_score(true, said),
                "bias": np.mean(said - true),
            }
        chances = self.chances[chosen]
        how = {"pos_label": "1"} if len(self.classes) == 2 else {"average": "macro"}
        found = {"accuracy": oracle.accuracy_score(true, said)}
        for name in ("precision", "recall", "f1"):
            found[name] = getattr(oracle, f"{name}_score")(true, said, zero_division=0, **how)
        if set(true) == set(self.classes):
            score = chances[:, 1] if len(self.classes) == 2 else chances
            found["roc_auc"] = oracle.roc_auc_score(true, score, multi_class="ovr")
            found["log_loss"] = oracle.log_loss(true, chances, labels=list(self.classes))
        return found


class Arrival:
    """Two workers that write down what comes, and what a dict would know."""

    def __init__(self, made, rows: Rows, folder) -> None:
        self.made, self.rows, self.folder, self.clock = made, rows, folder, Clock()
        self.workers = [self.fresh(), self.fresh()]
        self.ids: dict[int, str] = {}
        self.first: dict[int, object] = {}

    def fresh(self) -> ModelMonitor:
        return ModelMonitor(MetricsStore(self.folder, window=100, clock=self.clock), self.made, clock=self.clock)

    def predict(self, row: int, worker: int) -> None:
        done = self.workers[worker].record(
            {"km": 1.0, "stops": 1, "to": "north", "slow": 1},
            self.rows.said[row],
            version="first",
            response_s=0.01,
            event_time=(START + pd.Timedelta(hours=row)).isoformat(),
            probabilities=self.rows.probabilities(row),
        )
        self.ids[row] = done.id

    def tell(self, row: int, actual: object, worker: int) -> None:
        name = self.ids.get(row, f"not yet: {row}")
        verdict = self.workers[worker].feedback([(name, actual)])
        fate = "unknown" if row not in self.ids else "accepted"
        if row in self.first:
            fate = "duplicate" if self.first[row] == actual else "conflict"
        assert getattr(verdict, fate) == [name]
        if fate == "accepted":
            self.first[row] = actual

    def restart(self, worker: int) -> None:
        self.workers[worker].store.close()
        self.workers[worker] = self.fresh()

    def check(self, live):
        """Long after the last label, so that all predictions are mature."""
        self.clock.forward(days=30)
        beat = {"worker": 1, "started_at": utc_text(self.clock()), "every_s": 5.0, "version": "first"}
        self.workers[0].store.append(Heartbeat(**beat, cpu_share=0.1, memory_mb=1.0))
        return self.fresh().check(live).performance


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), random=st.randoms(use_true_random=False))
def test_in_whatever_order_all_comes_the_figures_are_scikit_learns(watched, tmp_path_factory, seed, random):
    made, live = watched
    rows = Rows(np.random.default_rng(seed), made.model.task, made.model.target)
    n = len(rows.true)
    steps = [("predict", i, None) for i in range(n)] + [("restart", 0, None)] * 3
    for i in random.sample(range(n), n - 4):
        steps += [("tell", i, rows.true[i])] * random.choice([1, 1, 2]) + [("tell", i, rows.other[i])] * (i % 5 == 0)
    random.shuffle(steps)
    arrival = Arrival(made, rows, tmp_path_factory.mktemp("metrics"))
    for what, row, actual in steps:
        arrival.clock.forward(seconds=random.choice([0, 1, 3600]))
        worker = random.randrange(2)
        if what == "restart":
            arrival.restart(worker)
        else:
            arrival.predict(row, worker) if what == "predict" else arrival.tell(row, actual, worker)
    # What was told too early is told again, as a client does that is told "unknown".
    for what, row, actual in steps:
        if what == "tell":
            arrival.tell(row, actual, random.randrange(2))
    found = arrival.check(live)
    chosen = sorted(arrival.first)
    for i in chosen:
        rows.true[i] = arrival.first[i]
    assert (found.n, found.labelled) == (n, len(chosen))
    told = {(row, actual) for what, row, actual in steps if what == "tell"}
    assert found.labels.conflict == len(told) - len(chosen)
    for name, value in rows.figures(chosen).items():
        assert found.metrics[name] == pytest.approx(value), name
    assert sum(score.n for score in found.over_time) == len(chosen)
    last = found.over_time[-1]
    within = [i for i in chosen if utc_text((START + timedelta(hours=i)).to_pydatetime()) >= last.start]
    assert last.n == len(within)


def test_a_class_that_no_holdout_had_is_scored_like_any_other(trained_classifier, tmp_path):
    live = unloaded(VersionStore(trained_classifier.versions_dir).load("first"))
    rows = Rows(np.random.default_rng(1), "classification", "slow")
    rows.true[:3] = ["zebra"] * 3
    arrival = Arrival(trained_classifier, rows, tmp_path)
    for i, actual in enumerate(rows.true):
        arrival.predict(i, i % 2)
        arrival.tell(i, actual, 0)
    assert arrival.check(live).metrics["accuracy"] == pytest.approx(oracle.accuracy_score(rows.true, rows.said))
