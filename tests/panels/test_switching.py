"""Another version made live from the page, by pressing."""

import sys
from dataclasses import replace

import msgspec
import pytest

from workbench.panels.commands import Result
from workbench.panels.versions import Versions


@pytest.fixture
def panel(desk):
    return Versions(desk)


@pytest.fixture
def two_versions(panel, desk):
    view = desk.reader.read()
    view = replace(
        view,
        versions=[*view.versions, msgspec.structs.replace(view.versions[0], version_id="b")],
        live=msgspec.structs.replace(view.live, previous="b"),
    )
    panel.show(view)
    return panel


def test_nothing_is_done_before_it_is_confirmed(two_versions, commands):
    two_versions.apply.click()
    two_versions.back.click()
    assert two_versions.deed.asking.layout.display is None
    assert commands.asked == []


def test_nothing_is_done_while_the_page_is_locked(two_versions, commands):
    two_versions.apply.click()
    two_versions.desk.lock.locked = True
    for button in (two_versions.deed.confirm, two_versions.apply, two_versions.back, two_versions.deed.confirm):
        button.click()
    assert "locked" in two_versions.deed.status.value
    assert commands.asked == []


def test_only_versions_that_are_not_live_are_offered(two_versions):
    assert two_versions.choice.options == ("b",)


def test_a_switch_runs_the_command_line_with_the_reason_as_one_word(two_versions, trained, commands):
    two_versions.choice.value = "b"
    two_versions.reason.value = "better; rm -rf / $(x) --json"
    two_versions.apply.click()
    two_versions.deed.confirm.click()
    assert commands.asked == [
        [
            *(sys.executable, "-m", "workbench.cli", "--root", str(trained.root), "activate", "b"),
            *("--reason=better; rm -rf / $(x) --json", "--by=dashboard", "--json"),
        ]
    ]


def test_what_was_asked_about_is_what_is_done(two_versions, commands):
    two_versions.apply.click()
    two_versions.choice.options = ["c"]
    two_versions.reason.value = "another"
    two_versions.deed.confirm.click()
    assert commands.asked[0][6] == "b"
    assert "--reason=by request" in commands.asked[0]


def test_a_switch_tells_its_result_when_the_command_has_ended(two_versions, commands):
    two_versions.apply.click()
    two_versions.deed.confirm.click()
    two_versions.poll()
    assert "being checked" in two_versions.deed.status.value
    assert two_versions.apply.disabled
    commands.result = Result(0, '{"version_id": "b", "previous": "first"}', "")
    two_versions.poll()
    assert "✓ done: b is live" in two_versions.deed.status.value
    assert not two_versions.apply.disabled


def test_a_roll_back_names_its_target_and_runs_the_command_line(two_versions, commands):
    two_versions.back.click()
    assert "Go back to b" in two_versions.deed.question.value
    two_versions.deed.confirm.click()
    assert commands.asked[0][5:] == ["rollback", "--reason=by request", "--by=dashboard", "--json"]


def test_a_roll_back_is_not_done_when_another_version_has_gone_live_meanwhile(two_versions, commands):
    two_versions.back.click()
    two_versions.previous = "c"
    two_versions.deed.confirm.click()
    assert commands.asked == []
    assert "another version has gone live" in two_versions.deed.status.value


def test_without_an_earlier_version_there_is_no_way_back(panel, desk):
    panel.show(desk.reader.read())
    assert panel.back.disabled


def test_a_command_that_fails_shows_what_it_said(two_versions, commands):
    commands.result = Result(2, "", "there is no <earlier> version")
    two_versions.back.click()
    two_versions.deed.confirm.click()
    two_versions.poll()
    assert "✗ not done: there is no &lt;earlier&gt; version" in two_versions.deed.status.value
