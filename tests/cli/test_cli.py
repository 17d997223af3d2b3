"""The door: what commands print, how they end, and what they say of wrong use."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import trips
from workbench.cli import app, main
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.settings import Settings, load_settings
from workbench.version_store import VersionStore

COMMANDS = [
    *("train", "init", "serve", "up", "replay", "status", "check", "drill", "versions", "show", "activate", "rollback"),
    *("token", "pause", "resume", "pin", "accept", "decline", "compare", "backtest", "suggest", "whatif"),
    *("prune", "export", "import", "doctor", "bench"),
]


def run(settings_or_root, *words: str, code: int = 0) -> str:
    """A command's output, in this process; fails unless it ends with this code."""
    root = settings_or_root if isinstance(settings_or_root, Path) else settings_or_root.root
    try:
        result = CliRunner().invoke(app, ["--root", str(root), *words], catch_exceptions=False)
    except Exception as error:
        if code == 2:
            return str(error)
        raise
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_that_says_what_it_does(command):
    text = CliRunner().invoke(app, [command, "--help"]).output
    assert "Usage:" in text
    assert len(text.split("\n\n")[1].strip()) > 20


def test_the_door_lists_the_commands():
    text = CliRunner().invoke(app, ["--help"]).output
    assert all(f"  {command} " in text for command in COMMANDS)


def test_the_bare_command_trains_a_version_of_the_id_asked_for(settings):
    assert "mine is live" in run(settings, "--version_id=mine")
    assert VersionStore(settings.versions_dir).live_id() == "mine"


def test_a_version_kept_out_is_exit_code_1(trained):
    assert "published but not live" in run(trained, "--version_id=second", code=1)


def test_promotion_by_request_is_exit_code_0(trained):
    run(trained, "train", "--version_id=second", "--promote=always")
    run(trained, "train", "--version_id=third", "--promote=never")
    assert VersionStore(trained.versions_dir).live_id() == "second"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--version_id=first"], "'first' exists"),
        (["--version_id=../up"], "cannot be a version id"),
        (["--promote=maybe"], "none of gate, always, never"),
        (["train", "--recipe=nope"], "not among [retrain] recipes"),
        (["train", "--ensemble=os:system"], "not among [retrain] ensembles: voting"),
        (["show", "nope"], "no version 'nope'"),
        (["activate", "nope"], "no version 'nope'"),
        (["rollback"], "no earlier version"),
        (["pin"], "name the version to pin, or --off"),
        (["accept", "nope"], "no feature of the live version; it has km, stops, to"),
        (["replay"], "nothing to send"),
        (["replay", "--data=os:system"], "can be named in workbench.toml only"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_told_in_a_sentence(trained, words, told):
    assert told in run(trained, *words, code=2)


def test_an_error_is_one_line_on_stderr_and_exit_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["main.py", "--root", str(tmp_path), "status"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: no workbench.toml in {tmp_path}")


def test_what_is_a_table_for_people_is_json_for_programs(trained):
    assert "first" in run(trained, "versions")
    assert json.loads(run(trained, "versions", "--json"))["live"] == "first"
    assert "sha256" in run(trained, "show", "first")
    assert json.loads(run(trained, "show", "first", "--json"))["metadata"]["version_id"] == "first"
    assert json.loads(run(trained, "status", "--json"))["live"]["version_id"] == "first"
    assert "first, since" in run(trained, "status")
    assert json.loads(run(trained, "check", "--json"))["drift"]["state"] == "insufficient"


def test_a_check_in_alarm_is_exit_code_1(trained):
    from tests.test_training_data import label

    label(trained, trips(60, minutes_a_km=9.0))
    assert "▲ ALARM" in run(trained, "check", code=1)


def recorded(settings, frame) -> None:
    metrics = MetricsStore.of(settings)
    live = VersionStore(settings.versions_dir).load("first")
    ModelMonitor(metrics, settings).record_rows(
        to_rows(frame[["km", "stops", "to"]]),
        frame["minutes"].tolist(),
        schema=live.schema,
        version="first",
        response_s=0.01,
    )
    metrics.close()


def test_a_check_prints_every_feature_beside_what_chance_leaves(trained):
    recorded(trained, trips(300, seed=3).assign(km=lambda f: f["km"] + 40))
    text = run(trained, "check", code=1)
    assert "▲ DRIFT" in text
    assert "km: mean" in text
    assert all(feature in text for feature in ("km", "stops", "to"))
    evaluation = json.loads(run(trained, "check", "--json", code=1))
    low, high = (evaluation["drift"]["features"][0]["channels"]["mean"][side] for side in ("low", "high"))
    assert low < 0 < high < 1


def test_a_drill_is_exit_code_0_if_it_fires_and_1_if_it_does_not(trained):
    recorded(trained, trips(300, seed=3))
    assert "would it have fired" in run(trained, "drill", "km", "--size=3", "--rounds=5")
    assert "NO" in run(trained, "drill", "to", "--size=0.003", "--rounds=5", code=1)
    assert json.loads(run(trained, "drill", "km", "--size=3", "--rounds=5", "--json"))["fired"]
    assert "has km, stops, to" in run(trained, "drill", "wind", code=2)


def test_switching_rolling_back_pinning_pausing_and_declining(trained):
    run(trained, "train", "--version_id=second", "--promote=never")
    run(trained, "activate", "second", "--reason=try")
    assert "first is live again" in run(trained, "rollback")
    run(trained, "pin", "second", "--reason=audit")
    run(trained, "pin", "--off")
    run(trained, "pause")
    run(trained, "resume")
    assert "first stays out: too slow" in run(trained, "decline", "first", "--reason=too slow")
    assert "second is live" in run(trained, "decline", "second", code=2)
    assert "no version" in run(trained, "decline", "third", code=2)
    kinds = [e.kind for e in MetricsStore.of(trained).events()]
    assert kinds[-8:] == ["switched", "rolled_back", "switched", "pinned", "unpinned", "paused", "resumed", "declined"]
    assert VersionStore(trained.versions_dir).live_id() == "second"


def test_the_token_is_shown_and_rotates(trained):
    first = run(trained, "token")
    assert run(trained, "token") == first
    assert run(trained, "token", "--rotate") != first


def test_init_writes_settings_for_ones_own_data_that_train(tmp_path):
    trips(300).drop(columns="slow").to_csv(tmp_path / "my trips.csv", index=False)
    assert "regression of 'minutes' from 3 features" in run(tmp_path, "init", str(tmp_path / "my trips.csv"))
    settings = load_settings(tmp_path)
    assert (settings.model.time, settings.model.target, settings.model.data) == ("at", "minutes", "my trips.csv")
    assert "is live" in run(tmp_path, "--version_id=mine")


def test_init_shows_every_key_and_what_stands_behind_a_hash_is_so_anyhow(tmp_path):
    trips(300).drop(columns="slow").to_csv(tmp_path / "t.csv", index=False)
    run(tmp_path, "init", str(tmp_path / "t.csv"))
    written, defaults = (tmp_path / "workbench.toml").read_text(), load_settings(tmp_path)
    shown = tomllib.loads(re.sub(r"^# (?=\w+ +?=)", "", written, flags=re.MULTILINE))
    for name, field in Settings.model_fields.items():
        if name in ("root", "store"):
            continue
        assert set(shown[name]) == set(field.annotation.model_fields), name
        section = field.annotation.model_validate(shown[name])
        for key, value in field.annotation.model_fields.items():
            if value.default is not None and getattr(defaults, name).model_fields_set.isdisjoint({key}):
                # Where there is none, or it is another list's, an example stands for it.
                assert getattr(section, key) == value.default or key in ("key", "own", "ensembles"), f"{name}.{key}"
    assert shown["store"] == {"COLUMN": "hashed"}
    # Neither does what is said say anything else than what would be so without it.
    bare = '[model]\ntask = "regression"\ntarget = "minutes"\ndata = "t.csv"\nname = "t"\ntime = "at"\n'
    (tmp_path / "workbench.toml").write_text(bare)
    assert load_settings(tmp_path) == defaults


def test_init_guesses_classification_and_replaces_nothing_unasked(tmp_path):
    trips(100).drop(columns="minutes").to_csv(tmp_path / "t.csv", index=False)
    run(tmp_path, "init", str(tmp_path / "t.csv"))
    assert load_settings(tmp_path).model.task == "classification"
    assert "--force replaces it" in run(tmp_path, "init", str(tmp_path / "t.csv"), code=2)
    run(tmp_path, "init", str(tmp_path / "t.csv"), "--force", "--target=km")
    assert load_settings(tmp_path).model.target == "km"


def test_init_names_a_column_that_is_not_there(tmp_path):
    trips(10).to_csv(tmp_path / "t.csv", index=False)
    assert "no column 'nope'; it has at, km" in run(tmp_path, "init", str(tmp_path / "t.csv"), "--target=nope", code=2)


def test_help_needs_none_of_the_heavy_libraries():
    heavy = ("sklearn", "pandas", "fastapi", "ipywidgets")
    code = f"import sys; from workbench.cli import app; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_main_py_is_the_door():
    done = subprocess.run(
        [sys.executable, "main.py", "--help"], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert "train" in done.stdout


def test_which_version_was_live_at_a_moment_is_one_call(trained):
    assert run(trained, "versions", "--at=2001-01-01T10:42Z").strip() == "none was live yet"
    assert run(trained, "versions", "--at=2100-01-01T10:42Z").strip() == "first"
    assert json.loads(run(trained, "versions", "--at=2100-01-01", "--json"))["live"] == "first"
    assert "--at = 'noon' is no moment" in run(trained, "versions", "--at=noon", code=2)
