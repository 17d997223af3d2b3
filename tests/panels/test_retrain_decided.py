"""What becomes of a challenger that was kept out; and what people tell the automation."""

from dataclasses import replace

import msgspec
import pytest

from workbench.gate_plots import comparable, gate_intervals
from workbench.panels.commands import Result
from workbench.panels.page import Page
from workbench.panels.retrain import Retrain
from workbench.records import Event, GateVerdict
from workbench.settings import with_values
from workbench.steering import steering
from workbench.version_store import VersionStore


@pytest.fixture
def view(two_desk):
    return two_desk.reader.read()


@pytest.fixture
def panel(two_desk, view):
    panel = Retrain(two_desk)
    panel.show(view)
    return panel


def happened(view, *kinds, **told):
    """A view in which more has happened."""
    more = [Event(id=f"z{k}", recorded_at="2026-02-10T12:00:00Z", kind=kind, **told) for k, kind in enumerate(kinds)]
    return replace(view, events=[*view.events, *more])


def gate(low, value, high, **told):
    said = {"verdict": "better", "metric": "mae", "rows": 60, "sentence": "so"} | told
    return GateVerdict(**said, low=low, advantage=value, high=high)


def drawn(figure):
    """The intervals as the figure has them, from the top."""
    return [tuple(line.get_xdata()) for line in figure.axes[0].lines if line.get_linewidth() in (4, 2.5)]


def test_the_gates_interval_is_a_picture_with_a_sentence_for_who_cannot_see_it(panel, view):
    verdict = view.versions[1].gate
    assert 'role="img"' in panel.body.value
    assert f"Gate: mae of second better by {verdict.advantage:.4g}" in panel.body.value
    assert "cannot tell; 1 shown" in panel.body.value


def test_each_challenger_has_its_interval_the_newest_on_top():
    figure = gate_intervals([("b", gate(0.1, 0.2, 0.3)), ("a", gate(-0.3, -0.2, -0.1, verdict="worse"))])
    axes = figure.axes[0]
    assert drawn(figure) == [(0.1, 0.3), (-0.3, -0.1)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]
    assert [text.get_text() for text in axes.texts] == ["better", "worse", "as good"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_on_a_narrow_page_names_and_verdicts_stand_above_the_lines():
    verdicts = [("b", gate(0.1, 0.2, 0.3)), ("a", gate(-0.3, -0.2, -0.1, verdict="worse"))]
    figure = gate_intervals(verdicts, margin=0.05, width=340)
    axes = figure.axes[0]
    assert {"b: better", "a: worse"} <= {text.get_text() for text in axes.texts}
    assert "b: better" in [text.get_text() for text in axes.texts]
    assert axes.get_position().width > 0.9


def test_zero_and_the_margin_are_drawn():
    figure = gate_intervals([("b", gate(0.1, 0.2, 0.3))], margin=0.15)
    upright = [line.get_xdata()[0] for line in figure.axes[0].lines if list(line.get_ydata()) == [0, 1]]
    assert upright == [0, 0.15]
    assert "asked for" in [text.get_text() for text in figure.axes[0].texts]


def test_what_a_limit_stood_against_is_called_limited():
    figure = gate_intervals([("b", gate(0.1, 0.2, 0.3, limits=("too slow",)))])
    assert "limited" in [text.get_text() for text in figure.axes[0].texts]


def test_verdicts_of_another_metric_or_without_an_interval_are_left_out():
    other = gate(1.0, 2.0, 3.0, metric="rmse")
    none = gate(None, None, None, verdict="no champion")
    assert [name for name, _ in comparable([("d", none), ("c", gate(0, 1, 2)), ("b", other)])] == ["c"]


def test_without_an_interval_the_picture_says_why():
    none = gate(None, None, None, verdict="no champion", sentence="no champion: no version was live")
    for verdicts, told in (([("a", none)], "no version was live"), ([], "has met another")):
        assert told in gate_intervals(verdicts).texts[0].get_text()


def test_the_end_of_the_last_attempt_is_told(panel):
    assert "✗ kept out" in panel.body.value
    assert "<code>second</code>" in panel.body.value


def test_what_was_kept_out_is_offered_with_a_preview(panel, commands):
    assert panel.challenger.layout.display is None
    assert panel.challenger.promote.description == "Promote second"
    panel.reason.value = "we know better"
    panel.challenger.promote.click()
    assert "although the gate has kept it out" in panel.deed.question.value
    assert "first (live)" in panel.deed.question.value
    panel.deed.confirm.click()
    assert commands.asked[0][5:] == ["activate", "second", "--reason=we know better", "--by=dashboard", "--json"]
    commands.result = Result(0, '{"version_id": "second"}', "")
    panel.poll()
    assert "✓ done: second is live" in panel.deed.status.value


def test_what_is_kept_out_by_a_person_is_no_longer_offered(panel, view, commands):
    panel.reason.value = "too slow"
    panel.challenger.keep.click()
    assert commands.asked[0][5:] == ["decline", "second", "--reason=too slow", "--by=dashboard"]
    commands.result = Result(0, "second stays out: too slow", "")
    panel.poll()
    assert "✓ second stays out: too slow" in panel.deed.status.value
    panel.show(happened(view, "declined", version="second", reason="too <slow>"))
    assert panel.challenger.layout.display == "none"
    assert "✗ stays out" in panel.body.value
    assert "too &lt;slow&gt;" in panel.body.value
    panel.challenger.promote.click()
    assert "nothing is kept out" in panel.deed.status.value
    assert len(commands.asked) == 1


def test_that_another_challenger_stays_out_decides_nothing(panel, view):
    panel.show(happened(view, "declined", version="an older one", reason="later"))
    assert panel.challenger.layout.display is None
    assert "✗ kept out" in panel.body.value


def test_a_command_that_declines_nothing_is_told(panel, commands):
    panel.challenger.keep.click()
    commands.result = Result(2, "", "error: no version 'second'")
    panel.poll()
    assert "✗ not done: error: no version" in panel.deed.status.value


@pytest.mark.parametrize("kind", ["promoted", "switched", "rolled_back", "went_back"])
def test_after_another_end_nothing_is_offered(panel, view, kind):
    panel.show(happened(view, kind, version="first", reason="later"))
    assert panel.challenger.layout.display == "none"


def test_a_version_that_is_gone_or_live_is_not_offered(panel, view):
    panel.show(replace(view, versions=view.versions[:1]))
    assert panel.challenger.layout.display == "none"
    panel.show(replace(view, live=msgspec.structs.replace(view.live, version_id="second")))
    assert panel.challenger.layout.display == "none"


def test_nothing_is_promoted_after_another_switch(panel, view, commands):
    panel.challenger.promote.click()
    panel.show(replace(view, live=msgspec.structs.replace(view.live, generation=9)))
    panel.deed.confirm.click()
    assert commands.asked == []
    assert "another version has gone live" in panel.deed.status.value


def test_locked_nothing_is_decided_or_told(panel, commands):
    panel.challenger.promote.click()
    panel.desk.lock.locked = True
    hold, challenger = panel.hold, panel.challenger
    for button in (challenger.promote, challenger.keep, hold.pause, hold.resume, hold.pin, hold.unpin):
        panel.deed.say("")
        button.click()
        panel.deed.confirm.click()
        assert "locked" in panel.deed.status.value
    assert commands.asked == []


@pytest.mark.parametrize(
    ("button", "words"),
    [
        ("pause", ["pause"]),
        ("resume", ["resume"]),
        ("pin", ["pin", "first"]),
        ("unpin", ["pin", "--off"]),
    ],
)
def test_the_automation_is_told_by_the_command_line(panel, commands, button, words):
    panel.reason.value = "holidays"
    getattr(panel.hold, button).click()
    assert commands.asked == []
    panel.deed.confirm.click()
    assert commands.asked[0][5:] == [*words, "--reason=holidays", "--by=dashboard"]
    commands.result = Result(0, f"{button}: holidays", "")
    panel.poll()
    assert f"✓ {button}: holidays" in panel.deed.status.value


def test_a_version_that_is_no_longer_live_is_not_pinned(panel, view, commands):
    panel.hold.pin.click()
    panel.show(replace(view, live=msgspec.structs.replace(view.live, version_id="second")))
    panel.deed.confirm.click()
    assert commands.asked == []
    assert "another version has gone live" in panel.deed.status.value


def test_what_is_in_force_is_shown_and_only_its_end_is_offered(panel, view):
    hold = panel.hold
    assert [b.layout.display for b in (hold.pause, hold.resume, hold.pin, hold.unpin)] == [None, "none", None, "none"]
    told = [
        Event(id="y", kind="paused", reason="<holidays>"),
        Event(id="z", kind="pinned", version="first", reason="law"),
    ]
    panel.show(replace(view, events=[*view.events, *told]))
    assert "‖ paused: &lt;holidays&gt;" in panel.body.value
    assert "‖ pinned to first: law" in panel.body.value
    assert [b.layout.display for b in (hold.pause, hold.resume, hold.pin, hold.unpin)] == ["none", None, "none", None]


def test_that_nothing_is_retrained_by_itself_is_said(view):
    off = with_values(view.settings, {"retrain.automatic": False})
    assert "[retrain] automatic is off" in Retrain.draw(replace(view, settings=off))


def test_nothing_is_drawn_again_when_nothing_has_changed(panel, view):
    changes = []
    panel.body.observe(changes.append, "value")
    panel.show(replace(view, predictions=9))
    assert changes == []


def test_an_empty_workspace_has_a_picture_that_says_so(settings, commands):
    page = Page(settings, Retrain, run=commands)
    (retrain,) = page.panels
    assert "no version has met another" in retrain.body.value
    assert retrain.hold.pin.disabled


@pytest.mark.slow
def test_the_real_command_line_pins_unpins_pauses_resumes_declines_and_promotes(two_versions):
    page, store = Page(two_versions, Retrain), VersionStore(two_versions.versions_dir)
    (retrain,) = page.panels
    hold, metrics = retrain.hold, retrain.desk.reader.metrics
    for button, told in (
        (hold.pause, ("by request", None)),
        (hold.pin, ("by request", "first")),
        (hold.resume, (None, "first")),
        (hold.unpin, (None, None)),
    ):
        button.click()
        retrain.deed.confirm.click()
        page.wait()
        force = steering(metrics.events(), "first")
        assert (force.paused, force.pinned) == told
    retrain.challenger.keep.click()
    page.wait()
    # Another viewer, or this one after a reload, is not asked again; who wants it all the same has `activate`.
    for viewer in (page, Page(two_versions, Retrain)):
        assert viewer.panels[0].challenger.layout.display == "none"
    metrics.append(Event(kind="kept_out", reason="once more", version="second"))
    page.refresh()
    retrain.challenger.promote.click()
    retrain.deed.confirm.click()
    page.wait()
    assert "✓ done: second is live" in retrain.deed.status.value
    assert store.live_id() == "second"
    assert retrain.challenger.layout.display == "none"
