"""Every kind of damage is found, named with its place and its remedy; nothing is written, and nothing ends the look."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.cli.test_cli import run
from tests.conftest import until
from tests.doctor.conftest import found, only, segment
from tests.kept import files, seal
from tests.test_housekeeping import HOLD
from workbench import doctor, locks
from workbench.doctor import examine
from workbench.jobs import Job, Jobs
from workbench.moments import utc_now, utc_text
from workbench.workspace import Workbench


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


def test_a_database_that_cannot_be_reached_is_found_without_its_password(wb):
    with (wb.settings.root / "workbench.toml").open("a") as toml:
        toml.write('\n[metrics]\nurl = "postgresql://me:secret@127.0.0.1:1/x"\n')
    what, where, _ = only(wb, "settings")
    assert "127.0.0.1:1/x cannot be used now" in what
    assert (where, "secret" in what) == ("workbench.toml", False)
    (wb.settings.metrics_dir / "moved-back").touch()
    assert "[metrics] url is set, and everybody's records were moved back here" in found(wb)
