"""What the health panel says of the service, and what its time span does."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.evaluations import evaluation
from workbench import Workbench
from workbench.evaluation import ServiceResult, Traffic, Uptime, Worker
from workbench.moments import utc_text
from workbench.panels.health import SPANS, Health, within
from workbench.panels.view import View
from workbench.records import Event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLENTY = Traffic(
    requests=1_200,
    rows=1_200,
    requests_per_s=4.0,
    predictions_per_s=4.5,
    mean_s=0.0123,
    mean_interval_s=(0.0119, 0.0128),
    p50_s=0.0101,
    p95_s=0.03,
    p95_interval_s=(0.028, 0.0333),
    p99_s=0.0444,
    max_s=0.05,
    latency_mean_s=0.0088,
    share_4xx=0.01,
    share_5xx=0.02,
    share_5xx_interval=(0.0135, 0.0296),
    up_s=7_200.0,
    cpu_share=0.25,
    memory_mb=151.0,
)
FEW = Traffic(requests=7, rows=7, requests_per_s=0.1, mean_s=0.02, max_s=0.0204, share_4xx=0.0, share_5xx=0.0)


def worker(number, version, **more):
    told = {"deferred": 0, "lost": 0, "error": None, "cpu_share": 0.125, "memory_mb": 150.4} | more
    return Worker(worker=number, version=version, started_at=utc_text(NOON), seen_at=utc_text(NOON), **told)


def check(minutes=0, **service):
    now = NOON + timedelta(minutes=minutes)
    found = ServiceResult(**({"state": "ok", "sentence": "all is well", "all": PLENTY} | service))
    return msgspec.structs.replace(evaluation(now), id=f"{minutes:09}", service=found)


def whole(settings, **service):
    return Health.whole(View(settings=settings, evaluations=[check(**service)]))


def table(page):
    """The first table: name of a row -> its cells."""
    body = page.split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in body.split("<tr>")]
    return {row[0]: row[1:] for row in rows if row}


def test_each_version_has_its_figures_with_their_intervals_in_a_column(settings):
    rows = table(whole(settings, by_version={"old": PLENTY, "new": FEW}))
    assert {name: cells[1] for name, cells in rows.items()} == {
        "requests": "1,200",
        "rate": "4/s",
        "mean response": "12.3 ms (11.9 to 12.8)",
        "p50": "10.1 ms",
        "p95": "30.0 ms (28.0 to 33.3)",
        "p99": "44.4 ms",
        "latency": "8.8 ms",
        "4xx": "1.0%",
        "5xx": "2.0% (1.4% to 3.0%)",
        "up": "2 h",
        "CPU": "25%",
        "memory": "151 MB",
    }
    assert rows["p95"][2] == "longest 20.4 ms"
    assert rows["memory"][2] == rows["CPU"][2] == "–"


def test_a_version_that_is_called_like_the_sum_of_all_has_its_own_column(settings):
    assert table(whole(settings, by_version={"all": FEW}))["requests"] == ["1,200", "7"]


def test_without_requests_there_is_no_table(settings):
    assert "<table" not in whole(settings, all=Traffic(requests=0, rows=0))


def test_before_the_first_check_the_panel_says_so(settings):
    page = Health.whole(View(settings=settings))
    assert "no check yet" in page
    assert "No request and no worker" in page


def test_each_worker_is_told_with_its_version_and_what_it_costs(settings):
    page = whole(settings, workers=(worker(1, "old"), worker(2, None, cpu_share=0.5)))
    for words in (">1<", ">old<", "2026-01-01 12:00:00Z", ">12%<", ">150 MB<", ">2<", ">none<", ">50%<"):
        assert words in page, words


def test_cards_have_the_last_check_and_a_line_of_those_before(settings):
    up = Uptime(since=utc_text(NOON), as_of=utc_text(NOON), up_s=90.0, share=0.995, current_s=9.0)
    told = {"uptime": up, "workers": (worker(1, "v"),), "cpu_share": 0.125, "memory_mb": 150.4}
    page = Health.draw(View(settings=settings, evaluations=[check(i, **told) for i in range(3)]))
    for words in (
        *("4.5 / s", "12.3 ms", "first byte after 8.8 ms", "30.0 ms", "p50 10.1, p99 44.4", ">2%<", ">1%<", "99.5%"),
        *("12%", "150 MB", "all is well"),
    ):
        assert words in page, words
    assert page.count("<svg") == 8
    assert "matplotlib" not in page


@pytest.mark.parametrize(("cause", "name"), [("failures", "failed (5xx)"), ("response_time", "mean response")])
def test_what_the_service_is_in_alarm_for_is_marked(settings, cause, name):
    page = Health.draw(View(settings=settings, evaluations=[check(state="alarm", cause=cause)]))
    marked = page.split("wb-bad")[0].rsplit("<dt>", 1)[1]
    assert marked.startswith(name)


def test_a_span_ends_at_the_newest_check():
    checks = [check(minutes) for minutes in (0, 50, 110, 111)]
    assert within(checks, 3_600) == checks[-2:]
    assert within(checks, 3_660) == checks[-3:]
    assert within(checks, 0) == checks
    assert within([], 900) == []


def test_every_span_is_drawn_when_chosen_and_the_cards_and_tables_stay(desk, settings):
    panel = Health(desk)
    checks = [check(m) for m in (0, 60 * 24 * 8, 60 * 24 * 10, 60 * 24 * 11 - 30, 60 * 24 * 11 - 10, 60 * 24 * 11)]
    panel.show(View(settings=settings, evaluations=checks))
    before, told = (panel.body.value, panel.tables.value), {}
    for name, span in SPANS:
        panel.span.value = span
        assert panel.span.label == name, "a choice that is made is shown"
        told[name] = panel.picture.value.split("Service over time, ")[1].split(" checks")[0]
    assert told == {"everything": "6", "15 minutes": "2", "1 hour": "3", "1 day": "4", "1 week": "5"}
    assert (panel.body.value, panel.tables.value) == before


def test_a_new_event_draws_the_picture_alone_and_nothing_new_draws_nothing(desk, settings):
    panel = Health(desk)
    view = View(settings=settings, evaluations=[check(0), check(1)])
    panel.show(view)
    drawn = []
    for name in ("body", "picture", "tables"):
        getattr(panel, name).observe(lambda _, name=name: drawn.append(name), "value")
    panel.show(replace(view, predictions=view.predictions + 1))
    assert drawn == []
    alarm = Event(id="e", kind="alarm", reason="", recorded_at=utc_text(NOON))
    panel.show(replace(view, events=[alarm]))
    assert drawn == ["picture"]


def test_a_span_chosen_before_the_first_look_at_the_files_is_no_trouble(desk):
    panel = Health(desk)
    panel.span.value = 900
    assert panel.picture.value == ""


def test_names_from_files_are_shown_as_text(settings):
    page = whole(settings, by_version={"<img src=x>": FEW}, workers=(worker(1, "<img src=x>"),))
    assert "<img" not in page


def test_the_panel_works_alone(traffic):
    traffic.send(40)
    page = Workbench(traffic.settings).health_panel()
    page.panels[0].span.value = 3_600
    assert "Service over time" in page.panels[0].picture.value
    assert page.status.value == ""
