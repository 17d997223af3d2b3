"""Another unit and another season, on the second flights task: the one is never taken for the other."""

import shutil
from pathlib import Path

import msgspec
import pytest

from tests.conftest import unloaded
from tests.walks import predictions, walk
from workbench import demo
from workbench.checkup import evaluate
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings, with_values
from workbench.version_store import VersionStore
from workbench.workspace import Workbench


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """The shipped second workspace, its version of January and February as what windows are measured by: a quick one,
    as its answers are not asked for."""
    root = tmp_path_factory.mktemp("late")
    shutil.copy(Path(__file__).parents[1] / "examples" / "late" / "workbench.toml", root)
    bench = Workbench(with_values(load_settings(root), {"model.members": ["linear"]}))
    ModelRetrainer(bench.settings, bench.versions, bench.metrics).retrain("winter")
    bench.metrics.close()
    return bench.settings, unloaded(VersionStore(bench.settings.versions_dir).load("winter"))


def flights(begin: str, end: str):
    frame = demo.traffic()
    return frame[(frame["time"] >= begin) & (frame["time"] < end)].reset_index(drop=True)


def celsius(frame, begin: str, end: str):
    wrong = (frame["time"] >= begin) & (frame["time"] < end)
    return frame.assign(temp=frame["temp"].where(~wrong, (frame["temp"] - 32) / 1.8))


def test_spring_and_summer_are_drift_and_nothing_is_called_broken(late):
    settings, live = late
    checks = list(walk(live, settings, predictions(live, flights("2013-04-15", "2013-07-01")), first=1_000, step=200))
    assert len(checks) > 30
    assert [e.data.sentence for e in checks if e.data.state == "broken"] == []
    assert checks[-1].drift.feature("temp").state == "drift"


@pytest.fixture(scope="module")
def april_in_celsius(late):
    settings, live = late
    frame = celsius(flights("2013-03-10", "2013-05-20"), "2013-03-30", "2013-05-01")
    rows = predictions(live, frame)
    return rows, list(walk(live, settings, rows, first=1_000, step=100))


def test_celsius_is_broken_from_its_first_day_until_its_last_row_has_left_the_window(late, april_in_celsius):
    settings, _ = late
    rows, checks = april_in_celsius
    seen = {True: 0, False: 0}
    for check in checks:
        end = int(check.last_id) + 1
        wrong = sum("2013-03-30" <= p.event_time < "2013-05-01" for p in rows[end - settings.monitor.window : end])
        # With fewer rows than this the jump cannot be told from a gust.
        if not 0 < wrong < 25:
            assert (check.data.state == "broken") == (wrong > 0), (check.last_event_time, check.data.sentence)
            seen[wrong > 0] += 1
    assert min(seen.values()) > 15


def test_what_is_broken_only_beside_the_window_before_is_not_drift_as_well(april_in_celsius):
    _, checks = april_in_celsius
    broken = [e for e in checks if e.data.state == "broken"]
    assert len(broken) > 30
    for check in broken:
        assert check.data.features == ("temp",)
        assert check.data.sentence.startswith("temp: looks like degrees Celsius instead of Fahrenheit")
        assert "temp" not in check.alarms.get("drift", "")
        assert "looks like" not in check.previous.sentence


def test_checking_a_broken_window_again_gives_the_same_record_though_later_ones_are_known(late, april_in_celsius):
    settings, live = late
    rows, checks = april_in_celsius
    place = len(checks) // 2
    again = evaluate(
        rows[: int(checks[place].last_id) + 1],
        {},
        checks[place].service,
        live,
        settings=settings,
        accepted={},
        now=rows[int(checks[place].last_id)].recorded_at,
        earlier=checks[: place + 1],
    )
    assert checks[place].data.state == "broken"
    assert msgspec.structs.replace(again, id=checks[place].id) == checks[place]


@pytest.mark.parametrize("step", [1_000, 2_500])
def test_a_jump_between_two_checks_far_apart_is_seen(late, step):
    settings, live = late
    rows = predictions(live, celsius(flights("2013-03-18", "2013-05-10"), "2013-03-30", "2013-06-01"))
    first, *others = walk(live, settings, rows, first=1_000, step=step)
    assert first.data.state == "ok"
    assert {e.data.state for e in others} == {"broken"}


def test_a_unit_that_is_wrong_from_the_first_row_on_stays_broken(late):
    settings, live = late
    frame = flights("2013-03-01", "2013-04-20")
    rows = predictions(live, frame.assign(temp=(frame["temp"] - 32) / 1.8))
    checks = list(walk(live, settings, rows, first=1_000, step=300))
    assert len(checks) > 10
    assert {e.data.state for e in checks} == {"broken"}
