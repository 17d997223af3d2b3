"""One input picked on the drift panel: beside its reference, in figures, and over time."""

import re

import numpy as np
import pytest

from tests.drifting import drawn, normal, reference, texts, without
from workbench.drift import check
from workbench.evaluation import Impact
from workbench.metrics_store import MetricsStore
from workbench.panels.drift import Drift
from workbench.panels.drift_feature import by_impact, figures
from workbench.sections import DriftSettings
from workbench.workspace import Workbench


@pytest.fixture
def panel(drifting, desk):
    panel = Drift(desk)
    panel.show(desk.reader.read())
    return panel


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html)).strip()


def test_inputs_are_ordered_by_how_far_they_move_the_predictions_then_by_noise():
    profiles = reference({name: normal(3_000, 0) for name in "abc"})
    window = {"a": normal(500, 1, mean=0.5), "b": normal(500, 1, mean=2), "c": normal(500, 1)}
    found = check(window, profiles, limits=DriftSettings(), false_alarm_rate=0.01).features
    assert [f.feature for f in by_impact(found, [])] == ["b", "a", "c"]
    impacts = [Impact(feature="c", moved=0.2, share=0.1), Impact(feature="a", moved=0.1, share=0.1)]
    assert [f.feature for f in by_impact(found, impacts)] == ["c", "a", "b"]


def test_the_input_that_moves_the_predictions_most_is_shown_first(panel):
    assert panel.feature.choice.value == "km"
    assert panel.feature.choice.options[0][0].startswith("km: ▲ drift, impact ")
    assert "lie outside 1.01 to 49.86" in panel.feature.window.value
    assert "at 4 checks" in panel.feature.over_time.value


def test_picking_another_input_changes_both_pictures_and_the_figures(panel):
    panel.feature.choice.value = "to"
    assert "to: " in panel.feature.window.value
    assert "of to at 4 checks" in panel.feature.over_time.value
    told = text(panel.feature.figures.value)
    for word in ("north", "south", "east", "missing 0.0% 0.0%", "unseen 0.0%"):
        assert word in told


def test_picking_a_score_draws_that_one_over_time(panel):
    offered = [value for _, value in panel.feature.score.options]
    assert offered == ["", "mean", "std", "distribution", "missing", "range"]
    for name, words in (("missing", "share of values missing"), ("range", "share of values out of range")):
        panel.feature.score.value = name
        assert words in panel.feature.over_time.value
    panel.feature.choice.value = "to"
    assert "range" not in [value for _, value in panel.feature.score.options]


def test_the_quantiles_are_of_the_very_rows_of_the_window(panel, drifting):
    window = np.array([p.inputs["km"] for p in drifting.metrics.window()])
    told = text(panel.feature.figures.value)
    assert f"median {np.median(window):.4g} " in told
    assert f"95% are below {np.quantile(window, 0.95):.4g} " in told
    assert f"rows {len(window)} " in told


def test_a_pick_survives_a_new_check_and_nothing_is_drawn_twice(panel, drifting, desk):
    panel.feature.choice.value = "stops"
    before = panel.feature.over_time.value
    panel.show(desk.reader.read())
    assert panel.feature.over_time.value is before
    drifting.send(20)
    panel.show(desk.reader.read())
    assert panel.feature.choice.value == "stops"
    assert "of stops at 5 checks" in panel.feature.over_time.value


def test_without_the_version_s_files_it_says_what_is_missing(panel, drifting, desk):
    (drifting.settings.versions_dir / "models" / "first" / "profile.json").unlink()
    again = Drift(desk)
    again.show(desk.reader.read())
    assert "the files of first" in again.feature.window.value
    assert "at 4 checks" in again.feature.over_time.value


def test_rows_that_are_gone_leave_dashes_for_the_quantiles(drifting, desk):
    for file in (drifting.settings.metrics_dir / "predictions").iterdir():
        file.unlink()
    panel = Drift(desk)
    panel.show(desk.reader.read())
    assert "median – " in text(panel.feature.figures.value)


def test_without_a_check_there_is_nothing_to_pick(trained, desk):
    panel = Drift(desk)
    panel.show(desk.reader.read())
    assert panel.feature.layout.display == "none"
    assert "no check" in panel.body.value.lower()


def test_what_a_category_is_called_is_shown_as_text():
    profiles = reference({"c": drawn(2_000, 0)})
    found = check({"c": texts(["<script>"] * 200).to_numpy()}, profiles, limits=DriftSettings(), false_alarm_rate=0.01)
    told = figures(found.features[0], profiles[0], np.zeros(0))
    assert "&lt;script&gt;" in told
    assert "<script" not in told


def test_missing_values_do_not_hide_the_quantiles_of_the_others():
    profiles = reference({"x": normal(2_000, 0)})
    values = without(normal(200, 1), 4)
    found = check({"x": values}, profiles, limits=DriftSettings(), false_alarm_rate=0.01)
    told = text(figures(found.features[0], profiles[0], values))
    assert "missing 25.0% 0.0%" in told
    assert f"median {np.nanmedian(values):.4g} " in told


def test_it_works_alone_in_a_notebook(drifting):
    page = Workbench.open(drifting.settings.root).drift_panel()
    panel = page.panels[0]
    assert page.status.troubles == {}
    assert panel.feature.choice.value == "km"
    assert MetricsStore.of(drifting.settings).evaluations()[-1].drift.sentence.split("(")[0] in panel.body.value
