"""Figures are read back through their artists and their SVG text; no picture is compared."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from workbench import plots
from workbench.evaluation import DriftResult, Evaluation, FeatureDrift, PerformanceResult, ServiceResult, Traffic
from workbench.plot_style import ALARM, BLUE
from workbench.records import Event, utc_text

START = datetime(2026, 1, 1, tzinfo=UTC)
THRESHOLDS = {
    "drift": {"max_mean_shift": 0.5, "max_std_ratio": 2.0, "max_share_shift": 0.3},
    "performance": {"max_loss": 0.5},
}


def at(minutes):
    return utc_text(START + timedelta(minutes=minutes))


def check(i=0, *, version="a", metric="mae", value=4.0, baseline=4.0, state="ok", features=(), mean_s=0.01):
    return Evaluation(
        id=f"e{i}",
        recorded_at=at(i),
        version=version,
        n=10,
        first_id=None,
        last_id=None,
        first_event_time=utc_text(START + timedelta(days=i)),
        last_event_time=utc_text(START + timedelta(days=i + 1)),
        service=ServiceResult(
            state="ok", sentence="", all=Traffic(requests=30, rows=30, mean_s=mean_s, p95_s=0.02, predictions_per_s=5.0)
        ),
        drift=DriftResult(state="ok", sentence="few", n=10, features=tuple(features)),
        performance=PerformanceResult(
            state=state,
            sentence="",
            metric=metric,
            n=10,
            labelled=10,
            metrics={metric: value},
            baseline={metric: baseline},
        ),
        thresholds=THRESHOLDS,
    )


def event(kind, minutes):
    return Event(kind=kind, reason="why", recorded_at=at(minutes))


def moved(name, shift, *, state="ok", band=0.1, ratio=1.0):
    return FeatureDrift(
        feature=name,
        kind="numeric",
        state=state,
        sentence="",
        n=10,
        missing_share=0,
        reference_missing_share=0,
        mean_shift=shift,
        mean_shift_band=band,
        std_ratio=ratio,
        std_ratio_band=1.1,
    )


def levels(axes, style):
    return [line.get_ydata()[0] for line in axes.get_lines() if line.get_linestyle() == style and len(line.get_xdata())]


def bars(figure, colour):
    from matplotlib.colors import to_rgb

    return [bar.get_width() for bar in figure.axes[0].patches if bar.get_facecolor()[:3] == to_rgb(colour)]


def test_an_error_alarms_above_its_holdout_and_a_score_below():
    error = plots.error_over_time([check(baseline=4.0)], [])
    score = plots.error_over_time([check(metric="f1", value=0.7, baseline=0.8)], [])
    assert levels(error.axes[0], ":") == [6.0]
    assert levels(score.axes[0], ":") == [pytest.approx(0.4)]


def test_every_version_has_its_own_holdout():
    figure = plots.error_over_time([check(0, version="a"), check(1, version="b", baseline=9.0)], [])
    assert levels(figure.axes[0], "--") == [4.0, 9.0]


def test_a_version_that_comes_back_is_not_joined_to_its_first_stretch():
    figure = plots.error_over_time([check(0, version="a"), check(1, version="b"), check(2, version="a")], [])
    assert len(levels(figure.axes[0], "--")) == 3


def test_a_window_with_too_few_actuals_is_drawn_pale_only():
    figure = plots.error_over_time([check(state="insufficient")], [])
    solid = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "-"]
    drawn = [(line.get_alpha(), line.get_ydata()[0]) for line in solid]
    assert drawn[0] == (0.35, 4.0)
    assert drawn[1][1] != drawn[1][1]


def test_an_event_stands_at_the_newest_row_seen_when_it_happened():
    figure = plots.error_over_time([check(0), check(10)], [event("alarm", 9), event("promoted", 10)])
    from matplotlib.dates import date2num

    marks = {line.get_marker(): date2num(line.get_xdata()[0]) for line in figure.axes[1].get_lines()}
    assert marks["^"] == date2num(START + timedelta(days=1))
    assert marks["*"] == date2num(START + timedelta(days=11))


def test_events_are_named_in_words():
    kinds = ["alarm", "retrain_started", "promoted", "kept_out", "rolled_back", "switched", "decision"]
    text = plots.svg(plots.error_over_time([check()], [event(kind, 1) for kind in kinds]), "x")
    for words in (
        "alarm begins",
        "retrain starts",
        "promoted",
        "challenger kept out",
        "rolled back",
        "switched by hand",
    ):
        assert words in text
    assert "decision" not in text


def test_the_largest_score_of_a_feature_is_its_bar_and_the_farthest_comes_first():
    near, far = moved("near", -0.25), moved("far", 0.1, ratio=4.0)
    assert bars(plots.drift_by_feature(check(features=[near, far])), BLUE) == [2.0, 0.5]


def test_an_alarm_is_told_by_sign_and_colour():
    figure = plots.drift_by_feature(check(features=[moved("x", 1.0, state="alarm")]))
    assert bars(figure, ALARM) == [2.0]
    assert "▲ 2.00 mean" in plots.svg(figure, "x")


def test_a_window_without_spread_is_infinitely_far():
    assert "∞ spread" in plots.svg(plots.drift_by_feature(check(features=[moved("x", 0.0, ratio=0.0)])), "x")


@pytest.mark.parametrize(
    "name", ["$x^2$", "a<b>&c", "one_$two", "<script>alert(1)</script>", "温度", "a\nb\x00c", "x" * 200, ""]
)
def test_any_feature_name_can_be_drawn(name):
    text = plots.svg(plots.drift_by_feature(check(features=[moved(name, 0.2)])), "x")
    assert "<script" not in text
    assert "\x00" not in text


def test_a_dollar_in_a_name_stays_a_dollar():
    assert ">$x^2$<" in plots.svg(plots.drift_by_feature(check(features=[moved("$x^2$", 0.2)])), "x")


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_any_number_of_checks_can_be_drawn(count):
    checks = [check(i, version=f"v{i // 30}") for i in range(count)]
    for figure in (plots.error_over_time(checks, [event("alarm", 0)]), plots.service_over_time(checks)):
        assert plots.svg(figure, "x").startswith("<svg")


def test_figures_that_are_not_known_are_left_out():
    checks = [check(0, value=None, baseline=None, mean_s=None), check(1, value=None, baseline=None, mean_s=None)]
    for figure in (
        plots.error_over_time(checks, []),
        plots.service_over_time(checks),
        plots.drift_by_feature(checks[0]),
    ):
        assert plots.svg(figure, "x")


def test_without_a_check_the_figure_says_so():
    assert "No check" in plots.svg(plots.error_over_time([], []), "x")
    assert "No check" in plots.svg(plots.drift_by_feature(None), "x")
    assert "few" in plots.svg(plots.drift_by_feature(check()), "x")


def test_the_picture_follows_the_theme_and_names_itself():
    text = plots.svg(plots.error_over_time([check()], []), 'mae of "a" < 5')
    assert 'role="img" aria-label="mae of &quot;a&quot; &lt; 5"' in text
    assert "currentColor" in text
    assert "var(--jp-ui-font-family" in text
    assert not re.search(r"#01020\d|DejaVu|<style|<metadata", text)


def test_the_same_records_make_the_same_bytes():
    first, second = (plots.svg(plots.error_over_time([check()], [event("alarm", 1)]), "x") for _ in range(2))
    assert first == second
