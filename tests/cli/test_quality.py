"""What `check` prints of the model's quality, from a verdict made by hand."""

from tests.evaluations import evaluation
from tests.qualities import NOON, checked
from workbench.cli.quality import print_quality


def printed(check, capsys) -> dict[str, str]:
    """Lines by the text of their first cell."""
    print_quality(check)
    lines = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    return {line.split("│")[1].strip(): line for line in lines}


def test_every_figure_has_its_interval_beside_the_holdouts(capsys):
    assert "4 (3.5 to 4.5)" in printed(checked(), capsys)["mae"]


def test_labels_are_told_with_how_long_they_take(capsys):
    lines = printed(checked(), capsys)
    assert "90% of 100 mature predictions have their actual" in lines["labels"]
    assert "25% do within 60 s, 50% within 60 s, 75% within 2 h, 95% within 2 h" in lines["delays"]


def test_segments_come_worst_first_and_periods_in_time_each_with_its_version(capsys):
    lines = printed(checked(), capsys)
    assert list(lines).index("north") < list(lines).index("south")
    assert "6.25 (5.75 to 6.75)" in lines["north"]
    assert "old" in lines["2025-12-22 00:00"]
    assert "provisional" not in lines["2025-12-22 00:00"]
    assert "4.75 (4.25 to 5.25), provisional" in lines["2025-12-29 00:00"]


def test_what_was_estimated_stands_beside_what_the_actuals_said(capsys):
    assert "4.1 (3.6 to 4.6) │ 4.2" in printed(checked(), capsys)["2025-12-22 00:00:00"]


def test_before_any_actual_there_is_no_table(capsys):
    assert printed(evaluation(NOON), capsys) == {}
