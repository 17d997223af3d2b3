"""Inputs that are kept out: no stored file holds them, hashes are learnt and watched, and clients notice nothing."""

import gzip
import io
import re
import shutil
import struct
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from service.app import create_app
from tests.conftest import TOML, trips
from tests.service.conftest import Client, start
from workbench.backtest import Backtest, recorded
from workbench.cli.replay import Replay, traffic
from workbench.doctor import examine
from workbench.drill import rehearse
from workbench.ensemble import answer
from workbench.errors import CorruptVersion, DataError, SettingsError, WorkbenchError
from workbench.features import comparable, infer_schema, to_rows
from workbench.history_source import prepare
from workbench.kept_inputs import Keeper, of_settings
from workbench.material import material
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.records import utc_now
from workbench.retrainer import ModelRetrainer
from workbench.rows import is_hash, problems
from workbench.settings import load_settings, with_values
from workbench.shared_fits import SharedFits
from workbench.simulation import Simulation
from workbench.switch_watch import SwitchWatch
from workbench.tokens import HASH_KEY_FILE, hash_key
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore
from workbench.workspace import Workbench

FEATURES = ["km", "stops", "to", "card", "badge", "name", "pin"]
STORE = """
[store]
card  = "hashed"
badge = "hashed"
name  = "none"
pin   = "none"
"""
EXTRA = """
[monitor]
window = 200
history = 300
segment_rows = 50
[performance]
segment = "card"
[backtest]
reference_share = 0.4
"""
BADGES = [7319870.25 + k for k in range(6)]
PINS = [5550000.5 + k for k in range(600)]
TELLTALES = [re.compile(rb"TELLTALE-(CARD|NAME|WRONG)"), re.compile(rb"731987\d\.25"), re.compile(rb"555\d{4}\.5")]


def cases(n: int, first: int = 0, cards: tuple[int, ...] = (0, 1, 2, 3, 4, 5)) -> pd.DataFrame:
    """Trips that last ten minutes longer with each card, and the values that must not be found again."""
    frame = trips(n, seed=first, start=str(pd.Timestamp("2026-01-01") + pd.Timedelta(hours=first)))
    rng = np.random.default_rng(first)
    chosen = rng.choice(cards, n)
    return frame.assign(
        card=[f"TELLTALE-CARD-{k}" for k in chosen],
        badge=rng.choice(BADGES, n),
        name=[f"TELLTALE-NAME-{first + i}" for i in range(n)],
        pin=PINS[first : first + n],
        minutes=frame["minutes"] + 10.0 * chosen,
    )


def workspace(root, store: str = STORE):
    root.mkdir(parents=True)
    cases(250).to_csv(root / "trips.csv", index=False)
    toml = TOML.format(task="regression", target="minutes").replace('["km", "stops", "to"]', str(FEATURES))
    toml = toml.replace("\n[retrain]", 'members = ["linear"]\n[retrain]\nrecipes = ["everything"]')
    (root / "workbench.toml").write_text(toml + EXTRA + store)
    return load_settings(root)


def retrain(settings, name: str, promote="gate"):
    metrics = MetricsStore.of(settings)
    outcome = ModelRetrainer(settings, VersionStore(settings.versions_dir), metrics).retrain(name, promote=promote)
    metrics.close()
    return outcome


def contents(path) -> list[tuple[str, bytes]]:
    """A file's bytes, and what is packed in them: members of an archive, values of a table."""
    data = path.read_bytes() if hasattr(path, "read_bytes") else path[1]
    name = str(path) if hasattr(path, "read_bytes") else path[0]
    found = [(name, data)]
    if name.endswith(".tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            found += [part for m in tar if m.isfile() for part in contents((m.name, tar.extractfile(m).read()))]
    elif name.endswith(".gz"):
        found.append((name, gzip.decompress(data)))
    elif name.endswith(".parquet"):
        table = pq.read_table(io.BytesIO(data))
        found.append((name, f"{table.schema}{table.to_pydict()}".encode()))
    return found


def telling(root) -> set[str]:
    """The files below a folder that hold a value that was to be kept out, but for the owner's own data."""
    doubles = [struct.pack("<d", number) for number in (*BADGES, *PINS[:300:10])]
    return {
        name
        for path in root.rglob("*")
        if path.is_file() and path.name != "trips.csv"
        for name, data in contents(path)
        if any(t.search(data) for t in TELLTALES) or any(d in data for d in doubles)
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    settings = workspace(tmp_path_factory.mktemp("kept") / "ws")
    retrain(settings, "first")
    return settings


@pytest.fixture(scope="module")
def lived(trained, tmp_path_factory):
    """A workspace that has done all that writes: answered, checked, retrained, asked, told, exported, backtested."""
    root = shutil.copytree(trained.root, tmp_path_factory.mktemp("lived") / "ws")
    told = {}
    with Client(start(load_settings(root))) as client:
        client.until_ready()

        def ask(frame):
            rows = to_rows(frame[[*FEATURES, "at"]])
            answer = client.post("/predict", json={"instances": rows})
            assert answer.status_code == 200, answer.text
            actuals = zip(answer.json()["prediction_ids"], frame["minutes"], strict=True)
            body = {"actuals": [{"prediction_id": name, "actual": y} for name, y in actuals]}
            assert client.post("/feedback", json=body).json()["counts"]["accepted"] == len(frame)
            return answer.json()["predictions"]

        monitor = client.app.state.monitor
        usual = cases(200, 250)
        told["usual"] = [y for k in range(0, 200, 50) for y in ask(usual[k : k + 50])], usual["minutes"]
        told["check"] = monitor.check(VersionStore(root / "versions").load("first"))
        wrong = {**to_rows(usual[FEATURES])[0], "badge": "TELLTALE-WRONG"}
        told["refused"] = client.post("/predict", json={"instances": [wrong]})
        ask(cases(150, 450, cards=(5, 9)))
        told["drifted"] = monitor.check(VersionStore(root / "versions").load("first"))
    settings = load_settings(root)
    training = TrainingStore(settings.versions_dir)
    with closing(MetricsStore.of(settings)) as metrics:
        metrics.prune(lambda rows: training.archive(rows, 1000))
    assert training.labelled()
    told["second"] = retrain(settings, "second", "always")
    wb = Workbench(settings)
    told["whatif"] = wb.whatif("first", most=100)
    told["compare"] = wb.compare("first", "second")
    (root / "whatif.csv").write_text(told["whatif"].to_frame().to_csv())
    wb.to_html(root / "report.html")
    wb.export(root / "copy.tar.gz")
    (root / "doctor.txt").write_text(str(examine(root)))
    history = prepare(root / "history", settings, recorded=lambda: recorded(settings), curve=lambda: None)
    Simulation(settings, history, root / "play", SharedFits(root / "fits")).play()
    replayed = with_values(settings, {"replay.data": "trips.csv"})
    prepare(root / "replayed", replayed, recorded=pd.DataFrame, curve=lambda: None)
    quick = with_values(settings, {"backtest.look_rows": 100})
    Backtest(quick, data=str(root / "trips.csv"), jobs=1).run()
    return settings, told


def test_no_stored_file_holds_what_is_kept_out(lived):
    settings, _ = lived
    assert telling(settings.root) == set()


def test_without_the_setting_every_kind_of_file_holds_it(tmp_path):
    settings = workspace(tmp_path / "ws", store="")
    retrain(settings, "first")
    row = to_rows(cases(1, 250)[FEATURES])[0]
    with closing(MetricsStore.of(settings)) as metrics:
        ModelMonitor(metrics, settings).record(row, 30.0, version="first", response_s=0.01)
    Workbench(settings).export(tmp_path / "ws" / "copy.tar.gz")
    found = {name.rpartition("/")[2] for name in telling(settings.root)}
    assert {"model.joblib", "metadata.json", "profile.json", "golden.json", "sample.parquet", "trips.csv"} <= found
    assert any(name.endswith(".jsonl") for name in found)
    assert sum(name.endswith(".parquet") for name in found) >= 2


def test_what_is_hashed_is_learnt(lived):
    _, told = lived
    predictions, actuals = told["usual"]
    # Cards are worth ten minutes each: who cannot tell them apart is off by 15 in the mean.
    assert abs(actuals - predictions).mean() < 8
    assert told["second"].metadata.training_data.labelled_predictions == 350


def test_drift_of_a_hashed_feature_is_found(lived):
    _, told = lived
    assert told["check"].drift.feature("card").state == "ok"
    assert told["check"].drift.feature("badge").state == "ok"
    assert told["drifted"].drift.feature("card").state == "drift"
    assert told["drifted"].drift.feature("card").kind == "categorical"


def test_a_feature_that_is_not_kept_is_taken_and_not_learnt(lived):
    settings, _ = lived
    schema = VersionStore(settings.versions_dir).metadata("second").features
    assert schema.names == ["km", "stops", "to", "card", "badge"]
    assert schema.dropped == ("name", "pin")
    assert {name for p in MetricsStore.of(settings).history() for name in p.inputs} == set(schema.names)
    with Client(start(settings)) as client:
        row = to_rows(cases(1)[FEATURES])[0]
        answers = [
            client.until_ready().post("/predict", json={"instances": [asked]}).json()["predictions"]
            for asked in (row, row | {"name": ["whatever"]}, {n: v for n, v in row.items() if n in schema.names})
        ]
    assert answers[0] == answers[1] == answers[2]


def test_a_wrong_value_of_a_hashed_feature_is_named_without_it(lived):
    _, told = lived
    assert told["refused"].status_code == 422
    assert "found 'a value of type str', allowed is a number or null" in told["refused"].text
    assert "TELLTALE" not in told["refused"].text


def test_recorded_inputs_can_be_asked_and_sent_again(lived):
    settings, told = lived
    assert told["whatif"].n == told["compare"].same_inputs.n == 200
    inputs = MetricsStore.of(settings).history()[-1].inputs
    assert is_hash(inputs["badge"])
    schema = VersionStore(settings.versions_dir).metadata("second").features
    assert problems(inputs, schema) == []
    assert of_settings(settings).rows([inputs]) == [inputs]
    oldest = sorted(MetricsStore.of(settings).history(), key=lambda p: p.event_time)[:20]
    again = traffic(settings, recorded=True, limit=20)
    with Client(start(settings)) as client:
        Replay(settings, again)._send(client.until_ready(), again)
    assert [p.inputs for p in MetricsStore.of(settings).history()[-20:]] == [p.inputs for p in oldest]


def test_a_table_is_explored_as_what_is_kept_of_it(lived):
    wb = Workbench(lived[0])
    panel = wb.explore(cases(250))
    panel.feature.value = "card"
    assert panel.state in ("ok", "insufficient")
    assert "unseen" not in panel.sentence
    assert "TELLTALE" not in panel.body.value


def test_the_fire_drill_takes_a_hashed_number_for_the_texts_it_is(lived):
    wb = Workbench(lived[0])
    first = wb.versions.activate("first", by="test", reason="it has answered")
    assert rehearse(lived[0], wb.metrics, wb.versions, "badge", rounds=2).kind == "unseen"
    wb.versions.activate(first.previous, by="test", reason="back")


def test_an_export_leaves_key_and_base_data_behind_and_says_so(lived, tmp_path):
    settings, _ = lived
    exported = Workbench(settings).export(tmp_path / "copy.tar.gz")
    with tarfile.open(tmp_path / "copy.tar.gz") as tar:
        names = tar.getnames()
    assert HASH_KEY_FILE not in names
    assert "trips.csv" not in names
    assert any(HASH_KEY_FILE in note for note in exported.notes)
    assert any("[store]" in note for note in exported.notes)


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
