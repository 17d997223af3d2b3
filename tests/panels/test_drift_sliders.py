"""Sliders on the drift panel: each moved, and what would have alarmed told at once."""

import pytest

from workbench.panels.desk import Desk
from workbench.panels.drift import Drift
from workbench.panels.drift_records import Records
from workbench.records import ALARMING
from workbench.settings import with_values


@pytest.fixture
def panel(drifting, desk):
    panel = Drift(desk)
    panel.show(desk.reader.read())
    return panel


def alarms(traffic) -> int:
    return sum(any(f.state in ALARMING for f in e.drift.features) for e in traffic.metrics.evaluations())


def test_as_set_it_tells_what_the_checks_have_told(panel, drifting):
    assert alarms(drifting) == 2
    assert "▲ an alarm at 2 of 4 checks: km at 2" in panel.sliders.told.value
    assert "<td>2</td><td>2</td>" in panel.sliders.table.value
    assert "One false alarm in 100 windows" in panel.sliders.limits.value


def test_a_larger_smallest_effect_alarms_less(panel):
    panel.sliders.effect.value = 8.0
    assert "from 0.8 sd of the mean" in panel.sliders.limits.value
    assert "✓ no input would have alarmed at 4 checks" in panel.sliders.told.value
    assert "<td>0</td><td>2</td>" in panel.sliders.table.value
    assert "did alarm" in panel.sliders.picture.value


def test_fewer_false_alarms_are_fewer_alarms(panel):
    panel.sliders.rate.value = 1e-6
    assert "One false alarm in 1,000,000 windows" in panel.sliders.limits.value
    assert "at 2 of" not in panel.sliders.told.value
    panel.sliders.rate.value = 0.5
    assert "at 2 of 4 checks" in panel.sliders.told.value


def test_a_shorter_window_is_measured_from_the_recorded_predictions(panel, desk):
    sizes = [size for _, size in panel.sliders.window.options]
    assert (sizes[0], panel.sliders.window.value) == (100, 1_000)
    panel.sliders.window.value = 100
    check, found = panel.sliders.newest
    assert (check.n, found.n) == (400, 100)
    assert "rows</td><td" in panel.feature.figures.value
    assert ">100<" in panel.feature.figures.value
    # Alone, the moved rows stand out more than among those before them.
    mean = found.feature("km").channels["mean"].value
    assert mean > check.drift.feature("km").channels["mean"].value


def test_a_longer_window_than_was_ever_filled_looks_at_all_there_is(panel):
    panel.sliders.window.value = 2_000
    assert panel.sliders.newest[1].n == 400
    assert "at 2 of 4 checks: km at 2" in panel.sliders.told.value


def test_a_window_that_is_not_on_record_says_so_and_the_checked_one_is_shown(panel, drifting, desk):
    for file in (drifting.settings.metrics_dir / "predictions").iterdir():
        file.unlink()
    panel.sliders.window.value = 200
    assert "no check has a window of this size on record (4 are stored)" in panel.sliders.told.value
    assert panel.sliders.newest[1].n == 400


def test_one_button_puts_everything_back_as_it_is_set(panel):
    told = panel.sliders.told.value
    panel.sliders.effect.value, panel.sliders.rate.value, panel.sliders.window.value = 8.0, 1e-5, 100
    panel.sliders.back.click()
    assert (panel.sliders.effect.value, panel.sliders.rate.value, panel.sliders.window.value) == (1.0, 0.01, 1_000)
    assert panel.sliders.told.value == told


def test_a_new_check_is_taken_up_as_set_and_waits_while_another_window_is_looked_at(panel, drifting, desk):
    panel.sliders.window.value = 200
    before = panel.sliders.told.value
    drifting.send(50)
    panel.show(desk.reader.read())
    assert panel.sliders.told.value == before
    panel.sliders.back.click()
    assert "of 5 checks" in panel.sliders.told.value


def test_the_sliders_begin_at_the_settings_of_the_workspace(trained, lock, commands):
    settings = with_values(trained, {"monitor.window": 60, "monitor.false_alarm_rate": 0.05})
    panel = Drift(Desk(settings, lock, commands))
    assert (panel.sliders.window.value, panel.sliders.rate.value) == (60, 0.05)
    assert min(size for _, size in panel.sliders.window.options) >= 20


def test_without_a_check_the_sliders_say_so(trained, desk):
    panel = Drift(desk)
    panel.show(desk.reader.read())
    panel.sliders.window.value = 100
    panel.sliders.rate.value = 0.1
    assert "no check" in panel.sliders.told.value


def test_a_locked_page_may_ask_what_would_have_been(panel, lock):
    lock.locked = True
    panel.sliders.effect.value = 8.0
    assert "checks" in panel.sliders.told.value


def test_nothing_is_drawn_anew_while_nothing_has_changed(panel, desk):
    picture = panel.sliders.picture.value
    panel.show(desk.reader.read())
    assert panel.sliders.picture.value is picture


@pytest.mark.parametrize(("rows", "whole"), [(399, False), (400, True), (401, True)])
def test_it_is_known_whether_all_that_was_ever_recorded_was_read(drifting, desk, rows, whole):
    recorded = Records(desk.reader).recorded(drifting.metrics.evaluations()[-1], rows)
    assert (recorded.whole, len(recorded.place)) == (whole, min(rows, 400))


def test_what_was_recorded_under_other_settings_is_judged_by_those_of_now(drifting, lock, commands):
    settings = with_values(drifting.settings, {"drift.min_mean_shift": 3.0, "drift.min_outside_share": 0.9})
    panel = Drift(Desk(settings, lock, commands))
    panel.show(panel.desk.reader.read())
    assert "✓ no input would have alarmed" in panel.sliders.told.value
