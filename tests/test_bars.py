"""Bars: silent where nobody looks, a line in a terminal, a widget in a notebook; and the workbench's own steps."""

import io
import json
import subprocess
import sys

import pytest

from tests.panels.conftest import Traffic
from workbench import Workbench
from workbench.bars import Bar
from workbench.monitor import ModelMonitor


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_where_nobody_looks_nothing_is_written(capsys):
    with Bar("steps") as bar:
        bar.to(1, 2)
    assert capsys.readouterr().err == ""


def test_a_terminal_sees_the_stage_and_how_far_it_is(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bar(mininterval=0, unit=" rows") as bar:
        bar.step("first half", 1, 4)
        bar.step("second half", 3, 4)
        bar.step("another", 1, 9)
    written = terminal.getvalue()
    assert "second half:  75%" in written
    assert "3/4" in written
    assert "another" in written
    assert "1/9" in written


def test_a_bar_that_counts_further_than_was_said_grows(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bar(mininterval=0) as bar:
        bar.step("growing", 5, 4)
    assert "5/5" in terminal.getvalue()


def test_whoever_has_silenced_tqdm_sees_no_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with Bar("steps", mininterval=0) as bar:
        bar.to(1, 2)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("asked", ["check", "whatif", "compare"])
def test_what_may_take_a_while_has_a_bar_once_it_does(trained, monkeypatch, asked):
    bench, terminal = Workbench(trained), Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("workbench.workspace.AT_ONCE_S", 0.0)
    Traffic(trained).send()
    terminal.truncate(0)
    getattr(bench, asked)(*{"check": (), "whatif": ("first",), "compare": ("first", "first")}[asked])
    assert "%|" in terminal.getvalue() or "0it" in terminal.getvalue()


def test_the_steps_of_a_check_are_told_in_order(trained):
    traffic = Traffic(trained)
    live, heard = traffic.versions.load("first"), []
    traffic.send()
    ModelMonitor(traffic.metrics, traffic.settings).check(live, progress=lambda *step: heard.append(step))
    assert [step[1:] for step in heard] == [(done, 5) for done in range(5)]
    assert heard[1][0] == "the model's view"


@pytest.mark.slow
def test_a_notebook_gets_a_widget():
    cell = "from workbench.bars import Bar\nwith Bar('steps', leave=True) as bar:\n    bar.to(2, 4)\n"
    code = (
        "import json, sys, nbformat, nbclient\n"
        "book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(sys.argv[1])])\n"
        "nbclient.NotebookClient(book, timeout=60).execute()\n"
        "print(json.dumps([list(o.get('data', {})) for o in book.cells[0].outputs]))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, cell], capture_output=True, text=True, check=True, timeout=120)
    assert "application/vnd.jupyter.widget-view+json" in json.loads(ran.stdout.splitlines()[-1])[0]


@pytest.mark.slow
def test_a_notebook_retrains_switches_and_rolls_back(trained):
    bench = Workbench.open(trained.root)
    job = bench.retrain("to have two", version_id="second", promote="never")
    assert (job.state, job.version_id) == ("done", "second")
    assert bench.versions.live_id() == "first"
    assert bench.activate("second", "to try it").previous == "first"
    assert bench.rollback("tried").version_id == "first"
    assert [e.by for e in bench.metrics.events() if e.kind in ("switched", "rolled_back")] == ["notebook"] * 2
