"""Figures are read back through their artists and their SVG text; no picture is compared."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from workbench import plots
from workbench.drift_plots import drift_by_feature
from workbench.evaluation import (
    Channel,
    DriftResult,
    Evaluation,
    FeatureDrift,
    ServiceResult,
    Traffic,
)
from workbench.moments import utc_text
from workbench.performance_result import Judged, PerformanceResult
from workbench.plot_style import ALARM, AMBER, BLUE
from workbench.records import Event

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(minutes):
    return utc_text(START + timedelta(minutes=minutes))


def check(
    i=0, *, version="a", metric="mae", value=4.0, baseline=4.0, state="ok", features=(), previous=(), mean_s=0.01
):
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
        previous=DriftResult(state="ok", sentence="", n=10, features=tuple(previous)),
        performance=PerformanceResult(
            state=state,
            sentence="",
            metric=metric,
            n=10,
            labelled=10,
            metrics={metric: value},
            baseline={metric: baseline},
            intervals={} if value is None else {metric: (value * 0.9, value * 1.1)},
            judged=[Judged(metric=metric, state=state, value=value, baseline=baseline, limit=limit(metric, baseline))],
        ),
        thresholds={},
    )


def limit(metric, baseline):
    return None if baseline is None else baseline * (0.5 if metric == "f1" else 1.5)


def event(kind, minutes):
    return Event(kind=kind, reason="why", recorded_at=at(minutes))


def channel(value, *, low=-0.1, high=0.1, limit=0.05, state="ok"):
    return Channel(value=value, low=low, high=high, noise=1.0, p=0.5, limit=limit, state=state)


def moved(name, shift=0.0, *, state="ok", decided=None, **channels):
    return FeatureDrift(
        feature=name,
        kind="numeric",
        state=state,
        sentence=f"{name}: moved",
        n=10,
        channel=decided,
        channels={"mean": channel(shift), **channels},
        missing_share=0,
        reference_missing_share=0.2,
    )


def levels(axes, style):
    return [line.get_ydata()[0] for line in axes.get_lines() if line.get_linestyle() == style and len(line.get_xdata())]


def marks(figure, shape, colour=None):
    """Where the marks of a shape stand, row by row."""
    lines = [line for line in figure.axes[0].get_lines() if line.get_marker() == shape]
    return [line.get_xdata()[0] for line in lines if colour is None or line.get_markeredgecolor() == colour]


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


def test_a_score_is_drawn_as_a_multiple_of_the_band_on_its_own_side():
    features = [moved("up", 0.25), moved("down", -0.25), moved("lopsided", mean=channel(-0.4, low=-0.2))]
    assert marks(drift_by_feature(check(features=features)), "o", BLUE) == pytest.approx([2.5, 2.5, 2.0])


def test_a_ratio_is_as_far_below_one_as_above():
    wide, narrow = (moved("x", std=channel(r, low=1 / 2, high=2, limit=1.1)) for r in (8.0, 1 / 8))
    assert marks(drift_by_feature(check(features=[wide, narrow])), "o", BLUE) == pytest.approx([3.0, 3.0])


def test_missing_values_are_counted_from_the_share_that_the_reference_misses():
    feature = moved("x", missing=channel(0.5, low=0.1, high=0.3))
    assert marks(drift_by_feature(check(features=[feature])), "o", BLUE) == pytest.approx([3.0])


def test_the_rows_stand_in_the_order_of_the_record():
    text = plots.svg(drift_by_feature(check(features=[moved("second", 0.1), moved("first", 0.9)])), "x")
    assert text.index("second") < text.index("first")


def test_the_channel_that_decided_is_drawn_and_otherwise_the_one_nearest_to_drift():
    too_small = {"std": channel(1.5, low=0.9, high=1.1, limit=9.0)}
    near = moved("near", 0.09, **too_small)
    decided = moved("decided", 0.09, state="drift", decided="std", **too_small)
    text = plots.svg(drift_by_feature(check(features=[near, decided])), "x")
    assert "✓ ok: mean +0.09 sd" in text
    assert "▲ drift: spread ×1.5" in text


@pytest.mark.parametrize(
    ("state", "shape", "colour", "said"),
    [
        ("drift", "^", ALARM, "▲ drift: mean +1 sd"),
        ("broken", "X", ALARM, "✖ broken: mean +1 sd"),
        ("possible", "^", AMBER, "△ possible: mean +1 sd"),
        ("insufficient", "o", None, "· insufficient<"),
        ("ok", "o", BLUE, "✓ ok: mean +1 sd"),
    ],
)
def test_a_state_is_told_by_shape_sign_and_word(state, shape, colour, said):
    figure = drift_by_feature(check(features=[moved("x", 1.0, state=state)]))
    assert marks(figure, shape, colour) == pytest.approx([10.0])
    assert said in plots.svg(figure, "x")


def test_a_sign_of_broken_data_is_named():
    feature = moved("x", state="broken", decided="unit")
    assert "✖ broken: another unit" in plots.svg(drift_by_feature(check(features=[feature])), "x")


def test_the_window_before_stands_in_the_same_row_by_the_same_channel():
    now = moved("x", 1.0, state="drift", decided="mean")
    before = moved("x", mean=channel(0.4, high=0.2), std=channel(9.0, low=0.5, high=2.0))
    figure = drift_by_feature(check(features=[now], previous=[before]))
    hollow = [line for line in figure.axes[0].get_lines() if line.get_markerfacecolor() == "none"]
    assert [line.get_xdata()[0] for line in hollow] == pytest.approx([2.0])
    assert "window before" in plots.svg(figure, "x")
    assert "window before" not in plots.svg(drift_by_feature(check(features=[now])), "x")


def test_what_is_beyond_chance_but_too_small_stands_before_its_tick():
    figure = drift_by_feature(check(features=[moved("x", mean=channel(0.3, limit=0.5))]))
    assert marks(figure, "|") == pytest.approx([5.0])
    assert marks(figure, "o", BLUE) == pytest.approx([3.0])


@pytest.mark.parametrize(
    "feature",
    [
        moved("x", std=channel(0.0, low=0.9, high=1.1, limit=1.15), state="drift", decided="std"),
        moved("x", missing=channel(0.3, low=0.2, high=0.2), state="drift", decided="missing"),
    ],
)
def test_what_no_band_can_measure_stands_at_the_end_of_the_axis(feature):
    figure = drift_by_feature(check(features=[feature]))
    assert marks(figure, "^") == [figure.axes[0].get_xlim()[1]] == [100]
    assert figure.axes[0].get_xticklabels()[-1].get_text() == "100+"


def test_a_feature_without_a_score_has_its_row():
    feature = FeatureDrift(
        feature="x",
        kind="numeric",
        state="insufficient",
        sentence="",
        n=0,
        missing_share=0,
        reference_missing_share=0,
    )
    assert "· insufficient" in plots.svg(drift_by_feature(check(features=[feature])), "x")


@pytest.mark.parametrize(
    "name", ["$x^2$", "a<b>&c", "one_$two", "<script>alert(1)</script>", "温度", "a\nb\x00c", "x" * 200, ""]
)
def test_any_feature_name_can_be_drawn(name):
    text = plots.svg(drift_by_feature(check(features=[moved(name, 0.2)])), "x")
    assert "<script" not in text
    assert "\x00" not in text


def test_a_dollar_in_a_name_stays_a_dollar():
    assert ">$x^2$<" in plots.svg(drift_by_feature(check(features=[moved("$x^2$", 0.2)])), "x")


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_any_number_of_checks_can_be_drawn(count):
    checks = [check(i, version=f"v{i // 30}") for i in range(count)]
    assert plots.svg(plots.error_over_time(checks, [event("alarm", 0)]), "x").startswith("<svg")


def test_figures_that_are_not_known_are_left_out():
    checks = [check(0, value=None, baseline=None, mean_s=None), check(1, value=None, baseline=None, mean_s=None)]
    for figure in (plots.error_over_time(checks, []), drift_by_feature(checks[0])):
        assert plots.svg(figure, "x")


def test_without_a_check_the_figure_says_so():
    assert "No check" in plots.svg(plots.error_over_time([], []), "x")
    assert "No check" in plots.svg(drift_by_feature(None), "x")
    assert "few" in plots.svg(drift_by_feature(check()), "x")


def test_the_picture_follows_the_theme_and_names_itself():
    text = plots.svg(plots.error_over_time([check()], []), 'mae of "a" < 5')
    assert 'role="img" aria-label="mae of &quot;a&quot; &lt; 5"' in text
    assert "currentColor" in text
    assert "var(--jp-ui-font-family" in text
    assert not re.search(r"#01020\d|DejaVu|<style|<metadata", text)


def test_the_same_records_make_the_same_bytes():
    first, second = (plots.svg(plots.error_over_time([check()], [event("alarm", 1)]), "x") for _ in range(2))
    assert first == second
