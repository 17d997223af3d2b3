"""The fire drill from the drift panel: what it asks of the command line, and what it tells of the answer."""

import msgspec
import pytest

from tests.conftest import until
from workbench.drill_result import Drill
from workbench.panels.commands import Command, Result
from workbench.panels.desk import Desk
from workbench.panels.drift import Drift
from workbench.panels.lock import Lock
from workbench.shifts import SIZES

DONE = Drill(
    feature="km",
    kind="mean",
    size=0.5,
    n=400,
    fired=True,
    state="drift",
    before="ok",
    sentence="km: mean <39>, was 25",
    alarms={"drift": "km: mean <39>, was 25"},
    smallest=0.25,
    windows=20,
    false_alarms=1,
    rounds=100,
    rate_low=0.0,
    rate_high=0.05,
    asked_rate=0.006,
)


@pytest.fixture
def panel(traffic, desk):
    traffic.send(100)
    panel = Drift(desk)
    panel.show(desk.reader.read())
    return panel


def ended(panel, commands, drill=DONE, code=0):
    panel.drill.start.click()
    commands.result = Result(code, msgspec.json.encode(drill).decode(), "")
    panel.poll()
    return panel.drill.deed.status.value


def test_the_kinds_offered_suit_the_input_and_their_sizes_are_the_usual_ones(panel):
    drill = panel.drill
    for feature, kinds in (
        ("km", ["mean", "std", "missing", "constant", "unit"]),
        ("to", ["unseen", "missing", "constant"]),
    ):
        drill.choice.value = feature
        assert [value for _, value in drill.kind.options] == kinds
        for kind in kinds:
            drill.kind.value = kind
            assert SIZES[kind][2] in drill.unit.value
    drill.choice.value, drill.kind.value = "km", "std"
    assert drill.size.value == 1.5


def test_it_starts_the_command_line_with_what_was_chosen(panel, commands):
    panel.drill.choice.value, panel.drill.kind.value, panel.drill.size.value = "km", "missing", 0.3
    panel.drill.start.click()
    assert commands.asked[0][-6:] == ["drill", "--kind=missing", "--size=0.3", "--json", "--", "km"]
    assert panel.drill.start.disabled
    assert "under way" in panel.drill.deed.status.value


def test_an_alarm_that_would_have_fired_is_told_with_its_sentence_and_figures(panel, commands):
    told = ended(panel, commands)
    assert "▲ it would have fired (drift): km: mean &lt;39&gt;, was 25" in told
    for words in ("0.25 standard deviations", "1 of 100 stretches", "✓ ok", "▲ drift", "asked for: 0.60%"):
        assert words in panel.drill.verdict.value
    assert not panel.drill.start.disabled


def test_an_alarm_that_would_not_have_fired_is_no_failure_of_the_drill(panel, commands):
    quiet = msgspec.structs.replace(DONE, fired=False, alarms={}, state="ok", smallest=None)
    assert "✗ it would NOT have fired" in ended(panel, commands, quiet, code=1)
    assert "none tried is" in panel.drill.verdict.value


def test_what_the_command_line_refuses_is_told(panel, commands):
    panel.drill.size.value = 99
    panel.drill.start.click()
    commands.result = Result(1, "", "error: a size of 99 is not possible")
    panel.poll()
    assert "✗ not done: error: a size of 99 is not possible" in panel.drill.deed.status.value
    assert panel.drill.verdict.value == ""


def test_a_locked_page_starts_no_drill(panel, commands, lock):
    lock.locked = True
    assert (panel.drill.controls.layout.display, panel.drill.closed.layout.display) == ("none", None)
    panel.drill.start.click()
    assert commands.asked == []
    assert "locked" in panel.drill.deed.status.value


def test_without_a_version_there_is_nothing_to_drill(settings, commands):
    desk = Desk(settings, Lock(settings, locked=False), commands)
    panel = Drift(desk)
    panel.show(desk.reader.read())
    assert panel.drill.start.disabled


@pytest.mark.slow
def test_the_real_command_line_answers(traffic, trained, lock):
    traffic.send(100)
    desk = Desk(trained, lock, Command)
    panel = Drift(desk)
    panel.show(desk.reader.read())
    panel.drill.choice.value, panel.drill.size.value = "km", 2.0
    panel.drill.start.click()
    until(lambda: panel.poll() or not panel.drill.deed.busy)
    assert "▲ it would have fired" in panel.drill.deed.status.value
    assert "stretches of the reference" in panel.drill.verdict.value
