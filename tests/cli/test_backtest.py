"""`backtest` and `suggest` as a person types them."""

import gzip
import json

import pytest
from typer.testing import CliRunner

from tests.cli.test_cli import run
from tests.histories import rates
from workbench.cli import app

FIVE_LINES = """[model]
name = "trips"
task = "regression"
target = "minutes"
data = "trips.csv"
"""


@pytest.fixture
def folder(tmp_path):
    """Someone's own file and five lines of settings, in no workspace."""
    frame = rates((500, 2.0), (500, 3.0)).drop(columns="slow")
    frame.drop(columns="at").to_csv(tmp_path / "trips.csv", index=False)
    (tmp_path / "mine.toml").write_text(FIVE_LINES)
    (tmp_path / "quick.toml").write_text(
        FIVE_LINES + 'members = ["linear"]\n[monitor]\nwindow = 200\n[retrain]\nmin_new_rows = 150\nselect_rows = 60\n'
        "gate_rows = 100\ngate_min_rows = 60\n[backtest]\nlook_rows = 100\n"
    )
    return tmp_path


def test_a_file_and_five_lines_of_settings_are_enough(folder):
    data, settings = str(folder / "trips.csv"), str(folder / "mine.toml")
    out = run(folder, "backtest", "--data", data, "--settings", settings, "--jobs=1")
    assert "never retrain" in out
    assert "favour beside never retraining" in out
    assert "<svg" in next((folder / "metrics" / "backtests").glob("*.svg")).read_text()


def test_the_record_is_json(folder):
    options = ("--data", str(folder / "trips.csv"), "--settings", str(folder / "quick.toml"), "--jobs=1", "--json")
    told = json.loads(CliRunner().invoke(app, ["--root", str(folder), "backtest", *options]).stdout)
    assert [c["name"] for c in told["courses"]] == ["quick", "always, everything", "always, recent", "never retrain"]
    assert told["metric"] == "mae"


def test_a_grid_is_suggested_from(folder):
    (folder / "workbench.toml").write_text((folder / "quick.toml").read_text())
    grid = ("--grid", "retrain.min_new_rows=150,300")
    out = run(folder, "suggest", "--data", str(folder / "trips.csv"), *grid, "--jobs=1")
    assert "one would pick this" in out
    assert "it costs" in out
    assert "left out" in out
    assert len(list((folder / "metrics" / "backtests").glob("*-policies.svg"))) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--data=absent.csv", "--settings=quick.toml"], "absent.csv cannot be read"),
        (["--data=cut.csv.gz", "--settings=quick.toml"], "cut.csv.gz cannot be read: Compressed file ended"),
        (["--settings=absent.toml"], "no settings file"),
        (["--settings=quick.toml", "--grid=a.b=1"], "do not go together"),
        (["--data=os:getcwd", "--settings=quick.toml"], "a function can be named in workbench.toml only"),
    ],
)
def test_wrong_use_is_one_line(folder, monkeypatch, options, told):
    monkeypatch.chdir(folder)
    (folder / "cut.csv.gz").write_bytes(gzip.compress((folder / "trips.csv").read_bytes())[:2_000])
    out = run(folder, "backtest", *options, code=2)
    assert told in out
    assert "\n" not in out


def test_a_misspelt_key_of_a_grid_is_named(folder):
    (folder / "workbench.toml").write_text((folder / "quick.toml").read_text())
    out = run(folder, "suggest", "--grid", "performance.min_los=0.1", code=2)
    assert "did you mean 'min_loss'" in out
