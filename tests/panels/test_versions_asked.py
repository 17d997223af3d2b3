"""Stored versions asked from the page: a what-if and a comparison, by the real command line, shown as tables."""

from dataclasses import replace

import msgspec
import pytest

from tests.conftest import until
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now
from workbench.panels import sides
from workbench.panels.asking import AskWhatIf, Compare
from workbench.panels.base import markup
from workbench.panels.commands import Command, Result
from workbench.panels.desk import Desk
from workbench.panels.lock import Lock
from workbench.panels.page import Page
from workbench.panels.versions import Versions
from workbench.side_by_side import side_by_side
from workbench.version_store import VersionStore
from workbench.whatif import whatif
from workbench.whatif_result import Agreement


@pytest.fixture
def view(two_desk):
    return two_desk.reader.read()


@pytest.fixture
def asking(two_desk, view):
    panel = AskWhatIf(two_desk)
    panel.show(view)
    return panel


@pytest.fixture
def comparing(two_desk, view):
    panel = Compare(two_desk)
    panel.show(view)
    return panel


@pytest.fixture
def stores(two_versions):
    return two_versions, MetricsStore.of(two_versions), VersionStore(two_versions.versions_dir)


@pytest.fixture
def told(stores):
    """A what-if as the command line prints it."""
    return msgspec.json.encode(whatif(*stores, "second", most=5)).decode()


def test_a_version_that_is_not_live_is_offered_first_and_every_version_can_be_asked(asking, comparing):
    assert (asking.choice.value, asking.choice.options) == ("second", ("second", "first"))
    assert (comparing.a.value, comparing.b.value) == ("first", "second")


def test_what_was_chosen_stays_chosen_when_another_version_is_published(asking, view):
    asking.choice.value = "first"
    asking.show(replace(view, versions=[*view.versions, msgspec.structs.replace(view.versions[0], version_id="third")]))
    assert (asking.choice.value, asking.choice.options) == ("first", ("third", "second", "first"))


def test_a_what_if_is_asked_by_the_command_line(asking, commands):
    asking.most.value = 25
    asking.ask.click()
    assert commands.asked[0][5:] == ["whatif", "second", "--most=25", "--json"]
    assert asking.ask.disabled
    assert "being asked" in asking.deed.status.value


def test_a_comparison_is_asked_by_the_command_line(comparing, commands):
    comparing.a.value, comparing.b.value = "second", "first"
    comparing.ask.click()
    assert commands.asked[0][5:] == ["compare", "second", "first", "--json"]


def test_two_that_are_the_same_are_not_compared(comparing, commands):
    comparing.b.value = comparing.a.value
    comparing.ask.click()
    assert commands.asked == []
    assert "choose two that differ" in comparing.deed.status.value


def test_locked_nothing_is_asked(asking, comparing, commands):
    asking.desk.lock.locked = True
    for panel in (asking, comparing):
        panel.ask.click()
        assert "locked" in panel.deed.status.value
        assert panel.controls.layout.display == "none"
    assert commands.asked == []


def test_the_rows_that_change_most_are_shown_with_their_inputs(asking, commands, told):
    asking.ask.click()
    commands.result = Result(0, told, "")
    asking.poll()
    for words in ("✓ answered", "second over the last 100 recorded inputs", "The 5 rows that change most", ">km<"):
        assert words in asking.deed.status.value + asking.result.value
    changed = asking.found.changed
    assert [row.change for row in changed] == sorted((row.change for row in changed), reverse=True)
    assert f"{changed[0].change:.3g}" in asking.result.value


def test_an_answer_stays_when_the_next_one_fails(asking, commands, told):
    for result in (Result(0, told, ""), Result(0, "{}", ""), Result(2, "", "<too> busy")):
        asking.ask.click()
        commands.result = result
        asking.poll()
    assert "✗ not done: &lt;too&gt; busy" in asking.deed.status.value
    assert "The 5 rows" in asking.result.value


def test_an_answer_that_cannot_be_read_is_told(comparing, commands):
    comparing.ask.click()
    commands.result = Result(0, "nothing like it", "")
    comparing.poll()
    assert "the answer cannot be read" in comparing.deed.status.value
    assert not comparing.ask.disabled


def test_a_comparison_shows_paired_intervals_and_what_differs(stores):
    found = side_by_side(*stores, "first", "second", now=utc_now())
    shown, mae = sides.side_by_side(found), found.same_inputs.paired.metric("mae")
    assert f"{mae.difference:.3g} ({mae.low:.3g} to {mae.high:.3g})" in shown
    assert "training_data.<wbr>rows" in shown
    assert "second is" in shown
    assert markup(found.sentence) in shown


def test_two_that_cannot_be_asked_about_the_same_inputs_say_why(stores):
    found = side_by_side(*stores, "first", "second", now=utc_now())
    shown = sides.side_by_side(msgspec.structs.replace(found, same_inputs=None, sentence="not asked: <why>"))
    assert "not asked: &lt;why&gt;" in shown
    assert "paired" not in shown


def test_rows_that_were_seen_in_training_are_called_so(stores):
    met = whatif(*stores, "second").paired
    shown = sides.paired(msgspec.structs.replace(met, seen=True), "a", "b")
    assert "SEEN IN TRAINING" in shown
    assert sides.paired(None, "a", "b") == ""


def test_a_few_classes_are_counted_by_both_and_many_are_left_to_the_sentence():
    few = Agreement(n=10, same=0.9, sentence="", classes=("no", "<yes>"), confusion=((5, 1), (0, 4)))
    assert "<td>no</td><td>5</td><td>1</td>" in sides.agreement(few, "a", "b")
    assert "&lt;yes&gt;" in sides.agreement(few, "a", "b")
    many = Agreement(n=10, same=0.9, sentence="", classes=tuple(map(str, range(11))), confusion=((0,) * 11,) * 11)
    assert sides.agreement(many, "a", "b") == ""


def test_a_version_that_changes_nothing_says_so():
    assert "No row would have been answered otherwise" in sides.changed(())


@pytest.mark.slow
def test_the_real_command_line_answers_and_the_preview_takes_it_up(two_versions):
    page = Page(two_versions, Versions)
    (versions,) = page.panels
    versions.whatif.most.value = 5
    versions.whatif.ask.click()
    versions.compare.ask.click()
    page.wait()
    assert versions.whatif.found.version == "second"
    assert len(versions.whatif.found.changed) == 5
    assert versions.compare.found.same_inputs.n == 100
    versions.switch.apply.click()
    assert "What-if over 100 recorded inputs" in versions.switch.deed.question.value
    assert markup(versions.whatif.found.sentence) in versions.switch.deed.question.value


@pytest.mark.slow
def test_a_version_that_is_gone_meanwhile_is_named(two_versions):
    desk = Desk(two_versions, Lock(two_versions, locked=False), Command)
    panel = AskWhatIf(desk)
    panel.ask.click()
    assert "there is no version yet" in panel.deed.status.value
    panel.choice.options = ["gone"]
    panel.choice.value = "gone"
    panel.ask.click()
    until(lambda: panel.poll() or not panel.busy)
    assert "no version &#x27;gone&#x27;" in panel.deed.status.value
