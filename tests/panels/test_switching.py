"""Another version made live from the page, by pressing: first shown, then confirmed, then done."""

import sys
from dataclasses import replace

import msgspec
import pytest

from workbench.panels.base import markup
from workbench.panels.commands import Result
from workbench.panels.desk import Desk
from workbench.panels.lock import Lock
from workbench.panels.page import Page
from workbench.panels.preview import preview
from workbench.panels.switch import Switch
from workbench.panels.versions import Versions
from workbench.records import Feature
from workbench.version_store import VersionStore


@pytest.fixture
def view(two_desk):
    """`second` was live before `first`."""
    view = two_desk.reader.read()
    return replace(view, live=msgspec.structs.replace(view.live, previous="second"))


@pytest.fixture
def panel(two_desk, view):
    panel = Switch(two_desk)
    panel.show(view)
    return panel


def changed(view, version_id, **changes):
    """A view in which a version's metadata is another."""
    versions = [msgspec.structs.replace(m, **changes) if m.version_id == version_id else m for m in view.versions]
    return replace(view, versions=versions)


def test_nothing_is_done_before_it_is_confirmed(panel, commands):
    panel.apply.click()
    panel.back.click()
    assert panel.deed.asking.layout.display is None
    assert commands.asked == []


def test_nothing_is_done_while_the_page_is_locked(panel, commands):
    panel.apply.click()
    panel.desk.lock.locked = True
    for button in (panel.deed.confirm, panel.apply, panel.back, panel.deed.confirm):
        button.click()
    assert "locked" in panel.deed.status.value
    assert panel.controls.layout.display == "none"
    assert commands.asked == []


def test_only_versions_that_are_not_live_are_offered(panel):
    assert panel.choice.options == ("second",)


def test_before_a_switch_metrics_inputs_and_making_stand_side_by_side(panel, view):
    panel.apply.click()
    shown, (live, other) = panel.deed.question.value, view.versions
    assert "Make second live now?" in shown
    assert "first (live)" in shown
    assert f"{live.metrics['mae']:.4g}" in shown
    assert f"{other.metrics['mae']:.4g}" in shown
    assert "✓ It takes the same inputs" in shown
    assert "has not been asked here" in shown
    assert markup(other.gate.sentence) in shown


def test_a_preview_names_inputs_that_are_new_gone_or_of_another_kind(view):
    km, stops, to = view.versions[1].features.features
    schema = msgspec.structs.replace(
        view.versions[1].features,
        features=(
            msgspec.structs.replace(km, kind="categorical"),
            msgspec.structs.replace(to, categories=("east", "moon")),
            Feature(name="<wind>", kind="numeric"),
        ),
    )
    shown = preview(changed(view, "second", features=schema), "second", "Sure?")
    for told in (
        "▲ It takes other inputs",
        "km is taken as categorical, not as numeric",
        "stops (numeric) is no longer taken",
        "&lt;wind&gt; (numeric) is taken, which the live one does not ask for",
        "to: values that only the live one knows: north, south; only it: moon",
    ):
        assert told in shown
    assert stops.name == "stops"


def test_a_preview_tells_what_was_made_otherwise(view):
    shown = preview(changed(view, "second", ensemble="own:forest", recipe="decay"), "second", "Sure?")
    assert "own:forest" in shown
    assert "decay" in shown


def test_without_metadata_to_compare_a_preview_says_so(view):
    assert "cannot be read" in preview(replace(view, versions=view.versions[1:]), "second", "Sure?")
    assert "nothing is live" in preview(replace(view, live=None), "second", "Sure?")


def test_a_switch_runs_the_command_line_with_the_reason_as_one_word(panel, two_versions, commands):
    panel.choice.value = "second"
    panel.reason.value = "better; rm -rf / $(x) --json"
    panel.apply.click()
    panel.deed.confirm.click()
    assert commands.asked == [
        [
            *(sys.executable, "-m", "workbench.cli", "--root", str(two_versions.root), "activate", "second"),
            *("--reason=better; rm -rf / $(x) --json", "--by=dashboard", "--json"),
        ]
    ]


def test_what_was_asked_about_is_what_is_done(panel, commands):
    panel.apply.click()
    panel.choice.options = ["c"]
    panel.reason.value = "another"
    panel.deed.confirm.click()
    assert commands.asked[0][6] == "second"
    assert "--reason=by request" in commands.asked[0]


def test_a_switch_tells_its_result_when_the_command_has_ended(panel, commands):
    panel.apply.click()
    panel.deed.confirm.click()
    panel.poll()
    assert "being checked" in panel.deed.status.value
    assert panel.apply.disabled
    commands.result = Result(0, '{"version_id": "second", "previous": "first"}', "")
    panel.poll()
    assert "✓ done: second is live" in panel.deed.status.value
    assert not panel.apply.disabled


def test_a_roll_back_names_its_target_and_runs_the_command_line(panel, commands):
    panel.back.click()
    assert "Go back to second" in panel.deed.question.value
    panel.deed.confirm.click()
    assert commands.asked[0][5:] == ["rollback", "--reason=by request", "--by=dashboard", "--json"]


@pytest.mark.parametrize("button", ["apply", "back"])
def test_what_was_previewed_is_not_done_when_another_version_has_gone_live_meanwhile(panel, view, commands, button):
    getattr(panel, button).click()
    panel.show(replace(view, live=msgspec.structs.replace(view.live, generation=view.live.generation + 1)))
    panel.deed.confirm.click()
    assert commands.asked == []
    assert "another version has gone live" in panel.deed.status.value


def test_without_an_earlier_version_there_is_no_way_back(desk, commands):
    panel = Switch(desk)
    panel.show(desk.reader.read())
    assert panel.back.disabled
    panel.back.click()
    panel.apply.click()
    assert "there is no other version" in panel.deed.status.value
    assert (panel.deed.asked, commands.asked) == (None, [])


def test_a_command_that_fails_shows_what_it_said(panel, commands):
    commands.result = Result(2, "", "there is no <earlier> version")
    panel.back.click()
    panel.deed.confirm.click()
    panel.poll()
    assert "✗ not done: there is no &lt;earlier&gt; version" in panel.deed.status.value


@pytest.mark.slow
def test_a_real_switch_and_a_real_way_back(two_versions):
    page, store = Page(two_versions, Versions), VersionStore(two_versions.versions_dir)
    (versions,) = page.panels
    for button, live in ((versions.switch.apply, "second"), (versions.switch.back, "first")):
        button.click()
        versions.switch.deed.confirm.click()
        page.wait()
        assert f"✓ done: {live} is live" in versions.switch.deed.status.value
        assert store.live_id() == live
        assert f"since {store.live().activated_at[:10]}" in versions.body.value


def test_a_locked_page_starts_no_process_however_it_is_asked(two_versions):
    def never(argv):
        pytest.fail(f"started {argv}")

    desk = Desk(two_versions, Lock(two_versions), never)
    panel = Versions(desk)
    panel.show(desk.reader.read())
    for section in panel.sections:
        for button in ("apply", "back", "ask"):
            if hasattr(section, button):
                getattr(section, button).click()
                section.deed.confirm.click()
                assert "locked" in section.deed.status.value
