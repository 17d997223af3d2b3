"""Every kind of damage is found, named with its place and its remedy; nothing is written, and nothing ends the look."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.cli.test_cli import run
from tests.conftest import until
from tests.kept import clone, files, many, seal
from tests.test_housekeeping import HOLD
from workbench import doctor, locks
from workbench.doctor import examine
from workbench.jobs import Job, Jobs
from workbench.records import Heartbeat, Prediction, utc_now, utc_text
from workbench.tokens import maintenance_token
from workbench.workspace import Workbench

ROW = {"km": 12.5, "stops": 1, "to": "north"}


@pytest.fixture
def wb(trained) -> Workbench:
    """A sound workspace: a live version, a token, some traffic, its writer at rest."""
    wb = Workbench(trained)
    for km in range(10):
        done = wb.monitor.record(ROW | {"km": float(km)}, 30.0, version="first", response_s=0.01)
        wb.monitor.feedback([(done.id, 29.0)])
    wb.metrics.close()
    maintenance_token(trained.root)
    return wb


def found(wb, level="problem") -> dict[str, tuple[str, str]]:
    """Findings of a level by what they say: (area, where)."""
    return {f.what: (f.area, f.where) for f in wb.doctor().findings if f.level == level}


def only(wb, area: str, level="problem") -> tuple[str, str, str]:
    """The one finding of a level: what, where, what to do."""
    (finding,) = [f for f in wb.doctor().findings if f.level == level]
    assert finding.area == area
    assert finding.todo
    return finding.what, finding.where, finding.todo


def segment(wb, kind="predictions") -> Path:
    return next((wb.settings.metrics_dir / kind).glob("*.jsonl"))


def write(wb, kind: str, *records) -> None:
    lines = b"".join(msgspec.json.encode(r) + b"\n" for r in records)
    (wb.settings.metrics_dir / kind).mkdir(exist_ok=True)
    (wb.settings.metrics_dir / kind / "20260101T000000000000Z-1-abcdef.jsonl").write_bytes(lines)


def prediction(recorded, event=None, **more) -> Prediction:
    times = {"recorded_at": utc_text(recorded), "event_time": utc_text(event or recorded)}
    return Prediction(version="first", inputs=ROW, output=1.0, response_s=0.1, **times, **more)


def test_a_sound_workspace_is_healthy_and_not_a_byte_of_it_changes(wb):
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(wb.settings.root.rglob("*"))}
    told = wb.doctor()
    assert (told.healthy, told.findings) == (True, ())
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(wb.settings.root.rglob("*"))} == before
    use = {u.folder: u for u in told.disk}
    assert use["versions/models"].bytes == sum(p.stat().st_size for p in wb.versions.files.path("first").iterdir())
    assert use["metrics/predictions"].files == 1
    assert told.free_bytes > told.needed_bytes > 100_000 * segment(wb).stat().st_size / 10


def test_the_command_is_exit_code_0_or_1_and_prints_a_table_or_json(wb):
    assert "all is well" in run(wb.settings, "doctor")
    assert json.loads(run(wb.settings, "doctor", "--json"))["healthy"]
    wb.versions.files.path("first", "golden.json").unlink()
    told = run(wb.settings, "doctor", code=1)
    assert "golden.json is missing" in told
    assert "2 things are to be done" in told
    assert len(json.loads(run(wb.settings, "doctor", "--json", code=1))["findings"]) == 2


def test_while_it_records_a_workspace_is_healthy_too(wb):
    wb.monitor.record(ROW, 30.0, version="first", response_s=0.01)
    with segment(wb).open("ab") as other:
        other.write(b"")
    newest = max((wb.settings.metrics_dir / "predictions").glob("*.jsonl"))
    with newest.open("ab") as half:
        half.write(b'{"id": "half')
    assert wb.doctor().findings == ()


def test_a_torn_end_of_a_closed_segment_is_a_note_and_damage_in_the_midst_a_problem(wb):
    path = segment(wb)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole) + whole[0][:-10])
    assert "1 closed segments end in the midst of a line" in only(wb, "records", "note")[0]
    assert wb.doctor().healthy
    path.write_bytes(b"".join([*whole[:3], b"\x00\x00\n", *whole[3:6], b'{"id": 5}\n', *whole[6:]]))
    what, where, _ = only(wb, "records")
    assert what == "2 of 12 lines are no valid record, the first of them line 4"
    assert where == f"metrics/predictions/{path.name}"


@pytest.mark.parametrize("kind", ["actuals", "refused", "service", "evaluations", "events"])
def test_damage_is_found_in_every_folder_of_records(wb, kind):
    (wb.settings.metrics_dir / kind).mkdir(exist_ok=True)
    (wb.settings.metrics_dir / kind / "x.jsonl").write_bytes(b"no record\n")
    assert only(wb, "records")[1] == f"metrics/{kind}/x.jsonl"


def test_what_a_folder_of_records_may_hold_ends_no_examination(wb):
    folder = wb.settings.metrics_dir / "predictions"
    (folder / "folder.jsonl").mkdir()
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "loop.jsonl").symlink_to(folder / "loop.jsonl")
    (folder / "gone.jsonl").symlink_to(folder / "nowhere")
    (folder / "long.jsonl").write_bytes(b"[" * 100_000 + b"\n")
    shutil.rmtree(wb.settings.metrics_dir / "actuals")
    (wb.settings.metrics_dir / "actuals").write_text("no folder")
    places = {f.where for f in wb.doctor().findings if f.area == "records"}
    names = ("folder", "pipe", "loop", "gone", "long")
    assert places == {"metrics/actuals", *(f"metrics/predictions/{name}.jsonl" for name in names)}


def test_records_from_the_future_and_stamps_that_go_backwards_are_told(wb):
    now = utc_now()
    write(wb, "predictions", *(prediction(now + timedelta(hours=h)) for h in (-3, -2, -3, 1, 2)))
    told = list(found(wb))
    assert told[0].startswith("2 records are stamped in the future, up to ")
    assert told[1].startswith("stamps go backwards in 20260101T000000000000Z-1-abcdef.jsonl")


def test_event_times_far_from_recorded_ones_are_told_and_a_replay_is_a_note(wb):
    now = utc_now()
    times = [now + timedelta(days=3), now - timedelta(days=4000), now - timedelta(days=40), now - timedelta(hours=1)]
    write(wb, "predictions", *(prediction(now, event) for event in times))
    told = list(found(wb))
    assert told[0].startswith("1 of 14 predictions happened more than a day after they were recorded")
    assert told[1].startswith(
        "1 of 14 predictions happened more than a year before they were recorded, up to 11.0 years"
    )
    write(wb, "predictions", *(prediction(now, now - timedelta(days=4000)) for _ in range(30)))
    assert "30 of 40 predictions" in only(wb, "clock", "note")[0]


def test_heartbeats_from_the_future_and_from_before_their_worker_started_are_told(wb):
    now = utc_now()
    told = {"worker": 1, "every_s": 5.0, "version": "first", "cpu_share": 0.1, "memory_mb": 100.0}
    beats = [
        Heartbeat(recorded_at=utc_text(now - timedelta(hours=2)), started_at=utc_text(now), **told),
        Heartbeat(recorded_at=utc_text(now + timedelta(hours=2)), started_at=utc_text(now), **told),
    ]
    write(wb, "service", *beats)
    assert [(what[:11], where) for what, (_, where) in found(wb).items()] == [
        ("1 records a", "metrics/service"),
        ("1 heartbeat", "metrics/service"),
    ]


def test_a_flipped_byte_in_any_file_of_a_version_is_found_and_that_it_is_the_live_one(wb):
    for name in ("model.joblib", "sample.parquet"):
        path = wb.versions.files.path("first", name)
        whole = path.read_bytes()
        path.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
        assert list(found(wb)) == [
            f"version first: {name} is not what the manifest says (sha256)",
            "the live version, first, is not what its manifest says",
        ]
        path.write_bytes(whole)
    assert wb.doctor().healthy


def test_missing_extra_and_orphaned_files_of_versions_are_told_apart(wb):
    store = many(wb.settings, 4, days=-5000)
    store.files.path("v01", "model.joblib").unlink()
    shutil.rmtree(store.files.path("v02"))
    store.files.path("v03", "notes.txt").write_text("mine")
    store.files.manifest("v04").unlink()
    store.files.manifest("v 05").write_text("{}")
    (store.folder / "models" / "stray.txt").write_text("")
    (store.folder / "training_data" / ".999999.building").write_text("")
    problems, notes = found(wb), found(wb, "note")
    assert problems.pop("version v01: model.joblib is missing") == ("versions", "versions/models/v01")
    assert problems.pop("version v02: its files are missing") == ("versions", "versions/models/v02")
    assert [where for _, where in problems.values()] == ["versions/manifests/v 05.json"]
    extra, orphan, stranger, half = notes
    assert half.startswith("1 files that nothing uses")
    assert extra == "version v03: notes.txt is on no manifest"
    assert orphan.startswith("v04: models without a manifest")
    assert stranger == "stray.txt is no version"


def test_a_model_without_a_manifest_is_no_finding_while_a_retrain_makes_it(wb):
    wb.versions.claim("new")
    assert list(found(wb, "note"))
    with wb.versions.retrain_lock():
        assert not found(wb, "note")


def test_a_version_from_the_future_or_under_another_name_or_without_its_rows_is_told(wb):
    clone(wb.versions, "later", days=200_000)
    shutil.copytree(wb.versions.files.path("first"), wb.versions.files.path("other"))
    seal(wb.versions, "other")
    told = found(wb)
    assert ("clock", "versions/models/later/metadata.json") in told.values()
    assert told["version other says that it is version first"][0] == "versions"
    next((wb.versions.folder / "training_data").glob("*.parquet")).unlink()
    missing = [what for what, (area, _) in found(wb).items() if area == "training"]
    assert missing == [f"the training rows of version {name} are missing" for name in ("first", "later", "other")]


def test_damaged_training_rows_and_archived_labels_are_told_and_unused_ones_noted(wb):
    folder = wb.versions.folder / "training_data"
    path = next(folder.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    (folder / f"{'0' * 64}.parquet").write_bytes(b"old")
    (wb.versions.folder / "labelled").mkdir()
    (wb.versions.folder / "labelled" / "20260101T000000000000Z-x.parquet").write_bytes(b"PAR1")
    told = [(f.area, f.what[:20]) for f in wb.doctor().problems]
    assert told == [("training", "is not what its name")] * 2 + [("training", "cannot be read: Parq")]
    assert "files that nothing uses" in next(iter(found(wb, "note")))


def test_a_damaged_pointer_is_told_with_its_remedy(wb):
    wb.versions.pointer.path.write_text(wb.versions.pointer.path.read_text().replace('"first"', '"second"'))
    what, where, todo = only(wb, "pointer")
    assert "does not match its checksum" in what
    assert where == "versions/live.json"
    assert "activate" in todo


def test_a_pointer_to_versions_that_are_not_there_is_told(wb):
    store = many(wb.settings, 2)
    for name in ("v01", "v02"):
        store.activate(name, by="test", reason="")
    for name in ("v01", "v02"):
        store.files.manifest(name).unlink()
    told = list(found(wb))
    assert "the live version, v02, does not exist" in told
    assert "the version before the live one, v01, does not exist" in told


def test_a_log_that_does_not_agree_with_the_pointer_is_told(wb):
    clone(wb.versions, "second", days=-5000)
    wb.versions.activate("second", by="test", reason="")
    log = wb.versions.pointer.log_path
    first, second = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(first)
    assert "the pointer says generation 2, second, the log's last line generation 1, first" in found(wb, "note")
    log.write_bytes(first + second + second)
    assert only(wb, "pointer")[0] == "its generations do not grow"
    log.write_bytes(b"{}\n" + second + b'{"ver')
    assert only(wb, "pointer")[0] == "1 of 2 lines are damaged"
    assert "its last line is torn" in only(wb, "pointer", "note")[0]
    log.write_bytes(first + second)
    wb.versions.pointer.path.unlink()
    assert "the pointer says nothing, the log's last line generation 2, second" in found(wb)


def test_settings_that_cannot_be_loaded_are_a_finding_and_the_rest_is_examined(wb):
    toml = wb.settings.root / "workbench.toml"
    toml.write_text(toml.read_text() + "\n[monitor]\nwindov = 3\n")
    wb.versions.files.path("first", "golden.json").unlink()
    told = examine(wb.settings.root)
    assert [f.area for f in told.findings] == ["settings", "versions", "pointer"]
    assert "windov" in told.findings[0].what
    assert "no workbench.toml in" in examine(wb.settings.root.parent / "nowhere").findings[0].what


def test_base_data_that_are_gone_are_told(wb):
    (wb.settings.root / "trips.csv").unlink()
    assert only(wb, "settings")[0] == "[model] data = 'trips.csv' is not there"


def test_a_token_that_others_may_read_and_folders_that_others_may_write_are_told(wb):
    (wb.settings.root / ".workbench-token").chmod(0o644)
    assert "mode 0644, not 0600" in only(wb, "permissions")[0]
    (wb.settings.root / ".workbench-token").chmod(0o600)
    (wb.settings.versions_dir / "models").chmod(0o777)
    what, where, todo = only(wb, "permissions")
    assert "a model is a pickle" in what
    assert where == "versions/models"
    assert todo.startswith("chmod o-w")


def test_folders_that_this_user_cannot_write_or_even_list_are_told_and_the_look_goes_on(wb):
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        root = Path(shutil.copytree(wb.settings.root, Path(place) / "ws"))
        for path in (root, *root.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (root / "metrics" / "predictions").chmod(0o700)
        (root / "versions" / "manifests" / "first.json").chmod(0o600)
        read, write_to = os.pipe()
        child = os.fork()
        if child == 0:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            else:
                (root / "metrics" / "predictions").chmod(0o000)
                (root / "versions" / "manifests" / "first.json").chmod(0o000)
                root.chmod(0o555)
            os.write(write_to, msgspec.json.encode(examine(root).findings))
            os._exit(0)
        os.close(write_to)
        with os.fdopen(read, "rb") as answer:
            told = json.loads(answer.read())
        os.waitpid(child, 0)
        (root / "metrics" / "predictions").chmod(0o700)
    areas = {f["where"]: f["what"] for f in told}
    assert areas["."] == "this user cannot write into it"
    assert "cannot be examined" in areas["metrics/predictions"] or "cannot write" in areas["metrics/predictions"]
    assert "cannot be examined" in areas["versions/manifests/first.json"]


def test_a_job_whose_process_is_gone_is_told_and_one_that_runs_is_none(wb):
    jobs, me = Jobs(wb.settings, wb.metrics), psutil.Process()
    told = {"state": "running", "reason": "", "trigger": "", "by": "", "started_at": utc_text(utc_now())}
    jobs.write(Job(id="alive", pid=me.pid, pid_created=me.create_time(), **told))
    assert wb.doctor().healthy
    jobs.write(Job(id="dead", pid=me.pid, pid_created=1.0, **told))
    assert "its process" in only(wb, "jobs")[0]
    (jobs.folder / "dead.json").write_text("{")
    assert only(wb, "jobs")[1] == "metrics/jobs/dead.json"


@pytest.mark.parametrize("table", ["/proc/locks", "nowhere"])
def test_a_lock_is_told_with_its_holder_where_the_kernel_says_it(wb, monkeypatch, table):
    monkeypatch.setattr(locks, "TABLE", Path(table))
    path = wb.versions.folder / "retrain.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        told = {lock.path: lock for lock in wb.doctor().locks}
        lock = told["versions/retrain.lock"]
        assert (lock.held, lock.what) == (True, "a retrain")
        if Path(table).exists():
            assert lock.pid == holder.pid
            assert "filelock.FileLock" in lock.command
        assert not told["versions/switch.lock"].held
        assert wb.doctor().healthy
        holder.stdin.close()
    assert not any(lock.held for lock in wb.doctor().locks)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the kernel keeps no table of locks")
def test_a_lock_whose_holder_was_halted_is_a_problem(wb):
    command = [sys.executable, "-c", HOLD, str(wb.versions.folder / "retrain.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGSTOP)
        until(lambda: psutil.Process(holder.pid).status() == psutil.STATUS_STOPPED)
        what, _, todo = only(wb, "locks")
        assert f"process {holder.pid}, which was halted" in what
        assert f"kill -CONT {holder.pid}" in todo
        holder.send_signal(signal.SIGCONT)
        holder.stdin.close()


def test_a_disk_that_is_nearly_full_is_told_with_what_would_make_room(wb, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE", 1.0)
    what, todo = next((f.what, f.todo) for f in wb.doctor().problems if f.area == "disk")
    assert "one history and one retrain take" in what
    assert "prune" in todo
    monkeypatch.setattr(doctor, "LEAST_FREE", 0.0)
    monitor = wb.settings.monitor.model_copy(update={"history": 10**15})
    case = doctor.Case(wb.settings.root, wb.settings.model_copy(update={"monitor": monitor}), utc_now)
    assert [f.area for f in doctor._free(case, doctor._needed(case, []))] == ["disk"]


def test_other_libraries_than_the_live_version_was_trained_with_are_told(wb):
    path = wb.versions.files.path("first", "metadata.json")
    told = json.loads(path.read_text())
    told["libraries"]["sklearn"] = "0.1.2"
    path.write_text(json.dumps(told))
    seal(wb.versions, "first")
    assert "was trained with sklearn 0.1.2, here " in only(wb, "libraries")[0]


def test_an_imported_workspace_is_healthy(wb, tmp_path):
    wb.export(tmp_path / "ws.tar.gz")
    moved = Workbench.import_(tmp_path / "ws.tar.gz", tmp_path / "new")
    assert moved.doctor().findings == ()
    assert files(moved.settings.root / "versions") == files(wb.settings.root / "versions")


@pytest.mark.parametrize(
    "place",
    [
        "workbench.toml",
        "versions/live.json",
        "versions/promotions.jsonl",
        "versions/manifests/first.json",
        "versions/models/first/metadata.json",
        "versions/training_data/0.parquet",
        "metrics/jobs/1.json",
    ],
)
def test_a_pipe_or_a_device_in_the_place_of_a_file_is_told_and_not_waited_for(wb, place):
    path = wb.settings.root / place
    path.parent.mkdir(exist_ok=True)
    for make in (os.mkfifo, lambda path: os.symlink("/dev/zero", path)):
        path.unlink(missing_ok=True)
        make(path)
        assert not examine(wb.settings.root).healthy
