"""The picture of the service is read back through its artists."""

import math
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.evaluations import evaluation
from workbench.evaluation import ServiceResult, Traffic, Worker
from workbench.moments import utc_text
from workbench.plot_style import svg
from workbench.records import Event
from workbench.service_plots import service_over_time

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ["response, ms", "a second", "errors", "CPU", "memory, MB", ""]


def check(i, *, state="ok", workers=1, **traffic):
    told = {"mean_s": 0.01, "p50_s": 0.008, "p95_s": 0.02, "p99_s": 0.03, "latency_mean_s": 0.005}
    told |= {"predictions_per_s": 5.0, "requests_per_s": 2.0, "share_4xx": 0.25, "share_5xx": 0.1}
    worker = Worker(
        worker=1,
        version="v",
        started_at="",
        seen_at="",
        cpu_share=0.5,
        memory_mb=150.0,
        deferred=0,
        lost=0,
        error=None,
    )
    service = ServiceResult(
        state=state,
        sentence="",
        all=Traffic(**{"requests": 30, "rows": 30, **told, **traffic}),
        workers=(worker,) * workers,
        cpu_share=0.5 if workers else None,
        memory_mb=150.0 if workers else None,
    )
    return msgspec.structs.replace(evaluation(START + timedelta(minutes=i)), service=service)


def event(kind, minutes):
    return Event(kind=kind, reason="", recorded_at=utc_text(START + timedelta(minutes=minutes)))


def lines(axes):
    return {line.get_label(): [float(y) for y in line.get_ydata()] for line in axes.lines}


def test_each_figure_has_its_line_on_its_axes():
    figure = service_over_time([check(i) for i in range(3)])
    assert [axes.get_ylabel() for axes in figure.axes] == NAMES
    response, rate, errors, cpu, memory, _ = figure.axes
    assert {name: y[0] for name, y in lines(response).items()} == {
        "p99": 30.0,
        "p95": 20.0,
        "mean (shaded: 95 %)": 10.0,
        "p50": 8.0,
        "latency": 5.0,
    }
    assert {name: y[0] for name, y in lines(rate).items()} == {"predictions": 5.0, "requests": 2.0}
    assert [y[0] for y in lines(errors).values()] == [0.25, 0.1]
    assert lines(cpu)["CPU"] == [0.5] * 3
    assert lines(memory)["memory"] == [150.0] * 3


def test_response_times_of_a_few_requests_and_figures_of_no_worker_leave_a_gap():
    figure = service_over_time([check(0), check(1, state="insufficient", workers=0), check(2)])
    for axes in (figure.axes[0], figure.axes[3], figure.axes[4]):
        for values in lines(axes).values():
            assert [math.isnan(v) for v in values] == [False, True, False]
    assert lines(figure.axes[1])["requests"] == [2.0] * 3


@pytest.mark.parametrize("n", [1, 2])
def test_a_wide_interval_does_not_flatten_the_lines(n):
    known = {"mean_interval_s": (0.008, 9.0)}
    upper = service_over_time([check(i, **(known if i else {"p95_s": None})) for i in range(n)]).axes[0]
    assert upper.get_ylim()[1] < 100
    shaded = upper.collections[0].get_datalim(upper.transData)
    assert n == 1 or (shaded.y0, shaded.y1) == pytest.approx((8, 9_000))


def test_attempts_switches_rollbacks_and_alarms_are_marks_on_one_lane():
    kinds = ["alarm", "retrain_started", "promoted", "switched", "rolled_back", "went_back", "decision"]
    figure = service_over_time([check(i) for i in range(10)], [event(kind, i) for i, kind in enumerate(kinds)])
    lane = figure.axes[-1]
    assert [line.get_marker() for line in lane.lines] == ["^", "o", "*", "*", "<", "<"]
    assert {float(line.get_ydata()[0]) for line in lane.lines} == {0.0}
    ruled = [line for line in figure.axes[0].lines if line.get_xdata()[0] == line.get_xdata()[-1]]
    assert len(ruled) == 4, "switches and rollbacks are lines across the figures"
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["alarm", "attempt", "switch", "rollback"]


def test_events_before_the_first_check_that_is_shown_are_not():
    figure = service_over_time([check(5), check(6)], [event("alarm", 1), event("alarm", 5)])
    assert len(figure.axes[-1].lines) == 1


def test_of_more_checks_than_pixels_the_newest_is_drawn():
    figure = service_over_time([check(i) for i in range(1_000)], width=400)
    drawn = figure.axes[0].lines[0].get_xdata()
    assert len(drawn) <= 200
    assert drawn[-1] == START + timedelta(minutes=999)


def test_where_nobody_asked_and_no_worker_lives_the_picture_says_so():
    nobody = evaluation(START)
    for checks in ([], [nobody]):
        assert "No request and no worker" in svg(service_over_time(checks), "x")


def test_figures_that_are_not_known_can_be_drawn():
    unknown = dict.fromkeys(["mean_s", "p50_s", "p95_s", "p99_s", "latency_mean_s", "share_4xx", "share_5xx"])
    assert svg(service_over_time([check(0, workers=0, **unknown)]), "x").startswith("<svg")
