"""Figures of a backtest: what is drawn is what the record says, at every width of a page."""

import re

import msgspec
import pytest

from tests.backtests import a_result
from workbench.backtest_plots import compared, over_time
from workbench.plot_style import svg

WIDTHS = (300, 560, 1100)


def legends(figure):
    return [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("draw", [over_time, compared])
def test_no_legend_leaves_the_figure(draw, width):
    figure = draw(a_result(), width=width)
    figure.canvas.draw()
    for legend in legends(figure):
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= width + 1
        assert box.y1 <= figure.bbox.height + 1


def test_every_course_is_a_line_and_every_kind_of_step_a_mark():
    picture = svg(over_time(a_result()), "The courses.")
    for told in ("min_loss=0.2", "in force", "never retrain", "alarm begins", "promoted", "MAE"):
        assert re.search(rf">{told}<", picture)
    assert "attempt<" in picture
    assert "kept out" not in picture


def test_a_policy_far_to_the_right_has_its_name_to_its_left():
    (axes,) = compared(a_result()).axes
    assert {text.get_text(): text.get_ha() for text in axes.texts} == {"min_loss=0.2": "right"}


def test_where_nothing_was_to_be_recovered_what_was_won_is_drawn():
    result = a_result()
    courses = [
        msgspec.structs.replace(c, recovered=msgspec.structs.replace(c.recovered, share=None) if c.recovered else None)
        for c in result.courses
    ]
    (axes,) = compared(msgspec.structs.replace(result, courses=tuple(courses))).axes
    assert axes.get_ylabel() == "won, mae"


def test_without_an_actual_it_says_so():
    result = a_result()
    empty = [
        msgspec.structs.replace(
            c, over_time=tuple(msgspec.structs.replace(p, value=None, interval=None) for p in c.over_time)
        )
        for c in result.courses
    ]
    figure = over_time(msgspec.structs.replace(result, courses=tuple(empty)))
    assert figure.texts[0].get_text() == "No period has an actual to score by."
