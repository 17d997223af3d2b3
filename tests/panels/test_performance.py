"""What the performance panel says, from a verdict made by hand."""

from tests.evaluations import evaluation
from tests.qualities import NOON, checked
from workbench.panels.performance import Performance
from workbench.panels.view import View
from workbench.records import Pointer, utc_text
from workbench.sections import PerformanceSettings


def drawn(settings, check):
    by = settings.model_copy(update={"performance": PerformanceSettings(segment="to")})
    live = Pointer(version_id="v", generation=1, activated_at=utc_text(NOON))
    return Performance.draw(View(settings=by, evaluations=[check], live=live))


def test_labels_segments_and_periods_are_told_with_their_intervals(settings):
    page = drawn(settings, checked())
    for words in (
        "90% of 100 mature predictions have their actual",
        "of the actuals that come, 25% do within 60 s",
        "4 (3.5 to 4.5)",
        "By to, the worst first",
        "By event time",
        "4.75 (4.25 to 5.25), provisional",
    ):
        assert words in page, words
    assert page.index(">north<") < page.index(">south<")
    assert page.index("2025-12-22") < page.index("2025-12-29")


def test_without_actuals_there_are_no_tables_of_segments_and_periods(settings):
    page = drawn(settings, evaluation(NOON))
    assert "By to" not in page
    assert "By event time" not in page
