"""A table's months beside what the live version learnt from, pressed in code."""

import pytest

from tests.conftest import trips
from workbench import Workbench
from workbench.errors import DataError, UnknownVersion


@pytest.fixture
def explore(trained):
    """Two months of trips: the first as the training rows, the second with every trip longer by a lot."""
    frame = trips(1_200, seed=3)
    frame.loc[frame["at"] >= "2026-02", "km"] += 40
    return Workbench(trained).explore(frame)


def test_each_input_of_each_month_has_a_sentence_and_a_picture(explore):
    assert explore.month.options == ("2026-01", "2026-02")
    assert explore.feature.options == ("km", "stops", "to")
    for month in explore.month.options:
        explore.month.value = month
        for name in explore.feature.options:
            explore.feature.value = name
            assert explore.sentence.startswith(f"{name}: ")
            assert f'aria-label="{name} in {month} beside the training rows' in explore.body.value


def test_what_has_moved_is_told_with_its_size(explore):
    explore.feature.value = "km"
    assert explore.state == "ok"
    explore.month.value = "2026-02"
    assert explore.state == "drift"
    assert "sd, " in explore.sentence
    assert "▲ drift" in explore.body.value


def test_its_repr_is_stable(explore):
    assert repr(explore) == "Explore(3 inputs, 2 months)"


def test_a_table_without_its_time_is_refused(trained):
    with pytest.raises(DataError, match="no time column 'at'"):
        Workbench(trained).explore(trips(10).drop(columns="at"))


def test_without_a_live_version_it_says_what_to_do(settings):
    with pytest.raises(UnknownVersion, match="no version is live"):
        Workbench(settings).explore(trips(10))
