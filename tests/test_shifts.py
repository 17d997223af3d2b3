"""What a drill puts into a column, and what it refuses to."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import DataError
from workbench.profiles import categorical, numeric
from workbench.shifts import check_request, inject

RNG = np.random.default_rng(0)
VALUES = pd.Series(RNG.normal(10, 2, 200))
NUMBERS = numeric("km", "numeric", VALUES.to_numpy())
CITIES = pd.Series(RNG.choice(["north", "south"], 200), dtype=object)
TEXTS = categorical("to", CITIES)


def test_a_shifted_mean_is_a_shift_in_standard_deviations_of_the_reference():
    moved = inject(VALUES, "mean", -1.5, NUMBERS, RNG)
    assert moved == pytest.approx(VALUES.to_numpy() - 1.5 * NUMBERS.std)


def test_a_wider_spread_keeps_the_mean():
    wider = inject(VALUES, "std", 3, NUMBERS, RNG)
    assert (wider.mean(), wider.std()) == pytest.approx((VALUES.mean(), 3 * VALUES.std(ddof=0)))


@pytest.mark.parametrize(("column", "profile"), [(VALUES, NUMBERS), (CITIES, TEXTS)], ids=["numbers", "texts"])
def test_exactly_the_share_asked_for_is_lost(column, profile):
    assert pd.isna(inject(column, "missing", 0.25, profile, RNG)).sum() == 50


def test_unseen_values_are_none_of_the_reference():
    replaced = inject(CITIES, "unseen", 0.1, TEXTS, RNG)
    assert (~pd.Series(replaced).isin(["north", "south"])).sum() == 20


def test_a_stuck_column_stands_still_in_its_newest_part():
    stuck = inject(VALUES, "constant", 0.5, NUMBERS, RNG)
    assert len(set(stuck[-100:])) == 1
    assert (stuck[:100] == VALUES[:100]).all()


def test_nothing_asked_for_changes_nothing_and_the_window_itself_is_never_touched():
    before = VALUES.copy()
    for kind, size in (("mean", 0), ("std", 1), ("missing", 0), ("constant", 0), ("unit", 1)):
        assert inject(VALUES, kind, size, NUMBERS, RNG) == pytest.approx(before.to_numpy())
    inject(VALUES, "missing", 1, NUMBERS, RNG)
    pd.testing.assert_series_equal(VALUES, before)


@pytest.mark.parametrize(
    ("profile", "kind", "size", "told"),
    [
        (TEXTS, "mean", 1, "holds texts"),
        (NUMBERS, "unseen", 0.1, "holds numbers"),
        (NUMBERS, "missing", 2, "takes 0 to 1"),
        (NUMBERS, "std", 0.5, "takes 1 to 8"),
        (NUMBERS, "mean", float("nan"), "not possible"),
        (NUMBERS, "earthquake", 1, "choose among mean"),
    ],
)
def test_a_shift_that_cannot_be_is_refused_with_what_could(profile, kind, size, told):
    with pytest.raises(DataError, match=told):
        check_request(profile, kind, size, 200)


def test_an_empty_window_has_nothing_to_drill_with():
    with pytest.raises(DataError, match="no prediction"):
        check_request(NUMBERS, "mean", 1, 0)
