"""What the health panel says of the service, from an evaluation made by hand."""

from datetime import UTC, datetime

import msgspec

from tests.evaluations import evaluation
from workbench.evaluation import ServiceResult, Traffic
from workbench.panels.health import Health
from workbench.panels.view import View

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLENTY = Traffic(
    requests=1_200,
    rows=1_200,
    requests_per_s=4.0,
    mean_s=0.0123,
    mean_interval_s=(0.0119, 0.0128),
    p95_s=0.03,
    p95_interval_s=(0.028, 0.0333),
    max_s=0.05,
    share_4xx=0.01,
    share_5xx=0.02,
    share_5xx_interval=(0.0135, 0.0296),
)
FEW = Traffic(requests=7, rows=7, requests_per_s=0.1, mean_s=0.02, max_s=0.0204, share_4xx=0.0, share_5xx=0.0)


def drawn(settings, **service):
    found = ServiceResult(state="ok", sentence="all is well", **service)
    check = msgspec.structs.replace(evaluation(NOON), service=found)
    return Health.draw(View(settings=settings, evaluations=[check]))


def rows(page):
    return [row.split("</tr>")[0] for row in page.split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:]]


def test_each_version_has_its_figures_with_their_intervals_in_a_row(settings):
    everything, old, new = rows(drawn(settings, all=PLENTY, by_version={"old": PLENTY, "new": FEW}))
    assert ">all<" in everything
    for words in (
        "old",
        "1,200",
        "4/s",
        "12.3 ms (11.9 to 12.8)",
        "30.0 ms (28.0 to 33.3)",
        "1.0%",
        "2.0% (1.4% to 3.0%)",
    ):
        assert words in old
    assert "longest 20.4 ms" in new


def test_a_version_that_is_called_like_the_sum_of_all_has_its_own_row(settings):
    assert len(rows(drawn(settings, all=PLENTY, by_version={"all": FEW}))) == 2


def test_without_requests_there_is_no_table(settings):
    assert "<table" not in drawn(settings, all=Traffic(requests=0, rows=0))


def test_before_the_first_check_the_panel_says_so(settings):
    assert "no check yet" in Health.draw(View(settings=settings))
