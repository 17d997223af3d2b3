import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.errors import CorruptVersion, UnknownVersion, VersionTaken, WorkbenchError
from workbench.version_store import VersionStore


@pytest.fixture
def store(trained):
    return VersionStore(trained.versions_dir)


def copy_version(store: VersionStore, new: str) -> None:
    """A second version with the files of the first, so that a test needs no second training."""
    shutil.copytree(store.folder / "models" / "first", store.folder / "models" / new)
    manifest = store.folder / "manifests"
    (manifest / f"{new}.json").write_bytes((manifest / "first.json").read_bytes())


def test_a_version_loads_and_answers_as_when_it_was_published(store):
    loaded = store.load("first")
    assert loaded.id == "first"
    assert [f.name for f in loaded.schema.features] == ["km", "stops", "to"]


@pytest.mark.parametrize("wanted", ["nothing", "../first", "", "a/b", ".hidden", "x" * 65])
def test_an_unknown_or_malformed_id_is_unknown(store, wanted):
    with pytest.raises(UnknownVersion, match="newest: first"):
        store.metadata(wanted)


@pytest.mark.parametrize("wanted", ["../up", ".hidden", "", "a b", "x" * 65, "ü"])
def test_a_malformed_id_cannot_be_claimed(store, wanted):
    with pytest.raises(WorkbenchError, match="cannot be a version id"):
        store.claim(wanted)


def test_an_id_can_be_claimed_once(store):
    store.claim("second")
    for taken in ("first", "second"):
        with pytest.raises(VersionTaken, match=f"'{taken}' exists, or is being made"):
            store.claim(taken)


def test_two_trainings_in_the_same_instant_get_two_ids(tmp_path, clock):
    store = VersionStore(tmp_path, clock=clock)
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: store.claim(), range(16)))
    assert len(set(ids)) == 16
    assert "20260101T120000000000Z" in ids


def test_what_a_version_was_made_of_and_from_is_for_its_owner_to_read(store):
    for folder in ("models/first", "training_data"):
        assert (store.folder / folder).stat().st_mode & 0o077 == 0, folder


def test_a_claim_given_back_is_free_and_a_published_version_cannot_be_given_back(store):
    store.claim("second")
    store.release("second")
    store.claim("second")
    store.release("first")
    assert store.load("first").id == "first"


def test_what_a_killed_training_left_is_swept(store):
    store.claim("dead")
    (store.folder / "models" / ".dead.building").mkdir()
    assert store.sweep() == ["dead"]
    assert [p.name for p in (store.folder / "models").iterdir()] == ["first"]


@pytest.mark.parametrize("name", [".DS_Store", ".building", ".tmp", "two words"])
def test_a_strangers_file_or_folder_beside_the_versions_costs_none_of_them(store, name):
    for make in (Path.mkdir, Path.touch):
        stranger = store.folder / "models" / name
        make(stranger)
        assert store.sweep() == []
        assert store.load("first").id == "first"
        assert stranger.exists()
        stranger.rmdir() if stranger.is_dir() else stranger.unlink()


def test_a_version_that_was_deleted_after_it_was_checked_does_not_go_live(store):
    copy_version(store, "second")
    with pytest.raises(UnknownVersion, match="second"):
        store.pointer.switch("second", by="test", reason="", still=lambda: deleted_meanwhile(store, "second"))
    assert store.live_id() == "first"


def deleted_meanwhile(store, name):
    (store.folder / "manifests" / f"{name}.json").unlink()
    store.files.hashes(name)


def test_neither_the_live_version_nor_the_one_before_can_be_withdrawn(store):
    for name in ("second", "third"):
        copy_version(store, name)
    store.activate("second", by="test", reason="")
    assert [store.withdraw(name) for name in ("first", "second", "third")] == [False, False, True]
    assert store.files.names() == ["first", "second"]
    assert store.sweep() == ["third"]


def test_the_id_of_a_version_that_was_live_stays_its_own_when_its_files_are_gone(store):
    for name in ("second", "third"):
        copy_version(store, name)
        store.activate(name, by="test", reason="")
    assert store.withdraw("first")
    store.sweep()
    for ask in (store.claim, store.check_free):
        with pytest.raises(VersionTaken, match="'first' was live once"):
            ask("first")
    with pytest.raises(UnknownVersion, match=r"'first' was live once, but its files are gone .*newest: third"):
        store.metadata("first")


@pytest.mark.parametrize("name", ["model.joblib", "metadata.json", "profile.json", "golden.json", "sample.parquet"])
def test_a_flipped_byte_in_any_file_is_found_before_anything_is_loaded(store, name):
    path = store.folder / "models" / "first" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptVersion, match=rf"first: {name} has sha256 .*, the manifest says"):
        store.load("first")


def test_a_missing_file_is_named(store):
    (store.folder / "models" / "first" / "golden.json").unlink()
    with pytest.raises(CorruptVersion, match=r"golden.json has sha256 no file"):
        store.load("first")


def test_a_version_that_answers_otherwise_is_refused(store):
    import json

    from workbench.files import sha256

    path = store.folder / "models" / "first" / "golden.json"
    golden = json.loads(path.read_text())
    golden["predictions"][0] *= 1 + 1e-6
    path.write_text(json.dumps(golden))
    manifest = store.folder / "manifests" / "first.json"
    told = json.loads(manifest.read_text()) | {"golden.json": sha256(path)}
    manifest.write_text(json.dumps(told))
    with pytest.raises(CorruptVersion, match="answers its golden inputs otherwise"):
        store.activate("first", by="test", reason="")


def test_switching_moves_the_pointer_and_the_log_remembers(store):
    copy_version(store, "second")
    store.activate("second", by="test", reason="try it")
    live = store.live()
    assert (live.version_id, live.previous, live.generation) == ("second", "first", 2)
    assert [(p.version_id, p.by, p.reason) for p in store.pointer.log()][-1] == ("second", "test", "try it")


def test_a_rollback_undoes_the_last_switch_and_can_be_undone(store):
    copy_version(store, "second")
    store.activate("second", by="test", reason="")
    assert store.rollback(by="test", reason="").version_id == "first"
    assert store.rollback(by="test", reason="").version_id == "second"


def test_without_an_earlier_version_there_is_nothing_to_roll_back_to(store):
    with pytest.raises(UnknownVersion, match="no earlier version"):
        store.rollback(by="test", reason="")


def test_a_broken_version_is_not_switched_to_and_the_old_one_stays(store):
    copy_version(store, "second")
    (store.folder / "models" / "second" / "model.joblib").write_bytes(b"nonsense")
    with pytest.raises(CorruptVersion):
        store.activate("second", by="test", reason="")
    assert store.live_id() == "first"


def test_activating_the_live_version_changes_nothing(store):
    before = store.live()
    assert store.activate("first", by="test", reason="again").generation == before.generation
    assert store.live() == before


@pytest.mark.parametrize("damage", [b"\xe3\x00", b"{", b"[]"])
def test_a_damaged_manifest_is_a_damaged_version_and_hides_no_other_one(store, damage):
    copy_version(store, "second")
    store.files.manifest("second").write_bytes(damage)
    assert store.ids() == ["first"]
    with pytest.raises(CorruptVersion, match="second: its manifest is damaged"):
        store.metadata("second")


@pytest.mark.parametrize("linked", ["folder", "file"])
def test_a_version_that_a_link_leads_to_is_not_served(trained, tmp_path, linked):
    """What lies elsewhere may change after its hash was taken."""
    store = VersionStore(trained.versions_dir)
    here = store.files.path("first") if linked == "folder" else store.files.path("first", "model.joblib")
    here.rename(tmp_path / "elsewhere")
    here.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorruptVersion, match="link"):
        store.load("first")
