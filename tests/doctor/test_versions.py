"""Damage among versions, training rows and the pointer is found, named with its place and its remedy."""

import shutil

from tests.doctor.conftest import found, only
from tests.kept import clone, many, seal


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
    assert "live.json is gone" in only(wb, "pointer")[0]
