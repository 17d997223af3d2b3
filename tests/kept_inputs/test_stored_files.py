"""Inputs that are kept out: no stored file holds them, hashes are learnt and watched, and clients notice nothing."""

import shutil
import tarfile
from contextlib import closing

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.kept_inputs.telltales import FEATURES, TELLTALES, cases, retrain, telling, workspace
from tests.service.conftest import Client, start
from workbench import retention
from workbench.backtest import Backtest, recorded
from workbench.cli import app
from workbench.cli.replay import Replay, traffic
from workbench.doctor import examine
from workbench.drill import rehearse
from workbench.features import to_rows
from workbench.history_source import prepare
from workbench.kept_inputs import of_settings
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.rows import is_hash, problems
from workbench.settings import load_settings, with_values
from workbench.shared_fits import SharedFits
from workbench.simulation import Simulation
from workbench.tokens import HASH_KEY_FILE
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore
from workbench.workspace import Workbench


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
        retention.prune(metrics, lambda rows: training.archive(rows, 1000))
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


@pytest.mark.parametrize(
    "words",
    [
        ("bench", "--seconds=0.02"),
        ("check",),
        ("status",),
        ("versions",),
        ("show", "first"),
        ("whatif", "first", "--most=100"),
        ("compare", "first", "second"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_no_command_prints_what_is_kept_out(lived, words):
    settings, _ = lived
    for form in ((), ("--json",)):
        done = CliRunner().invoke(app, ["--root", str(settings.root), *words, *form], catch_exceptions=False)
        assert done.exit_code in (0, 1), done.output
        assert len(done.output) > 20
        assert not any(told.search(done.stdout_bytes + done.stderr_bytes) for told in TELLTALES)


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


def test_tensors_of_what_is_kept_out_are_told_as_little(lived):
    settings, _ = lived
    row = to_rows(cases(1)[FEATURES])[0]
    kinds = {name: "FP64" if isinstance(value, int | float) else "BYTES" for name, value in row.items()}
    inputs = [{"name": n, "datatype": kinds[n], "shape": [1], "data": [value]} for n, value in row.items()]
    wrong = {"badge": {"data": ["TELLTALE-WRONG"]}, "name": {"data": [["TELLTALE-WRONG"]]}}
    with Client(start(settings)) as client:
        asked = f"/v2/models/{settings.model.name}/infer"
        assert client.until_ready().post(asked, json={"inputs": inputs}).status_code == 200
        refused, taken = (
            client.post(
                asked,
                json={"inputs": [tensor | wrong[name] if tensor["name"] == name else tensor for tensor in inputs]},
            )
            for name in wrong
        )
    assert refused.json()["error"] == "input 'badge': element 0 is a value of type str, no FP64"
    # What is not kept is not looked at.
    assert taken.status_code == 200


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
