"""What a prune deletes, what it spares and why; beside other processes, and when it is killed."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.test_cli import run
from tests.kept import clone, files, many, snapshots
from workbench import steering, switching
from workbench.errors import Busy, CorruptVersion, WorkbenchError
from workbench.housekeeping import prune
from workbench.jobs import Job, Jobs
from workbench.metrics_store import MetricsStore
from workbench.policy import LOST
from workbench.records import Event, Prediction
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore
from workbench.workspace import Workbench

HOLD = """
import filelock, sys
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


class Kept:
    """A workspace with versions enough, and its stores."""

    def __init__(self, settings, count=6):
        self.settings = settings
        self.versions = many(settings, count)
        self.metrics = MetricsStore.of(settings)

    def prune(self, **how):
        return prune(self.settings, self.versions, self.metrics, **how)

    def activate(self, *names):
        for name in names:
            switching.activate(self.versions, self.metrics, name, by="test", reason="test")

    def why(self, **how):
        return {f.version_id: f.why for f in self.prune(**how).versions if not f.goes}


@pytest.fixture
def kept(trained):
    return Kept(trained)


def test_a_dry_run_tells_what_would_go_and_changes_no_file(kept):
    before = files(kept.settings.root)
    found = kept.prune(keep=2)
    assert found.going == ["v01", "v02", "v03", "v04"]
    assert "dry run" in found.sentence
    assert files(kept.settings.root) == before


def test_the_oldest_go_with_the_training_rows_that_were_theirs_alone(kept):
    shared = kept.versions.metadata("first").training_data.sha256
    found = kept.prune(keep=2, yes=True)
    assert found.done
    assert kept.versions.ids() == ["first", "v05", "v06"]
    assert sorted(p.name for p in (kept.versions.folder / "models").iterdir()) == ["first", "v05", "v06"]
    used = {kept.versions.metadata(name).training_data.sha256 for name in ("v05", "v06")} | {shared}
    assert snapshots(kept.versions) == sorted(f"{digest}.parquet" for digest in used)
    assert found.bytes == sum(f.bytes for f in found.versions if f.goes) + sum(item.bytes for item in found.leftovers)
    assert kept.versions.load("first").id == "first"


def test_an_event_tells_what_was_pruned(kept):
    kept.prune(keep=4, yes=True, by="ada")
    event = MetricsStore.of(kept.settings).events()[-1]
    assert (event.kind, event.by, event.data["versions"]) == ("pruned", "ada", ["v01", "v02"])
    assert len(event.data["leftovers"]) == 2


def test_where_there_is_nothing_to_prune_there_is_no_event(kept):
    before = len(kept.metrics.events())
    kept.prune(yes=True)
    assert len(MetricsStore.of(kept.settings).events()) == before


def test_live_previous_and_pinned_stay_whatever_their_age_and_the_table_says_why(kept):
    kept.settings = kept.settings.model_copy(
        update={"retrain": kept.settings.retrain.model_copy(update={"past_versions": 0})}
    )
    steering.pin(kept.metrics, "v03", by="test", reason="audit")
    kept.activate("v01", "v02")
    assert kept.why(keep=0) == {
        "v01": "the version before: a rollback goes there",
        "v02": "live, on probation",
        "v03": "pinned",
    }


def test_as_many_stay_as_a_retrain_may_bring_back_but_none_that_lost_on_probation(kept):
    kept.activate("v01", "v02", "v03", "v04")
    kept.metrics.append(Event(kind=LOST, reason="worse", version="v02"))
    retrain = kept.settings.retrain.model_copy(update={"past_versions": 2})
    kept.settings = kept.settings.model_copy(update={"retrain": retrain})
    why = kept.why(keep=0)
    assert list(why) == ["v01", "v03", "v04"]
    assert "may bring it back" in why["v01"]


def test_one_that_has_seen_newer_rows_takes_no_place_from_one_that_has_not(kept):
    kept.activate("v01", "v02", "v03")
    # Live, and gone back to, on rows newer than any version knows: it may not compete on them.
    kept.metrics.append(Event(kind="went_back", reason="", version="v02", data={"chosen_until": "2040-01-01"}))
    kept.activate("first")
    retrain = kept.settings.retrain.model_copy(update={"past_versions": 1})
    kept.settings = kept.settings.model_copy(update={"retrain": retrain})
    assert list(kept.why(keep=0)) == ["first", "v03"]
    kept.metrics.append(Event(kind="went_back", reason="", version="v03", data={"chosen_until": "2041-01-01"}))
    assert list(kept.why(keep=0)) == ["first", "v01", "v02", "v03"]


def test_pruned_versions_are_still_told_of(kept):
    kept.activate("v01", "v02", "v03")
    retrain = kept.settings.retrain.model_copy(update={"past_versions": 0})
    kept.settings = kept.settings.model_copy(update={"retrain": retrain})
    kept.metrics.append(Prediction(event_time="", version="v01", inputs={"km": 1.0}, output=1.0, response_s=0.1))
    kept.metrics.close()
    kept.prune(keep=1, yes=True)
    log = kept.versions.pointer.log()
    assert [p.version_id for p in log] == ["first", "v01", "v02", "v03"]
    assert run(kept.settings, "versions", f"--at={log[1].activated_at}") == "v01, whose files are gone\n"
    assert json.loads(run(kept.settings, "versions", f"--at={log[1].activated_at}", "--json"))["gone"]
    assert "2 more were live once" in run(kept.settings, "versions")
    told = {t["version"]: t["published"] for t in json.loads(run(kept.settings, "compare", "--json"))["tenures"]}
    assert (told["v01"], told["v03"]) == (False, True)
    for command in (("show", "v01"), ("compare", "v01", "v03"), ("activate", "v01")):
        assert "'v01' was live once, but its files are gone" in run(kept.settings, *command, code=2)
    assert kept.versions.rollback(by="test", reason="").version_id == "v02"


def test_a_version_that_cannot_be_read_stays_and_is_told_and_so_do_all_training_rows(kept):
    path = kept.versions.files.path("v01", "metadata.json")
    path.write_bytes(path.read_bytes().replace(b"2031", b"2032"))
    before = snapshots(kept.versions)
    found = kept.prune(keep=2, yes=True)
    assert found.going == ["v02", "v03", "v04"]
    fate = next(f for f in found.versions if f.version_id == "v01")
    assert (fate.goes, fate.created_at) == (False, None)
    assert "only with --damaged: v01: metadata.json has sha256" in fate.why
    assert "all training rows stay" in found.notes[0]
    assert snapshots(kept.versions) == before
    assert kept.prune(keep=2, yes=True, damaged=True).going == ["v01"]
    assert len(snapshots(kept.versions)) == 3


def test_a_version_whose_model_is_damaged_goes_if_told_so_unless_it_is_live(kept):
    for name in ("first", "v06"):
        kept.versions.files.path(name, "model.joblib").write_bytes(b"nonsense")
    assert kept.prune(yes=True).going == []
    found = kept.prune(yes=True, damaged=True)
    assert found.going == ["v06"]
    assert next(f.why for f in found.versions if f.version_id == "first").startswith("live; first: model.joblib has")


def test_with_a_damaged_pointer_nothing_is_pruned(kept):
    kept.versions.pointer.path.write_text("{")
    with pytest.raises(CorruptVersion, match=r"live\.json is damaged"):
        kept.prune(keep=0, yes=True, damaged=True)
    assert len(kept.versions.files.names()) == 7


def test_what_killed_processes_left_goes_and_what_a_living_one_writes_stays(kept):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    data, labelled = kept.versions.folder / "training_data", kept.versions.folder / "labelled"
    labelled.mkdir()
    gone = [
        data / f".{dead.pid}.building",
        kept.versions.folder / f".live.json.{dead.pid}.tmp",
        kept.settings.metrics_dir / "events" / f".x.jsonl.{dead.pid}.tmp",
        labelled / ".20260101T120000000000Z-0000001.parquet",
    ]
    stays = [data / f".{os.getpid()}.building", data / ".keep", kept.versions.folder / f".fresh.{dead.pid}.tmp"]
    for path in (*gone, *stays):
        path.write_bytes(b"half")
    for path in gone:
        os.utime(path, (1e9, 1e9))
    (kept.versions.folder / "models" / "half").mkdir()
    found = kept.prune(yes=True)
    assert {item.path for item in found.leftovers} == {
        *(str(path.relative_to(kept.settings.root)) for path in gone),
        "versions/models/half",
    }
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stays)


def test_while_another_process_trains_or_exports_nothing_is_pruned(kept):
    for lock, why in (("retrain.lock", "a retrain is under way"), ("prune.lock", "an export or another prune")):
        command = [sys.executable, "-c", HOLD, str(kept.versions.folder / lock)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(Busy, match=f"not pruned: {why}"):
                kept.prune(keep=0, yes=True)
            holder.stdin.close()
    assert len(kept.prune(keep=0, yes=True).going) == 6


def test_while_a_job_is_starting_nothing_is_pruned(kept):
    import psutil

    me = psutil.Process()
    told = {"state": "starting", "reason": "", "trigger": "", "by": "", "started_at": ""}
    Jobs(kept.settings, kept.metrics).write(
        Job(id="20260101T120000-abc", pid=me.pid, pid_created=me.create_time(), **told)
    )
    with pytest.raises(Busy, match="retrain job 20260101T120000-abc is under way"):
        kept.prune()


def test_a_version_that_goes_live_between_plan_and_deletion_stays_with_its_rows(kept, monkeypatch):
    withdraw = VersionStore.withdraw

    def a_moment_later(self, name):
        # Whoever is quicker at the pointer's lock: here, another process's switch.
        if name == "v01":
            VersionStore(self.folder).activate("v01", by="somebody", reason="quick")
        return withdraw(self, name)

    monkeypatch.setattr(VersionStore, "withdraw", a_moment_later)
    found = kept.prune(keep=0, yes=True)
    fate = {f.version_id: (f.goes, f.why) for f in found.versions}
    assert fate["v01"] == (False, "went live meanwhile")
    assert kept.versions.ids() == ["first", "v01"]
    assert f"{kept.versions.metadata('v01').training_data.sha256}.parquet" in snapshots(kept.versions)
    assert kept.versions.load("v01").id == "v01"


def test_records_beyond_history_go_too_after_their_labels_were_archived(trained):
    monitor = trained.monitor.model_copy(update={"history": 2, "window": 1, "segment_rows": 2})
    settings = trained.model_copy(update={"monitor": monitor})
    wb = Workbench(settings)
    ids = []
    for km in range(6):
        row = {"km": float(km), "stops": 1, "to": "north"}
        ids.append(wb.monitor.record(row, 1.0, version="first", response_s=0.1).id)
        wb.monitor.feedback([(ids[0], 2.0)] if km == 0 else [])
    wb.metrics.close()
    assert wb.prune().segments == 0
    assert wb.prune(yes=True).segments >= 1
    assert [row[0] for row in TrainingStore(settings.versions_dir).labelled()] == ids[:1]


def test_a_negative_number_to_keep_is_told(kept):
    with pytest.raises(WorkbenchError, match="from 0 on"):
        kept.prune(keep=-1)


def test_the_command_shows_first_and_deletes_when_told(trained):
    store = many(trained, 3)
    shown = run(trained, "prune", "--keep=1")
    assert "goes" in shown
    assert "nothing was deleted; with --yes 2 versions and 2 other files go" in shown
    assert len(store.ids()) == 4
    assert json.loads(run(trained, "prune", "--keep=1", "--yes", "--json"))["done"]
    assert store.ids() == ["first", "v03"]
    assert "deleted 0 versions" in run(trained, "prune", "--keep=1", "--yes")


def test_a_clone_is_a_version_like_any_other(trained):
    store = VersionStore(trained.versions_dir)
    clone(store, "twin")
    assert store.load("twin").id == "twin"
