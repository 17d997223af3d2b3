"""Drift over time, read back through the artists of its figures."""

from datetime import timedelta

import msgspec
import numpy as np
import pytest
from matplotlib.dates import date2num

from tests.conftest import NOON
from tests.drifting import normal, reference
from tests.evaluations import evaluation
from workbench.drift import check
from workbench.drift_time_plots import SCORES, alarms_over_time, score_over_time
from workbench.moments import utc_text
from workbench.plot_style import svg
from workbench.sections import DriftSettings

PROFILES = reference({"x": normal(3_000, 0), "y": normal(3_000, 5)})


def checks(*means, versions=None):
    found = []
    for i, mean in enumerate(means):
        result = check(
            {"x": normal(300, i + 1, mean=mean), "y": normal(300, 50 + i)},
            PROFILES,
            limits=DriftSettings(),
            false_alarm_rate=0.01,
        )
        at = NOON + timedelta(hours=i)
        version = versions[i] if versions else "v"
        found.append(
            msgspec.structs.replace(
                evaluation(at, version=version), id=str(i), drift=result, last_event_time=utc_text(at)
            )
        )
    return found


def test_a_score_is_drawn_at_every_check_inside_its_band():
    points = checks(0, 0, 1, 2)
    axes = score_over_time(points, "x", "mean").axes[0]
    scores = [e.drift.feature("x").channels["mean"] for e in points]
    line = next(line for line in axes.lines if line.get_linestyle() == "-")
    assert line.get_ydata().tolist() == [s.value for s in scores]
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (min(s.low for s in scores), max(s.high for s in scores))
    alarmed = next(line for line in axes.lines if line.get_marker() == "^")
    assert alarmed.get_ydata().tolist() == [s.value for s in scores[2:]]


@pytest.mark.parametrize("channel", ["mean", "std", "distribution", "missing", "range"])
def test_every_score_has_its_words_and_the_line_from_which_it_counts(channel):
    figure = score_over_time(checks(0, 1), "x", channel)
    limit = checks(0)[0].drift.feature("x").channels[channel].limit
    dotted = [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert limit in dotted
    assert figure.axes[0].get_ylabel() == SCORES[channel]


def test_each_version_has_a_line_and_a_band_of_its_own():
    axes = score_over_time(checks(0, 0, 1, 1, versions="aabb"), "x", "mean").axes[0]
    assert len([line for line in axes.lines if line.get_linestyle() == "-"]) == 2
    assert len(axes.collections) == 2


def test_a_year_of_checks_is_thinned_and_the_newest_stays():
    points = [msgspec.structs.replace(e, id=str(i)) for i, e in enumerate(checks(0, 1) * 600)]
    line = next(
        line for line in score_over_time(points, "x", "mean", width=400).axes[0].lines if line.get_linestyle() == "-"
    )
    assert len(line.get_ydata()) <= 200
    assert line.get_ydata()[-1] == points[-1].drift.feature("x").channels["mean"].value


def test_one_check_alone_and_none_can_be_drawn():
    assert "x, check by check" in svg(score_over_time(checks(1), "x", "mean"), "x")
    assert "no check has measured" in svg(score_over_time([], "x", "unseen"), "x")


def test_a_lane_an_input_that_would_alarm_or_did():
    points = checks(0, 2, 2, 0)
    states = [["drift", "ok"], ["drift", "ok"], ["ok", "ok"], ["ok", "broken"]]
    axes = alarms_over_time(points, ["x", "y"], states).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "y"]
    lanes = {
        (lane.get_linewidth()[0], segment[0, 1]): segment[:, 0]
        for lane in axes.collections
        for segment in lane.get_segments()
    }
    times = date2num([NOON + timedelta(hours=i) for i in range(4)])
    # Thick: would alarm; thin: did.
    np.testing.assert_allclose(lanes[7.0, 0], times[[0, 1]])
    np.testing.assert_allclose(lanes[2.0, 0.3], times[[1, 2]])
    np.testing.assert_allclose(lanes[7.0, 1], times[[3, 3]])


def test_no_alarm_has_words():
    assert "No alarm at any of these checks" in svg(alarms_over_time(checks(0), ["x"], [["ok"]]), "x")
    assert "No check has seen a prediction yet" in svg(alarms_over_time([], [], []), "x")
