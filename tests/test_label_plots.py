"""How actuals come, and estimates beside what came of them: read back through the artists."""

from datetime import timedelta

import msgspec
import pytest

from tests.qualities import NOON, checked
from workbench.label_plots import coverage_over_time, delay_curve, estimate_beside_realised
from workbench.moments import utc_text
from workbench.performance_result import Labels
from workbench.plot_style import svg


def check(i=0, coverage=0.9, **estimate):
    made = checked()
    labels = msgspec.structs.replace(made.performance.labels, coverage=coverage)
    return msgspec.structs.replace(
        made,
        last_event_time=utc_text(NOON + timedelta(days=i)),
        performance=msgspec.structs.replace(made.performance, labels=labels),
        estimate=msgspec.structs.replace(made.estimate, **estimate),
    )


def told(*delays, mature=None):
    return Labels(sentence="", delays=delays, mature_after_s=mature)


def test_the_curve_steps_from_nothing_at_once_to_all_at_the_last():
    axes = delay_curve(told((60.0, 0.5), (7_200.0, 1.0), mature=3_600.0)).axes[0]
    assert axes.lines[0].get_xydata()[:3].tolist() == [[0, 0], [60, 0.5], [7_200, 1]]
    assert axes.lines[1].get_xdata()[0] == 3_600
    assert axes.get_xlabel() == "hours after the prediction"


@pytest.mark.parametrize(
    ("last", "unit"), [(0.0, "seconds"), (0.02, "seconds"), (119.0, "seconds"), (120.0, "minutes"), (2e5, "days")]
)
def test_the_time_axis_has_the_unit_people_would_say(last, unit):
    figure = delay_curve(told((last / 2, 0.5), (last, 1.0)))
    assert figure.axes[0].get_xlabel() == f"{unit} after the prediction"
    assert 3 <= svg(figure, "x").count("text-anchor: middle") <= 12


def test_before_any_actual_the_picture_says_so():
    for labels in (None, told()):
        assert "No actual has come yet" in svg(delay_curve(labels), "x")
    assert "No prediction is mature yet" in svg(coverage_over_time([check(coverage=None)]), "x")


def test_coverage_is_drawn_check_by_check():
    axes = coverage_over_time([check(i, coverage=0.9 - i / 10) for i in range(3)]).axes[0]
    assert axes.lines[0].get_ydata() == pytest.approx([0.9, 0.8, 0.7])


def test_the_estimate_and_the_actuals_are_lines_above_and_blocks_below():
    above, below = estimate_beside_realised([check(i, value=4.0 + i, low=3.0, high=6.0) for i in range(3)]).axes
    assert list(above.lines[0].get_ydata()) == [4.0, 5.0, 6.0]
    assert list(above.lines[1].get_ydata()) == [4.0] * 3
    bounds = above.collections[0].get_datalim(above.transData)
    assert (bounds.y0, bounds.y1) == pytest.approx((3, 6))
    estimated, realised = (line for line in below.lines if line.get_marker() in "sD")
    assert (estimated.get_ydata()[0], realised.get_ydata()[0]) == (4.1, 4.2)


def test_without_a_track_record_there_is_one_axes():
    assert len(estimate_beside_realised([check(record=())]).axes) == 1


def test_an_estimate_of_another_metric_is_not_mixed_in():
    figure = estimate_beside_realised([check(0, metric="rmse", value=9.0), check(1)])
    assert list(figure.axes[0].lines[0].get_ydata()) == [4.3]


def test_without_an_estimate_the_picture_says_so():
    for checks in ([], [check(value=None)]):
        assert "Nothing has been estimated yet" in svg(estimate_beside_realised(checks), "x")
