"""The small lines of the cards."""

import re

from workbench.panels.sparks import POINTS, card, spark


def points(svg):
    return re.findall(r"[ML]([\d.]+) ([\d.]+)", svg)


def test_the_scale_begins_at_nothing_and_ends_at_the_largest():
    assert points(spark([0.0, 5.0, 10.0], "x")) == [("0.0", "25.0"), ("60.0", "13.0"), ("120.0", "1.0")]


def test_what_is_not_known_is_a_gap_and_a_lone_value_a_dot():
    assert spark([1.0, 1.0, None, 1.0], "x").count("M") == 2
    assert "h.1" in spark([None, 1.0, None], "x")
    assert points(spark([None, None], "x")) == points(spark([], "x")) == []


def test_of_many_values_the_newest_is_kept():
    drawn = points(spark([0.0] * 999 + [7.0], "x"))
    assert len(drawn) <= POINTS
    assert drawn[-1] == ("120.0", "1.0")


def test_a_card_names_its_line_and_has_none_for_a_single_value():
    assert 'aria-label="rate, the last 2 checks"' in card("rate", "5 / s", "detail", [4.0, 5.0])
    assert "<svg" not in card("rate", "5 / s", "detail", [None, 5.0])


def test_a_card_shows_text_as_text_and_weighs_little():
    drawn = card("<b>", "<i>", "<u>", [float(i % 7) for i in range(1_000)])
    assert not re.search(r"<[biu]>", drawn)
    assert len(drawn) < 1_500
