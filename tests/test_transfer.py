"""A workspace into one file and back: nothing half, nothing foreign, nothing secret."""

import hashlib
import json
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.cli.test_cli import run
from tests.kept import files, many
from tests.test_housekeeping import HOLD
from workbench import transfer
from workbench.errors import Busy, SettingsError, WorkbenchError
from workbench.importing import import_workspace
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.tokens import maintenance_token
from workbench.transfer import export
from workbench.version_store import VersionStore
from workbench.workspace import Workbench

ROW = {"km": 12.5, "stops": 1, "to": "north"}


@pytest.fixture
def served(trained) -> Workbench:
    """A workspace whose live version has answered, with some of the truth."""
    wb = Workbench(trained)
    ids = [wb.monitor.record(ROW | {"km": float(km)}, 30.0, version="first", response_s=0.01).id for km in range(20)]
    wb.monitor.feedback([(name, 29.0) for name in ids[:10]])
    return wb


@pytest.fixture
def archive(served, tmp_path) -> Path:
    served.export(tmp_path / "ws.tar.gz")
    return tmp_path / "ws.tar.gz"


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}


def test_an_imported_workspace_is_the_same_and_works(served, archive, tmp_path):
    moved = Workbench.import_(archive, tmp_path / "new")
    assert files(moved.settings.root) == files(served.settings.root)
    assert moved.metrics.window() == served.metrics.window()
    assert moved.metrics.actuals() == served.metrics.actuals()
    assert moved.versions.live() == served.versions.live()
    assert moved.versions.load("first").metadata == served.versions.metadata("first")
    assert json.loads(run(moved.settings, "status", "--json"))["live"]["version_id"] == "first"
    assert "first" in run(moved.settings, "versions")
    moved.monitor.record(ROW, 30.0, version="first", response_s=0.01)
    assert len(moved.metrics.window()) == 21
    # The base data count as unchanged: what was tried before is not tried again.
    data = [(w.settings.root / "trips.csv").stat().st_mtime_ns for w in (served, moved)]
    assert data[0] == data[1]
    ModelRetrainer(moved.settings, moved.versions, moved.metrics).retrain("second", promote="always")
    assert moved.versions.live_id() == "second"


def test_the_archive_lists_the_sha256_of_every_file_and_its_format(archive):
    found = members(archive)
    names = list(found)
    assert (names[0], names[-1]) == ("archive.json", "files.json")
    assert json.loads(found["archive.json"])["format"] == 1
    listed = {e["path"]: e["sha256"] for e in json.loads(found["files.json"])}
    assert listed == {n: hashlib.sha256(found[n]).hexdigest() for n in names[1:-1]}


def test_tokens_locks_the_webhook_and_the_database_stay_behind(served, tmp_path):
    token = maintenance_token(served.settings.root)
    toml = served.settings.root / "workbench.toml"
    toml.write_text(
        toml.read_text() + '\n[alerts]\ntimeout_s = 3\nwebhook = "https://hooks.example/secret"\n'
        '[metrics]\nurl = "postgresql://me:secret@127.0.0.1:1/x"\nship_every_s = 2\n'
    )
    for stray in ("versions/.secret", "metrics/lab/x.json", "metrics/logs/lab.log"):
        (served.settings.root / stray).parent.mkdir(exist_ok=True)
        (served.settings.root / stray).write_text(token)
    done = export(load_settings(served.settings.root), tmp_path / "ws.tar.gz")
    assert any("webhook" in note for note in done.notes)
    found = members(tmp_path / "ws.tar.gz")
    assert not any(
        token.encode() in data or b"hooks.example" in data or b"me:secret" in data for data in found.values()
    )
    assert not any(name.endswith(".lock") or "/." in name or "lab" in name for name in found)
    moved = Workbench.import_(tmp_path / "ws.tar.gz", tmp_path / "new").settings
    assert (moved.alerts.webhook, moved.alerts.timeout_s) == (None, 3)
    assert (moved.metrics.url, moved.metrics.ship_every_s) == (None, 2)
    assert any("other machines" in note for note in done.notes)


def test_a_webhook_that_cannot_be_left_out_is_no_reason_to_let_it_go_along(served, tmp_path):
    toml = served.settings.root / "workbench.toml"
    toml.write_text('alerts = { webhook = "https://hooks.example/secret" }\n' + toml.read_text())
    with pytest.raises(SettingsError, match="WORKBENCH_ALERTS__WEBHOOK"):
        export(load_settings(served.settings.root), tmp_path / "ws.tar.gz")
    assert not list(tmp_path.glob("*ws.tar.gz*"))


def test_without_records_no_row_goes_along_but_what_is_in_force_does(served, tmp_path):
    (served.settings.versions_dir / "labelled").mkdir()
    (served.settings.versions_dir / "labelled" / "x.parquet").write_bytes(b"rows")
    run(served.settings, "pause", "--reason=holidays")
    served.export(tmp_path / "ws.tar.gz", records=False)
    folders = {name.rsplit("/", 1)[0] for name in members(tmp_path / "ws.tar.gz") if name.startswith("metrics")}
    assert folders == {"metrics/events"}
    moved = Workbench.import_(tmp_path / "ws.tar.gz", tmp_path / "new")
    assert not (moved.settings.versions_dir / "labelled").exists()
    assert "paused: holidays" in run(moved.settings, "status")


def test_base_data_too_large_or_outside_are_left_out_and_it_is_said(served, tmp_path):
    assert "--data-mb is 0" in served.export(tmp_path / "small.tar.gz", data_mb=0).notes[0]
    assert "trips.csv" not in members(tmp_path / "small.tar.gz")
    assert "trips.csv' was left out" in import_workspace(tmp_path / "small.tar.gz", tmp_path / "new").notes[0]
    (tmp_path / "trips.csv").write_text("km\n1\n")
    for place in ("../trips.csv", str(tmp_path / "trips.csv"), "nowhere.csv", "shop.data:rows"):
        model = served.settings.model.model_copy(update={"data": place})
        done = export(served.settings.model_copy(update={"model": model}), tmp_path / "out.tar.gz")
        assert repr(place) in done.notes[0]
        (tmp_path / "out.tar.gz").unlink()


def test_what_a_writer_has_not_finished_is_left_behind(served, tmp_path):
    served.metrics.close()
    segment = next((served.settings.metrics_dir / "predictions").glob("*.jsonl"))
    whole = segment.read_bytes()
    segment.write_bytes(whole + b'{"id": "half')
    with (served.settings.versions_dir / "promotions.jsonl").open("ab") as log:
        log.write(b'{"version')
    served.export(tmp_path / "ws.tar.gz")
    found = members(tmp_path / "ws.tar.gz")
    assert found[f"metrics/predictions/{segment.name}"] == whole
    assert found["versions/promotions.jsonl"].endswith(b"}\n")


def test_while_another_process_records_every_line_is_whole_and_every_actual_has_its_prediction(served, tmp_path):
    code = (
        "import sys, itertools\n"
        "from workbench.workspace import Workbench\n"
        "wb = Workbench.open(sys.argv[1])\n"
        "for i in itertools.count():\n"
        "    done = wb.monitor.record({'km': 1.0}, 1.0, version='first', response_s=0.01)\n"
        "    wb.monitor.feedback([(done.id, 2.0)])\n"
        "    if i == 20: print('writing', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(served.settings.root)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"writing\n"
        for number in range(3):
            served.export(tmp_path / f"{number}.tar.gz")
        writer.kill()
    for number in range(3):
        moved = Workbench.import_(tmp_path / f"{number}.tar.gz", tmp_path / str(number)).metrics
        known = {p.id for p in moved.history()}
        assert len(known) > 40
        assert {a.prediction_id for a in moved.actuals()} <= known
        assert moved.damaged() == 0


def test_a_version_damaged_already_goes_along_and_is_named(served, tmp_path):
    many(served.settings, 2)
    served.versions.files.path("v01", "model.joblib").write_bytes(b"nonsense")
    served.versions.files.manifest("v02").write_bytes(b"nonsense")
    done = served.export(tmp_path / "ws.tar.gz")
    assert done.versions == ("first", "v01")
    assert [note.split(":")[0] for note in done.notes] == [
        "version v01 does not match its manifest, and is no better in the copy",
        "version left out",
    ]


def test_an_export_replaces_nothing_and_waits_for_no_prune_for_ever(served, archive, monkeypatch):
    with pytest.raises(WorkbenchError, match="is there already"):
        served.export(archive)
    monkeypatch.setattr(transfer, "WAIT_S", 0.1)
    command = [sys.executable, "-c", HOLD, str(served.versions.folder / "prune.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Busy, match="a prune is under way"):
            served.export(archive.with_name("other.tar.gz"))
        holder.stdin.close()
    with pytest.raises(WorkbenchError, match="was not written"):
        served.export(archive.parent / "nowhere" / "x.tar.gz")


def test_an_import_spares_what_is_there_and_names_it(served, archive, tmp_path):
    before = files(served.settings.root)
    with pytest.raises(WorkbenchError, match=r"already holds workbench.toml, versions/ \(\d+ files\), metrics/ \("):
        import_workspace(archive, served.settings.root)
    assert files(served.settings.root) == before
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "trips.csv").write_text("mine")
    with pytest.raises(WorkbenchError, match=r"already holds trips.csv; name an empty folder"):
        import_workspace(archive, tmp_path / "new")
    assert files(tmp_path / "new") == {"trips.csv": b"mine"}
    (tmp_path / "new" / "trips.csv").rename(tmp_path / "new" / "notes.csv")
    (tmp_path / "new" / "versions").mkdir()
    import_workspace(archive, tmp_path / "new")
    assert (tmp_path / "new" / "notes.csv").read_text() == "mine"


def test_a_flipped_byte_anywhere_or_a_missing_end_is_one_line_and_leaves_nothing(archive, tmp_path):
    whole = archive.read_bytes()
    broken = []
    for i in range(12):
        data = bytearray(whole)
        data[12 + i * (len(whole) - 13) // 11] ^= 0x10
        broken.append(bytes(data))
    broken += [whole[: len(whole) * i // 5] for i in range(5)] + [whole[:-1]]
    for data in broken:
        archive.write_bytes(data)
        with pytest.raises(WorkbenchError, match="nothing was imported") as caught:
            import_workspace(archive, tmp_path / "new")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "new").exists()


def test_the_commands_say_what_they_did(served, tmp_path):
    told = run(served.settings, "export", str(tmp_path / "ws.tar.gz"))
    assert "1 versions" in told
    told = run(tmp_path / "a", "import", str(tmp_path / "ws.tar.gz"))
    assert f"{tmp_path}/a: the workspace of trips as it was at {time.strftime('%Y')}" in told
    told = run(tmp_path, "import", str(tmp_path / "ws.tar.gz"), "--root", str(tmp_path / "b"), "--json")
    assert json.loads(told)["root"] == str(tmp_path / "b")
    assert VersionStore(tmp_path / "b" / "versions").load("first").id == "first"
