"""A backtest asked for, followed and looked at by pressing."""

import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from tests.backtests import a_result
from tests.conftest import until
from tests.histories import rates, workspace
from workbench import backtest_records
from workbench.backtest_records import Underway
from workbench.panels import backtest as room
from workbench.panels.backtest import Backtest
from workbench.panels.backtest_policy import PolicySliders
from workbench.panels.commands import Command, Result
from workbench.panels.desk import Desk
from workbench.panels.lock import Lock
from workbench.processes import born
from workbench.settings import load_settings


def keep(settings, result):
    place = backtest_records.folder(settings)
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{result.id}.json").write_bytes(msgspec.json.encode(result))


def mark(settings, **fields):
    place = backtest_records.folder(settings)
    place.mkdir(parents=True, exist_ok=True)
    told = {"pid": os.getpid(), "pid_created": born(os.getpid()), "policies": ("policy",), "done": 250, "total": 1_000}
    (place / backtest_records.UNDERWAY).write_bytes(msgspec.json.encode(Underway(**(told | fields))))


def files(commands):
    return [Path(word.partition("=")[2]) for word in commands.asked[-1] if word.startswith("--settings=")]


@pytest.fixture
def panel(desk):
    return Backtest(desk)


def test_every_slider_stands_where_the_settings_say(panel, trained):
    assert {name: knob.value for name, knob in panel.policy.knobs.items()} == {
        "performance.min_loss": trained.performance.min_loss,
        "monitor.false_alarm_rate": trained.monitor.false_alarm_rate,
        "retrain.attempt_cost": trained.retrain.attempt_cost,
        "retrain.checks_in_a_row": trained.retrain.checks_in_a_row,
        "retrain.min_new_rows": trained.retrain.min_new_rows,
        "retrain.gate_margin": trained.retrain.gate_margin,
        "backtest.delay": trained.backtest.delay,
        "backtest.ensemble": trained.backtest.ensemble,
    }


def test_what_the_sliders_say_is_what_is_played(panel, trained, commands):
    moved = {
        "performance.min_loss": 0.2,
        "monitor.false_alarm_rate": 0.05,
        "retrain.attempt_cost": 150.0,
        "retrain.checks_in_a_row": 3,
        "retrain.min_new_rows": 400,
        "retrain.gate_margin": 0.25,
        "backtest.delay": "6h",
        "backtest.ensemble": 0.3,
    }
    for name, value in moved.items():
        panel.policy.knobs[name].value = value
    panel.start.click()
    tried, in_force = files(commands)
    found = load_settings(trained.root, over=tried)
    assert {name: getattr(getattr(found, s), k) for name in moved for s, _, k in [name.partition(".")]} == moved
    beside = load_settings(trained.root, over=in_force)
    assert beside.backtest == found.backtest
    assert (beside.performance, beside.retrain, beside.monitor) == (
        trained.performance,
        trained.retrain,
        trained.monitor,
    )
    assert tried.stem.startswith("min_loss=0.2, false_alarm_rate=0.05, attempt_cost=150, checks_in_a_row=3")
    assert in_force.stem == "in force"


def test_it_is_the_command_line_that_plays(panel, trained, commands):
    panel.start.click()
    (argv,) = commands.asked
    assert argv[:6] == [sys.executable, "-m", "workbench.cli", "--root", str(trained.root), "backtest"]
    assert argv[-2:] == ["--json", "--aside"]
    assert [path.stem for path in files(commands)] == ["policy"]
    assert panel.start.disabled


def test_alone_when_not_asked_beside_the_settings_in_force(panel, commands):
    panel.policy.knobs["performance.min_loss"].value = 0.2
    panel.beside.value = False
    panel.start.click()
    assert [path.stem for path in files(commands)] == ["min_loss=0.2"]


def test_steps_that_do_not_add_up_are_written_as_they_are_read(panel):
    panel.policy.knobs["performance.min_loss"].value = 0.1 + 0.05 + 0.15
    assert panel.policy.moved == {"performance.min_loss": 0.3}


def test_the_sliders_go_back_to_the_settings(panel):
    panel.policy.knobs["retrain.min_new_rows"].value = 900
    panel.reset.click()
    assert panel.policy.moved == {}


def test_what_the_environment_says_cannot_be_moved(desk, monkeypatch):
    monkeypatch.setenv("WORKBENCH_RETRAIN__MIN_NEW_ROWS", "50")
    disabled = [name for name, knob in Backtest(desk).policy.knobs.items() if knob.disabled]
    assert disabled == ["retrain.min_new_rows"]


@pytest.mark.parametrize("error", [None, 0.0, -0.013, float("nan"), float("inf")])
def test_whatever_the_metric_is_about_the_margin_has_an_end(desk, error):
    assert PolicySliders(desk.settings, error).knobs["retrain.gate_margin"].max > 0


def test_locked_it_starts_nothing_stops_nothing_and_still_shows_what_there_is(panel, trained, commands, monkeypatch):
    stopped = []
    monkeypatch.setattr(backtest_records, "stop", stopped.append)
    mark(trained, alone=True)
    keep(trained, a_result())
    panel.desk.lock.locked = True
    for button in (panel.start, panel.cancel, panel.reset):
        button.click()
    assert commands.asked == stopped == []
    assert "locked" in panel.deed.status.value
    assert (panel.controls.layout.display, panel.cancel.layout.display) == ("none", "none")
    panel.poll()
    panel.show(panel.desk.reader.read())
    assert panel.working.layout.display is None
    assert "<svg" in panel.picker.picture.value


def test_how_far_one_is_is_shown_whoever_began_it(panel, trained):
    panel.poll()
    assert panel.working.layout.display == "none"
    mark(trained, left_s=90)
    panel.poll()
    assert panel.progress.value == 0.25
    assert "policy: playing: 25 %, about 2 min left" in panel.stage.value


def test_one_is_stopped_by_pressing(panel, trained, commands):
    until_asked = Command([sys.executable, "-c", "import time; time.sleep(600)"])
    panel.deed.run = lambda argv: until_asked
    panel.start.click()
    pid = until_asked._process.pid
    mark(trained, pid=pid, pid_created=born(pid), alone=True)
    panel.cancel.click()
    assert "being stopped" in panel.deed.status.value
    until(lambda: panel.poll() or not panel.deed.busy, 20)
    assert "goes on from there" in panel.deed.status.value
    assert panel.working.layout.display == "none"


def test_what_a_notebook_plays_is_not_stopped(panel, trained):
    mark(trained)
    panel.cancel.click()
    assert "✗ not stopped" in panel.deed.status.value


def test_a_command_that_fails_says_why(panel, commands):
    commands.result = Result(2, "", "error: no column <x>")
    panel.start.click()
    panel.poll()
    assert "no column &lt;x&gt;" in panel.deed.status.value
    assert not panel.start.disabled


@pytest.mark.parametrize("code", room.DONE)
def test_at_its_end_the_newest_record_is_shown(panel, trained, commands, code):
    keep(trained, a_result())
    panel.show(panel.desk.reader.read())
    panel.start.click()
    keep(trained, a_result(id="20260302T000000-b"))
    commands.result = Result(code, "{}", "")
    panel.poll()
    assert "✓" in panel.deed.status.value
    assert panel.picker.chosen.value == panel.picker.record.id == "20260302T000000-b"


def test_without_a_record_no_picker_is_shown(panel):
    panel.show(panel.desk.reader.read())
    assert panel.picker.layout.display == "none"


def test_a_record_is_picked_and_stays_picked(panel, trained):
    for each in ("20260301T000000-a", "20260302T000000-b"):
        keep(trained, a_result(id=each, model=each))
    panel.show(panel.desk.reader.read())
    assert "20260302T000000-b" in panel.picker.picture.value
    panel.picker.chosen.value = "20260301T000000-a"
    assert "20260301T000000-a" in panel.picker.picture.value
    keep(trained, a_result(id="20260303T000000-c"))
    panel.show(panel.desk.reader.read())
    assert panel.picker.chosen.value == "20260301T000000-a"


def test_curves_figures_and_decisions_are_told_and_escaped(panel, trained):
    keep(trained, a_result())
    panel.show(panel.desk.reader.read())
    picture = panel.picker.picture.value
    assert picture.count("<svg") == 2
    assert 'aria-label="mae over event time, 2026-01-01 to 2026-03-01; over all of it: min_loss=0.2 5' in picture
    assert "0.81 of &lt;what&gt; could be won" in picture
    assert "<td>3</td>" in picture
    assert "81% (50% to 110%)" in picture
    steps = panel.picker.steps.value
    assert "▲ alarm" in steps
    assert "✗ refused" in steps
    assert "mae 9 &lt;was&gt; 5" in steps
    panel.picker.course.value = "in force"
    assert "nothing was done" in panel.picker.steps.value


def test_nothing_is_drawn_while_nothing_changes(panel, trained, monkeypatch):
    keep(trained, a_result())
    view = panel.desk.reader.read()
    panel.show(view)
    monkeypatch.setattr("workbench.panels.backtest_picker.drawn", pytest.fail)
    panel.show(view)


def test_a_damaged_record_is_named_and_hides_no_other(panel, trained):
    keep(trained, a_result())
    (backtest_records.folder(trained) / "20260309T000000-z.json").write_text("{")
    panel.show(panel.desk.reader.read())
    assert "is no backtest result" in panel.picker.picture.value
    panel.picker.chosen.value = "20260301T000000-a"
    assert "<svg" in panel.picker.picture.value


@pytest.mark.slow
def test_the_command_line_plays_what_the_sliders_say(tmp_path):
    settings = workspace(tmp_path / "ws", rates((400, 2.0), (300, 3.0)))
    panel = Backtest(Desk(settings, Lock(settings, locked=False)))
    panel.policy.knobs["performance.min_loss"].value = 0.3
    panel.policy.knobs["backtest.delay"].value = "1D"
    panel.start.click()
    seen = set()
    until(lambda: panel.poll() or seen.add(panel.stage.value) or not panel.deed.busy)
    assert "✓ the backtest is done" in panel.deed.status.value, panel.deed.status.value
    assert any("playing" in stage or "reading" in stage for stage in seen)
    record = panel.picker.record
    assert [c.name for c in record.policies] == ["min_loss=0.3", "in force"]
    assert record.course("min_loss=0.3").settings == {"performance.min_loss": 0.3}
    assert record.course("in force").settings == {}
    assert not panel._files or not Path(panel._files.name).exists()


def test_the_command_line_ends_as_the_panel_reads_it():
    assert -signal.SIGTERM in room.STOPPED
