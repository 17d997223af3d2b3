"""What lies on disk of backtests: records, and how far the one under way is."""

import os
import subprocess
import sys

import msgspec
import pytest

from tests.conftest import until
from tests.histories import rates, workspace
from workbench import backtest_records
from workbench.backtest_records import Underway, telling, underway
from workbench.errors import WorkbenchError
from workbench.processes import born


def told(settings, **fields):
    place = backtest_records.folder(settings)
    place.mkdir(parents=True, exist_ok=True)
    mark = Underway(**{"pid": os.getpid(), "pid_created": born(os.getpid()), "policies": ("policy",)} | fields)
    (place / backtest_records.UNDERWAY).write_bytes(msgspec.json.encode(mark))


def test_what_is_under_way_is_told_until_its_end(settings):
    place = backtest_records.folder(settings)
    assert underway(settings) is None
    with telling(place, ("a", "b"), alone=False) as tell:
        assert underway(settings).stage == "reading the history"
        tell(400, 1_000)
        tell(1_000, 1_000)
        assert (underway(settings).policies, underway(settings).before) == (("a", "b"), 400)
        assert underway(settings).stage == "scoring"
    assert underway(settings) is None


def test_the_time_left_is_by_the_pace_since_it_went_on(settings):
    with telling(backtest_records.folder(settings), ("a",), alone=False) as tell:
        tell(500, 1_000)
        assert underway(settings).left_s is None
        tell._written -= 1
        tell._begun -= 60
        tell(600, 1_000)
        assert underway(settings).left_s == pytest.approx(240, rel=0.1)
        assert underway(settings).stage == "playing: 60 %, about 4 min left"


def test_one_whose_process_is_gone_is_not_under_way(settings):
    told(settings, pid_created=0.0)
    assert underway(settings) is None


def test_what_a_notebook_plays_is_never_ended(settings):
    told(settings)
    assert backtest_records.stop(settings) is None


def test_a_process_of_its_own_is_ended(settings):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        told(settings, pid=process.pid, pid_created=born(process.pid), alone=True)
        assert backtest_records.stop(settings).pid == process.pid
        until(lambda: process.poll() is not None)


def test_a_record_that_is_not_there_and_a_damaged_one_are_named(settings):
    with pytest.raises(WorkbenchError, match="no backtest 'x'; there are none"):
        backtest_records.read(settings, "x")
    place = backtest_records.folder(settings)
    place.mkdir(parents=True)
    (place / "x.json").write_text("{}")
    with pytest.raises(WorkbenchError, match="is no backtest result"):
        backtest_records.results(settings)


def test_a_record_is_read_without_what_plays_one(tmp_path):
    settings = workspace(tmp_path / "ws", rates((50, 2.0)))
    code = (
        "import sys; from workbench import backtest_plots, backtest_records as r; from workbench.settings import *; "
        f"r.results(load_settings({str(settings.root)!r})); "
        "print([m for m in ('sklearn', 'pandas', 'scipy', 'ipywidgets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
