"""What the drift panel and the headline say of an evaluation, made by hand."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from tests.evaluations import evaluation
from workbench.evaluation import DataResult, DriftResult, FeatureDrift, Impact, ModelView
from workbench.moments import utc_text
from workbench.panels.drift import Drift
from workbench.panels.state_line import state_of
from workbench.panels.view import View
from workbench.records import Pointer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def feature(name, state, sentence, **kwargs):
    return FeatureDrift(
        feature=name,
        kind="numeric",
        state=state,
        sentence=f"{name}: {sentence}",
        n=100,
        missing_share=0,
        reference_missing_share=0,
        **kwargs,
    )


def view(settings, check):
    live = Pointer(version_id="v", generation=1, activated_at=utc_text(NOON))
    return View(settings=settings, evaluations=[check], live=live)


def drawn(settings, *features, previous=(), **parts):
    check = msgspec.structs.replace(
        evaluation(NOON),
        drift=DriftResult(state="drift", sentence="temp has moved", n=100, features=features),
        previous=DriftResult(state="ok", sentence="nothing before", n=100, features=previous),
        **parts,
    )
    return Drift.draw(view(settings, check))


def test_a_feature_that_has_moved_has_both_comparisons_and_its_impact_in_one_row(settings):
    impacts = (Impact(feature="temp", moved=3.21, share=0.43),)
    page = drawn(
        settings,
        feature("temp", "drift", "mean 71, was 39"),
        previous=[feature("temp", "ok", "mean 71, was 70")],
        model=ModelView(state="drift", sentence="the outputs have moved", impacts=impacts),
    )
    row = page[page.index("<tbody>") :]
    for words in (
        "temp",
        "▲ drift",
        "mean 71, was 39",
        "as before: mean 71, was 70",
        "3.21 (0.43\N{NO-BREAK SPACE}sd)",
    ):
        assert words in row
    assert "the outputs have moved" in page


def test_only_what_has_moved_or_was_accepted_is_in_the_table(settings):
    moved = [feature(state, state, "moved") for state in ("drift", "possible", "broken")]
    still = [feature("calm", "ok", "still"), feature("few", "insufficient", "insufficient: 3 values")]
    page = drawn(settings, *moved, *still, feature("known", "ok", "moved; accepted: new shop", accepted="new shop"))
    row = page[page.index("<tbody>") :]
    assert row.count("<tr>") == 4
    assert "accepted: new shop" in row
    assert "calm" not in row
    assert "few" not in row
    assert "<table" not in drawn(settings, *still)


def test_without_a_window_before_the_row_says_why(settings):
    assert "nothing before" in drawn(settings, feature("temp", "possible", "mean 71, was 39"))


def test_broken_data_have_a_line_of_their_own(settings):
    assert "broken data" not in drawn(settings)
    page = drawn(settings, data=DataResult(state="broken", sentence="temp: another unit", features=("temp",)))
    assert "broken data" in page
    assert "temp: another unit" in page


def test_what_the_data_say_is_shown_as_text(settings):
    page = drawn(settings, feature("<b>x", "drift", "<script>"), previous=[feature("<b>x", "ok", "<script>")])
    assert "<b>x" not in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("alarms", "word", "sentence"),
    [
        ((), "healthy", "data, inputs, the model's view, performance, estimated performance, service ok"),
        (("drift", "model"), "drift", "drift of inputs, the model's view"),
        (("performance", "drift"), "alarm", "performance in alarm; drift of inputs"),
        (("data", "performance"), "broken data", "data broken; performance in alarm"),
    ],
)
def test_the_worst_part_names_the_state_and_every_alarm_is_told(settings, alarms, word, sentence):
    assert state_of(view(settings, evaluation(NOON, *alarms)))[1::2] == (word, sentence)


def test_a_possible_drift_is_told_after_alarms_and_before_health(settings):
    possible = DriftResult(state="possible", sentence="", n=100)
    check = msgspec.structs.replace(evaluation(NOON), drift=possible)
    assert state_of(view(settings, check)) == ("△", "possible trouble", "wb-wait", "inputs possibly off")
    check = msgspec.structs.replace(evaluation(NOON, "performance"), drift=possible)
    assert state_of(view(settings, check))[1] == "alarm"


def test_data_that_look_sound_are_no_health_while_nothing_else_is_known(settings):
    check = evaluation(NOON)
    few = {
        name: msgspec.structs.replace(getattr(check, name), state="insufficient")
        for name in ("drift", "model", "performance", "estimate", "service")
    }
    assert state_of(view(settings, msgspec.structs.replace(check, **few)))[1] == "too little data"


def test_no_version_and_no_check_have_words(settings):
    seen = view(settings, evaluation(NOON))
    assert state_of(replace(seen, live=None))[1] == "nothing live"
    assert state_of(replace(seen, evaluations=[]))[1] == "no check yet"
