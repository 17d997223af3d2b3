"""Inputs that are kept out when the settings change, with another key, and in rows and frames of any kind."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pandas as pd
import pytest

from service.app import create_app
from tests.conftest import trips
from tests.kept_inputs.telltales import FEATURES, STORE, cases, retrain, telling, workspace
from tests.service.conftest import Client, start
from workbench.backtest import recorded
from workbench.doctor import examine
from workbench.ensemble import answer
from workbench.errors import CorruptVersion, DataError, SettingsError, WorkbenchError
from workbench.features import comparable, infer_schema, to_rows
from workbench.history_source import prepare
from workbench.kept_inputs import Keeper, of_settings
from workbench.material import material
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now
from workbench.monitor import ModelMonitor
from workbench.rows import is_hash
from workbench.settings import load_settings, with_values
from workbench.switch_watch import SwitchWatch
from workbench.tokens import HASH_KEY_FILE, hash_key
from workbench.version_store import VersionStore
from workbench.workspace import Workbench


@pytest.fixture
def copied(trained, tmp_path):
    return load_settings(shutil.copytree(trained.root, tmp_path / "ws"))


def test_a_version_is_not_asked_with_another_key(copied):
    versions = VersionStore(copied.versions_dir)
    (copied.root / HASH_KEY_FILE).unlink()
    for use in (versions.load, versions.serve):
        with pytest.raises(CorruptVersion, match="is not there; copy that file"):
            use("first")
    assert not (copied.root / HASH_KEY_FILE).exists()
    hash_key(copied.root)
    with pytest.raises(CorruptVersion, match="hashed with the key"):
        versions.load("first")


def test_a_damaged_key_is_never_replaced(copied):
    (copied.root / HASH_KEY_FILE).write_text("half\n")
    with pytest.raises(WorkbenchError, match="restore it from a copy"):
        of_settings(copied)
    with pytest.raises(CorruptVersion, match="cannot be asked"):
        VersionStore(copied.versions_dir).load("first")
    with pytest.raises(WorkbenchError, match="restore it from a copy"):
        create_app(copied)


def test_the_doctor_sees_a_key_that_others_may_read(copied):
    (copied.root / HASH_KEY_FILE).chmod(0o644)
    (found,) = (f for f in examine(copied.root).problems if f.where == HASH_KEY_FILE)
    assert "chmod 600" in found.todo


def test_keys_are_private_and_processes_that_start_together_agree(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: hash_key(tmp_path), range(16)))
    assert keys == {hash_key(tmp_path)}
    assert (tmp_path / HASH_KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [HASH_KEY_FILE]


def test_what_is_recorded_follows_the_settings_at_once(tmp_path):
    settings = workspace(tmp_path / "ws", store="")
    retrain(settings, "first")
    with (settings.root / "workbench.toml").open("a") as file:
        file.write(STORE)
    settings = load_settings(settings.root)
    before = telling(settings.root)
    row = to_rows(cases(1, 250)[FEATURES])[0]
    with Client(start(settings)) as client:
        assert client.until_ready().post("/predict", json={"instances": [row]}).status_code == 200
    assert telling(settings.root) == before
    # What was learnt raw cannot be asked about a hash, nor meet at the gate what has learnt hashes.
    with pytest.raises(DataError, match="card takes what was asked, or a hash by its key, found 'its hash'"):
        Workbench(settings).whatif("first")
    assert retrain(settings, "second", "always").metadata.gate.verdict == "cannot tell"
    assert Workbench(settings).whatif("second").n == 1


def test_a_version_is_not_watched_beside_one_that_cannot_be_asked_about_hashes(tmp_path):
    settings = workspace(tmp_path / "ws", store="")
    retrain(settings, "raw")
    settings = with_values(settings, {"store.card": "hashed", "probation.rows": 100, "probation.max_shift": 0.5})
    retrain(settings, "hashed", "always")
    wb = Workbench(settings)
    rows = to_rows(cases(100, 250, cards=(5,))[FEATURES])
    version = wb.versions.load("hashed")
    said = answer(version.estimator, version.schema, version.keeper.rows(rows)).predictions
    for row, y in zip(rows, said, strict=True):
        wb.monitor.record(row, y, version="hashed", response_s=0.01)
    assert all(is_hash(p.inputs["card"]) for p in wb.metrics.history())
    watch = SwitchWatch(settings, wb.metrics, wb.versions, wb.versions.load)
    assert watch.look(wb.versions.live(), now=utc_now()).state == "passed"


def test_what_was_recorded_raw_is_asked_about_and_played_as_what_is_kept_now(copied):
    wb = Workbench(copied)
    rows = to_rows(cases(60, 250)[FEATURES])
    raw = ModelMonitor(wb.metrics, copied.model_copy(update={"store": {}}))
    made = [raw.record(row, 0.0, version="before", response_s=0.01) for row in rows]
    raw.feedback([(p.id, 40.0) for p in made])
    version = wb.versions.load("first")
    said = answer(version.estimator, version.schema, version.keeper.rows(rows)).predictions
    assert sorted(row.whatif for row in wb.whatif("first", most=60).changed) == pytest.approx(sorted(said))
    prepare(copied.root / "history", copied, recorded=lambda: recorded(copied), curve=lambda: None)
    assert telling(copied.root / "history") == set()
    assert retrain(copied, "second", "always").metadata.training_data.labelled_predictions == 60
    assert telling(copied.versions_dir) == set()


def test_another_setting_is_something_new_to_learn(copied):
    other = with_values(copied, {"store.to": "none"})
    with closing(MetricsStore.of(copied)) as metrics:
        before, after = (material(told, metrics, []).fingerprint for told in (copied, other))
    assert before != after


def test_labelled_predictions_are_learnt_from_whatever_was_kept_of_them():
    frame = pd.DataFrame({"card": ["a", None], "badge": [7, 8.5]})
    kinds = {"card": "categorical", "badge": "numeric"}
    ours, theirs = (Keeper(hashed=frozenset(kinds), key=key) for key in (b"ours", b"theirs"))
    hashed = ours.frame(frame, kinds)
    mixed = pd.concat([frame.astype(object), hashed, theirs.frame(frame, kinds)], ignore_index=True)
    again = ours.recorded(mixed, kinds)
    assert again["badge"].tolist()[:4] == [ours.value("badge", 7.0), ours.value("badge", 8.5)] * 2
    assert again["badge"].isna().tolist() == [False] * 4 + [True] * 2
    assert again["card"].isna().tolist() == [False, True, False, True, True, True]
    # Back to raw: what was hashed is gone.
    raw = Keeper().recorded(mixed, {})
    assert raw["badge"].isna().tolist() == [False, False, True, True, True, True]
    pd.testing.assert_series_equal(raw["card"][:2], frame["card"], check_dtype=False)


def test_a_row_and_a_frame_have_the_same_hashes():
    frame = pd.DataFrame({"n": [7, 8], "x": [7.0, 8.5], "b": [True, False], "t": ["7", "é"]})
    keeper = Keeper(hashed=frozenset(frame.columns), key=b"k" * 32)
    kinds = {"n": "numeric", "x": "numeric", "b": "boolean", "t": "categorical"}
    rows = [{"n": 7.0, "x": 7, "b": True, "t": "7"}, {"n": 8, "x": 8.5, "b": False, "t": "é"}]
    assert keeper.frame(frame, kinds).to_dict("records") == keeper.rows(rows)
    # One value, two features, two hashes: what is equal across features is not told.
    assert keeper.value("n", 7) != keeper.value("x", 7)


def test_rows_and_frames_that_are_kept_raw_are_passed_on_untouched():
    rows, frame = [{"x": 1.0}], pd.DataFrame({"x": [1.0]})
    assert Keeper().rows(rows) is rows
    assert Keeper().frame(frame, {}) is frame


def test_a_version_that_took_a_feature_raw_cannot_be_asked_about_its_hash():
    frame = pd.DataFrame({"card": ["a", "b"], "y": [1.0, 2.0]})
    asked = infer_schema(frame, task="regression", target="y")
    one, other = (Keeper(hashed=frozenset({"card"}), key=key) for key in (b"one", b"other"))
    ours, theirs = (k.schema(asked, k.frame(frame, {"card": "categorical"})) for k in (one, other))
    assert comparable(ours, ours)
    assert not any(comparable(a, b) for a, b in ((asked, ours), (ours, asked), (ours, theirs)))


def test_a_number_that_is_hashed_and_has_many_values_is_no_drift_by_itself():
    """Nearly every value is unseen then, in the reference as in the window."""
    from workbench import drift, profiles
    from workbench.sections import DriftSettings

    keeper, kinds = Keeper(hashed=frozenset({"km"}), key=b"key"), {"km": "numeric"}
    learnt, window = (keeper.frame(trips(n, seed=n)[["km"]], kinds) for n in (2000, 300))
    (profile,) = (profiles.categorical("km", learnt["km"]),)
    found = drift.check(window, (profile,), limits=DriftSettings(), false_alarm_rate=0.006)
    assert found.feature("km").state in ("ok", "insufficient")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('nmae = "none"', "nmae is no feature: they are km, stops, to, card, badge, name, pin"),
        ('minutes = "none"', "minutes is no feature"),
        ('name = "hash"', "'store.name' is 'hash': input should be 'raw', 'hashed' or 'none'"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, line, told):
    with pytest.raises(SettingsError, match=re.escape(told)):
        workspace(tmp_path / "ws", store=f"[store]\n{line}\n")


def test_a_name_that_no_column_has_is_told_before_anything_is_learnt(tmp_path):
    settings = workspace(tmp_path / "ws")
    toml = (settings.root / "workbench.toml").read_text()
    toml = re.sub(r"(?m)^features = .*$", "", toml).replace("card  =", "crad =")
    (settings.root / "workbench.toml").write_text(toml)
    with pytest.raises(SettingsError, match="names 'crad', which is no feature; they are km, stops"):
        retrain(load_settings(settings.root), "first")


def test_keeping_nothing_of_any_feature_leaves_nothing_to_learn(tmp_path):
    every = "".join(f'{name} = "none"\n' for name in FEATURES)
    with pytest.raises(SettingsError, match="nothing left to learn"):
        retrain(workspace(tmp_path / "ws", store=f"[store]\n{every}"), "first")
