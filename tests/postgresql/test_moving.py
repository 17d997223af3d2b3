"""From files to the database and back: nothing lost, nothing twice, and what is not so is said."""

import json
import shutil

import pytest

from tests.conftest import make_workspace
from tests.evaluations import evaluation
from tests.postgresql.conftest import asked, numbers
from tests.processes import run
from workbench import retention
from workbench.errors import Busy, SettingsError, WorkbenchError
from workbench.joining import join
from workbench.leadership import Leadership
from workbench.metrics_store import MetricsStore
from workbench.moving import to_database, to_files
from workbench.records import Actual, Event
from workbench.settings import load_settings
from workbench.shared_pruning import prune
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore


def share(settings, fleet, history: int = 100_000):
    """The same workspace with a database named in its settings."""
    with (settings.root / "workbench.toml").open("a") as toml:
        toml.write(f'\n[metrics]\nurl = "{fleet.url}"\nschema_name = "{fleet.schema}"\n')
        toml.write(f"\n[monitor]\nwindow = 5\nhistory = {history}\nsegment_rows = 4\n")
    return load_settings(settings.root)


def fill(store: MetricsStore, count: int, start: int = 0) -> None:
    for i in range(start, start + count):
        (done,) = store.append(asked(i))
        store.append(Actual(prediction_id=done.id, actual=float(i)))
    store.append(Event(kind="note", reason="filled"))


@pytest.fixture
def machines(settings, fleet, tmp_path):
    """Two machines of a workspace with records of their own, and what both hold together."""
    other = make_workspace(tmp_path / "other")
    fill(MetricsStore.of(settings), 30)
    fill(MetricsStore.of(other), 20, start=30)
    return share(settings, fleet), share(other, fleet)


def contents(store) -> tuple:
    return store.history(), [(p.id, a.actual) for p, a in join(store.history(), store.actuals())], store.events()


def test_there_and_back_again_nothing_is_lost(machines):
    here, other = machines
    alone = [contents(MetricsStore(s.metrics_dir)) for s in machines]
    for settings in (here, other):
        counts = {m.kind: (m.files, m.database) for m in to_database(settings)}
        assert counts["predictions"] == counts["actuals"] == ((30, 30) if settings is here else (20, 20))
    shared = contents(MetricsStore.of(here))
    assert sorted(numbers(shared[0])) == list(range(50))
    assert {m.kind: m.files for m in to_files(here)} == {
        "predictions": 50,
        "actuals": 50,
        "refused": 0,
        "service": 0,
        "evaluations": 0,
        "events": 2,
    }
    assert contents(MetricsStore(here.metrics_dir)) == shared
    for part in (0, 2):
        assert {r.id for r in shared[part]} == {r.id for one in alone for r in one[part]}


def test_it_may_be_cut_off_and_called_again(machines):
    here, other = machines
    to_database(other)

    def killed(kind, done, total):
        if kind == "actuals":
            raise KeyboardInterrupt

    for move in (to_database, to_files):
        with pytest.raises(KeyboardInterrupt):
            move(here, killed)
        assert [m.equal for m in move(here)] == [True] * 6
    assert len(MetricsStore(here.metrics_dir).history()) == 50


def test_what_retention_took_from_the_database_is_not_missed_and_its_labels_come_along(machines, fleet):
    here = share_smaller(machines[0])
    store = MetricsStore.of(here)
    for _ in range(20):
        store.append(evaluation(fleet.clock()))
    to_database(here)
    (there,) = (m for m in to_database(machines[1]) if m.kind == "predictions")
    assert there.files == 20
    retention.prune(fleet.store("leader", history=10), lambda rows: None)
    prune(store.shared.database, history=10, evaluations=5, labelled=100)
    moved = {m.kind: m for m in to_files(here)}
    assert moved["predictions"].equal
    assert moved["evaluations"].files == 5
    archived = {row[0] for row in TrainingStore(here.versions_dir).labelled()}
    assert len(archived) == 40
    assert len(archived | {p.id for p in MetricsStore(here.metrics_dir).history()}) == 50


def share_smaller(settings):
    toml = settings.root / "workbench.toml"
    toml.write_text(toml.read_text().replace("history = 100000", "history = 10"))
    return load_settings(settings.root)


def test_this_machines_own_segments_stay_as_they_are(machines):
    here, _ = machines
    own = {path: path.read_bytes() for path in (here.metrics_dir / "predictions").glob("*.jsonl")}
    torn = next(iter(own))
    own[torn] += b'{"id":"torn'
    torn.write_bytes(own[torn])
    to_files(here)
    assert {path: path.read_bytes() for path in own} == own


def test_a_line_that_is_not_the_same_there_is_an_error(machines):
    here, _ = machines
    to_database(here)
    store = MetricsStore.of(here)
    with store.shared.database.transaction() as cursor:
        cursor.execute("update records set line = replace(line, '\"v\"', '\"w\"') where kind = 'predictions'")
    with pytest.raises(WorkbenchError, match=r"predictions: 30 records in files, 30 in the database, and .* not the"):
        to_database(here)


def test_back_is_refused_while_somebody_records(machines, fleet):
    here, _ = machines
    to_database(here)
    elsewhere = Leadership(fleet.database(), "other")
    assert elsewhere.leads()
    with pytest.raises(Busy, match="other maintains the workspace"):
        to_files(here)
    elsewhere.end()
    with MetricsStore.of(here).shared.shipping_lock(), pytest.raises(Busy, match="a service runs in this workspace"):
        to_files(here)


def test_what_lies_here_after_the_way_back_is_not_read_from_the_database_as_well(machines):
    here, other = machines
    to_database(other)
    to_files(here)
    with pytest.raises(SettingsError, match=r"take \[metrics\] url out of the settings"):
        MetricsStore.of(here)


def test_the_promotion_log_moves_along(trained, fleet, tmp_path):
    log = VersionStore(trained.versions_dir).pointer.log()
    here = share(trained, fleet)
    to_database(here)
    other = share(make_workspace(tmp_path / "other"), fleet)
    shutil.copytree(here.versions_dir / "manifests", other.versions_dir / "manifests")
    to_files(other)
    assert VersionStore(other.versions_dir).pointer.log() == log
    assert VersionStore(other.versions_dir).live_id() == "first"


def test_the_command_shows_both_sides(machines):
    here, _ = machines
    told = json.loads(run(here.root, "migrate", "json-to-postgres", "--json"))
    assert [(m["kind"], m["files"], m["database"]) for m in told][:2] == [("predictions", 30, 30), ("actuals", 30, 30)]
    assert "take [metrics] url out" in run(here.root, "migrate", "postgres-to-json")


def test_without_a_database_the_command_says_how_to_name_one(settings):
    with pytest.raises(WorkbenchError, match=r"\[metrics\] url in workbench.toml, or with WORKBENCH_METRICS__URL"):
        to_database(settings)
