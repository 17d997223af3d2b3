"""The report: one page of what the files say, with nothing from elsewhere."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from workbench import Workbench
from workbench.errors import WorkbenchError
from workbench.panels.report import report, write
from workbench.panels.view import Reader

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VOID = {"meta", "path", "use", "img", "br", "hr", "input", "rect", "image", "line", "circle"}


class Outline(HTMLParser):
    """Which elements are open, what is asked from elsewhere, which titles are there."""

    def __init__(self):
        super().__init__()
        self.open, self.asked, self.titles = [], [], []

    def handle_starttag(self, name, attributes):
        self.asked += [v for k, v in attributes if k in {"src", "href", "xlink:href"} and not v.startswith("#")]
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        if name not in VOID:
            assert self.open.pop() == name

    def handle_data(self, text):
        if self.open[-1:] == ["h2"]:
            self.titles.append(text)


def outline(page):
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def test_the_page_tells_state_performance_drift_service_versions_and_decisions(traffic):
    traffic.send(200)
    page = report(Reader(traffic.settings).read(), NOW)
    found = outline(page)
    assert len(found.titles) == len(set(found.titles)) == 5
    check, live = traffic.metrics.evaluations()[-1], traffic.versions.live()
    assert check.performance.sentence in page
    assert check.drift.sentence in page
    assert live.version_id in page
    assert "written 2026-01-02 03:04:05Z" in page
    for picture in ("mae of first", "Residuals", "How late actuals come", "Drift by feature", "Service over time"):
        assert page.count(f'aria-label="{picture}') == 1


def test_nothing_is_asked_from_elsewhere_and_the_page_is_small(traffic):
    traffic.send(200)
    page = report(Reader(traffic.settings).read(), NOW)
    assert outline(page).asked == []
    assert not re.search(r"url\((?!#)|@import|<script|<link", page)
    assert len(page.encode()) < 1_000_000


def test_a_folder_in_which_nothing_was_done_has_a_report_that_says_so(settings, tmp_path):
    page = write(settings, tmp_path / "sent" / "report.html", NOW).read_text(encoding="utf-8")
    assert outline(page).titles
    assert "No version is live yet" in page


def test_text_from_data_and_users_is_text(traffic):
    from workbench.records import Event

    traffic.metrics.append(Event(kind="paused", reason="<script>alert(1)</script>", by="<b>"))
    page = report(Reader(traffic.settings).read(), NOW)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    outline(page)


def test_where_no_file_can_be_the_error_names_it_and_nothing_is_left(settings, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(WorkbenchError, match=r"cannot be written to .*taken: Is a directory"):
        write(settings, tmp_path / "taken", NOW)
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".tmp")] == []


def test_a_workbench_writes_the_page(traffic):
    traffic.send(200)
    workbench = Workbench(traffic.settings)
    path = workbench.to_html(traffic.settings.root / "page.html")
    assert "<main" in path.read_text(encoding="utf-8")
