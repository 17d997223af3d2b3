"""Replicas with folders of their own and one database behave as one store, whatever happens in whatever order."""

from contextlib import suppress

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Clock
from tests.evaluations import evaluation
from tests.postgresql.conftest import NUMBER, Fleet, asked, numbers
from workbench import retention
from workbench.errors import DatabaseAway
from workbench.joining import join
from workbench.monitor import ModelMonitor
from workbench.pruning import thinned
from workbench.records import Actual, Prediction
from workbench.segments import order
from workbench.settings import Settings
from workbench.shared_pruning import prune
from workbench.training_store import TrainingStore

MODEL = Settings(root="/nowhere", model={"task": "regression", "target": "y", "data": "y.csv"})
NAMES = "abc"


class Replicas:
    """Three replicas with a store and a monitor each, and what one list would hold."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.archived = fleet, {name: {} for name in NAMES}
        self.monitors = {name: self.fresh(name) for name in NAMES}
        self.predictions: list[Prediction] = []
        self.told: dict[str, float] = {}

    def fresh(self, name: str) -> ModelMonitor:
        return ModelMonitor(self.fleet.store(name), MODEL, clock=self.fleet.clock)

    def predict(self, name: str, count: int) -> None:
        for _ in range(count):
            self.fleet.clock.forward(seconds=1)
            self.predictions += self.monitors[name].store.append(asked(len(self.predictions)))

    def tell(self, name: str, row: int) -> None:
        """A label comes to whichever replica; one that does not know the prediction yet says so."""
        self.fleet.clock.forward(seconds=1)
        if row < len(self.predictions):
            wanted = self.predictions[row].id
            if self.monitors[name].feedback([(wanted, float(row))]).accepted:
                self.told.setdefault(wanted, float(row))

    def ship(self, name: str) -> None:
        self.monitors[name].store.shared.shipper.ship()

    def killed(self, name: str) -> None:
        def die():
            raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            self.monitors[name].store.shared.shipper.ship(between=die)
        self.restart(name)

    def restart(self, name: str) -> None:
        self.monitors[name].store.close()
        self.monitors[name] = self.fresh(name)

    def prune(self, name: str) -> None:
        def archive(rows):
            for p, a in rows:
                assert p.id not in self.archived[name]
                self.archived[name][p.id] = a.actual

        for other in NAMES:
            self.ship(other)
        retention.prune(self.monitors[name].store, archive)

    def close(self) -> None:
        for monitor in self.monitors.values():
            monitor.store.close()
        self.fleet.close()


steps = st.one_of(
    st.tuples(st.just("predict"), st.sampled_from(NAMES), st.integers(1, 15)),
    st.tuples(st.just("tell"), st.sampled_from(NAMES), st.integers(0, 60)),
    st.tuples(st.sampled_from(["ship", "killed", "restart", "prune"]), st.sampled_from(NAMES), st.none()),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(steps, min_size=10, max_size=40))
def test_whatever_happens_all_replicas_hold_the_same_last_records_and_labels(postgresql, tmp_path_factory, steps):
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), postgresql.url, f"any_{next(NUMBER)}", Clock())
    replicas = Replicas(fleet)
    for step, name, what in steps:
        getattr(replicas, step)(*(name,) if what is None else (name, what))
    for name in NAMES:
        replicas.ship(name)
    last = sorted(replicas.predictions, key=order)[-20:]
    labels = {p.id: replicas.told[p.id] for p in last if p.id in replicas.told}
    for store in [*(m.store for m in replicas.monitors.values()), *map(fleet.store, "abcd")]:
        assert store.history() == last
        assert store.window() == last[-5:]
        assert store.count() >= len(last) == len(store.prediction_ids())
        assert {p.id: a.actual for p, a in join(store.history(), store.actuals())} == labels
    # Who leads from now on has archived every label that is not on record any more.
    replicas.prune("a")
    on_record = {p.id for p, _ in join(fleet.store("a").history(), fleet.store("a").actuals())}
    assert replicas.archived["a"] == {name: y for name, y in replicas.told.items() if name not in on_record}
    replicas.close()


def test_a_label_joins_its_prediction_at_whichever_replica_it_arrives(fleet):
    here, there = (ModelMonitor(fleet.store(name), MODEL, clock=fleet.clock) for name in "ab")
    (done,) = here.store.append(asked(1))
    assert there.feedback([(done.id, 2.0)]).unknown == [done.id], "not shipped yet: the client tells it again"
    here.store.shared.shipper.ship()
    assert there.feedback([(done.id, 2.0)]).accepted == [done.id]
    there.store.shared.shipper.ship()
    assert here.feedback([(done.id, 2.0), (done.id, 3.0)]) == here.feedback([(done.id, 2.0), (done.id, 3.0)])
    assert here.feedback([(done.id, 2.0)]).duplicate == [done.id]
    assert [(p.id, a.actual) for p, a in join(here.store.window(), here.store.actuals())] == [(done.id, 2.0)]


def test_a_label_that_may_be_anothers_is_not_called_unknown_while_nobody_can_be_asked(fleet):
    here, there = (ModelMonitor(fleet.store(name), MODEL, clock=fleet.clock) for name in "ab")
    (mine,), (others,) = here.store.append(asked(1)), there.store.append(asked(2))
    here.store.shared.shipper.ship()
    with psycopg.connect(fleet.url, autocommit=True) as boss:
        boss.execute(f"alter schema {fleet.schema} rename to {fleet.schema}_away")
        with pytest.raises(DatabaseAway, match="send them again"):
            here.feedback([(mine.id, 1.0), (others.id, 2.0)])
        assert here.store.actuals() == []
        verdict = here.feedback([(mine.id, 1.0), ("nonsense", 1.0)])
        assert (verdict.accepted, verdict.unknown) == ([mine.id], ["nonsense"])
        boss.execute(f"alter schema {fleet.schema}_away rename to {fleet.schema}")
    there.store.shared.shipper.ship()
    assert here.feedback([(others.id, 2.0)]).accepted == [others.id]


def test_what_is_pruned_there_is_pruned_here_but_nothing_that_has_not_been_shipped(fleet):
    here, leader = fleet.store("a"), fleet.store("b")
    for i in range(40):
        here.append(asked(i))
        fleet.clock.forward(seconds=1)
    files = len(list((here.folder / "predictions").glob("*.jsonl")))
    assert here.shared.shipper.ship() == 40
    retention.prune(leader, lambda rows: None)
    retention.prune(here, lambda rows: None)
    assert len(list((here.folder / "predictions").glob("*.jsonl"))) == files // 2
    retention.prune(here, lambda rows: None)
    with here.shared.database.transaction() as cursor:
        found = cursor.execute("select count(*) from shipped where replica = %s", (here.shared.replica,)).fetchone()
    assert found == (files // 2,)
    assert numbers(here.history()) == numbers(leader.history()) == list(range(20, 40))


def test_a_segment_that_was_not_sent_stays(fleet, monkeypatch):
    here = fleet.store("a")
    for i in range(40):
        here.append(asked(i))
        fleet.clock.forward(seconds=1)
    monkeypatch.setattr(here.shared.shipper, "is_shipped", lambda path: False)
    retention.prune(here, lambda rows: None)
    assert len(list((here.folder / "predictions").glob("*.jsonl"))) == 10


def test_only_one_of_all_replicas_prunes(fleet):
    store, other = fleet.store("a"), fleet.store("b")
    store.append(*map(asked, range(40)))
    store.shared.shipper.ship()
    sizes = {"history": 20, "evaluations": 10, "labelled": 10}
    with other.shared.database.transaction() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (other.shared.database.key("prune"),))
        assert prune(store.shared.database, **sizes) == 0
    assert prune(store.shared.database, **sizes) == 20


def test_labelled_rows_are_archived_by_each_who_may_lead_and_bounded(fleet, tmp_path):
    leader, next_leader = fleet.store("a"), fleet.store("b")
    leader.shared._labelled = 12
    for i in range(40):
        (done,) = leader.append(asked(i))
        leader.append(Actual(prediction_id=done.id, actual=float(i)))
        fleet.clock.forward(seconds=1)
    training = {name: TrainingStore(tmp_path / name, clock=fleet.clock) for name in "ab"}
    for _ in range(2):
        retention.prune(leader, lambda rows: training["a"].archive(rows, 100))
        fleet.clock.forward(seconds=1)
    retention.prune(next_leader, lambda rows: training["b"].archive(rows, 100))
    assert [row[3] for row in training["b"].labelled()] == [float(i) for i in range(8, 20)]
    assert training["a"].labelled() == training["b"].labelled()


def test_evaluations_are_thinned_there_as_in_files(fleet):
    store, reader = fleet.store("a"), fleet.store("b")
    for i in range(60):
        store.append(evaluation(fleet.clock(), *(["drift"] if i % 6 in (3, 4) else [])))
        fleet.clock.forward(minutes=4)
    whole = store.evaluations()
    store.shared.shipper.ship()
    for _ in range(2):
        # Thinned once: beside what is left, a second run of alarms within the hour would look like the first.
        prune(store.shared.database, history=20, evaluations=10, labelled=10)
    first = [e.id for e in thinned(whole[:-10])]
    assert [e.id for e in reader.evaluations()] == [*first, *(e.id for e in whole[-10:])]


def test_the_name_of_a_replica_is_given_once_and_kept(fleet):
    names = {fleet.store("a").shared.replica for _ in range(3)}
    assert len(names) == 1
    assert fleet.store("b").shared.replica not in names


def test_a_file_that_holds_no_name_is_told(fleet):
    from workbench.errors import SettingsError

    folder = fleet.store("a").folder
    (folder / "replica").write_text("\n")
    with pytest.raises(SettingsError, match="holds no name of a replica"):
        fleet.store("a")
