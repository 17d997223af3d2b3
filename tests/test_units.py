"""Another unit, wherever in the window it stands, and whatever the values are like."""

import re

import numpy as np
import pandas as pd
import pytest

from workbench.drift import check
from workbench.evaluation import FeatureDrift, FeatureProfile
from workbench.profiles import numeric
from workbench.settings import DriftSettings
from workbench.usual import KEPT, Usual, of_values


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def price(n: int, seed: int) -> np.ndarray:
    return rng(seed).normal(50, 10, n)


def warmth(n: int, seed: int) -> np.ndarray:
    """In degrees Fahrenheit."""
    return rng(seed).normal(60, 15, n)


def celsius(fahrenheit: np.ndarray) -> np.ndarray:
    return (fahrenheit - 32) / 1.8


def rain(n: int, seed: int) -> np.ndarray:
    """Nine of ten values are zero."""
    return np.where(rng(seed).random(n) < 0.9, 0.0, rng(seed + 1).lognormal(2, 1, n))


PRICE = numeric("x", "numeric", price(5_000, 0))
WARMTH = numeric("x", "numeric", warmth(5_000, 0))
RAIN = numeric("x", "numeric", rain(5_000, 0))


def look(values: np.ndarray, profile: FeatureProfile, before: Usual | None = None) -> FeatureDrift:
    given = {} if before is None else {"x": before}
    window = pd.DataFrame({"x": values})
    return check(window, [profile], limits=DriftSettings(), false_alarm_rate=0.01, before=given).features[0]


@pytest.mark.parametrize("factor", [1_000, 10, 0.1, 0.001])
def test_a_factor_that_arrives_25_rows_at_a_time_is_broken_at_every_check_and_never_drift(factor):
    rows = price(4_000, 1)
    wrong = np.arange(4_000) // 500 == 3
    rows[wrong] *= factor
    for end in range(1_000, 4_001, 25):
        there = wrong[end - 1_000 : end].sum()
        assert look(rows[end - 1_000 : end], PRICE).state == ("broken" if there else "ok"), (end, there)


@pytest.mark.parametrize("factor", [1_000, 10, 0.1, 0.001])
@pytest.mark.parametrize("which", ["the middle 300", "every other", "one in twenty"])
def test_a_factor_in_some_of_the_rows_is_broken_and_says_in_how_many(which, factor):
    place = np.arange(1_000)
    wrong = {
        "the middle 300": (place >= 350) & (place < 650),
        "every other": place % 2 == 0,
        "one in twenty": place % 20 == 0,
    }[which]
    found = look(np.where(wrong, factor * price(1_000, 1), price(1_000, 1)), PRICE)
    assert (found.state, found.channel, found.unit) == ("broken", "unit", f"a factor of {factor:g}")
    share = re.search(r" in ([\d.]+)% of the values: median", found.sentence)
    assert float(share[1]) / 100 == pytest.approx(wrong.mean(), abs=0.01)


@pytest.mark.parametrize("factor", [1_000, 100, 10, 0.01, 0.001])
def test_a_factor_shows_where_most_values_are_zero_in_every_unit(factor):
    found = look(factor * rain(1_000, 5), RAIN)
    assert (found.state, found.unit) == ("broken", f"a factor of {factor:g}")


@pytest.mark.parametrize("factor", [1_000, 100])
def test_a_factor_shows_in_a_stretch_of_mostly_zeros_too(factor):
    for seed in range(20):
        window = rain(1_000, 2 * seed)
        window[400:650] *= factor
        found = look(window, RAIN)
        assert (found.state, found.unit) == ("broken", f"a factor of {factor:g}")


def test_a_constant_times_a_thousand_is_another_unit():
    found = look(np.full(200, 7_000.0), numeric("x", "numeric", np.full(5_000, 7.0)))
    assert (found.state, found.unit) == ("broken", "a factor of 1000")


@pytest.mark.parametrize(
    "moved",
    [
        lambda n, seed: price(n, seed) + 60,
        lambda n, seed: price(n, seed) - 35,
        lambda n, seed: np.where(rng(seed).random(n) < 0.3, 120.0, price(n, seed)),
        lambda n, seed: 50 + 3 * (price(n, seed) - 50),
        lambda n, seed: price(n, seed) * 0.45,
    ],
    ids=["up", "down", "a new lump", "wider", "as kilograms of pounds"],
)
def test_a_feature_that_moves_is_drift_and_no_other_unit(moved):
    for seed in range(20):
        assert look(moved(1_000, seed), PRICE).state == "drift"


def test_heavy_tails_that_grow_are_no_other_unit():
    profile = numeric("x", "numeric", rng(0).standard_cauchy(5_000))
    assert {look(5 * rng(seed).standard_cauchy(1_000), profile).state for seed in range(1, 20)} == {"drift"}


@pytest.mark.parametrize("factor", [1_000, 0.001])
def test_what_the_record_keeps_is_the_values_put_back(factor):
    found = look(np.where(np.arange(1_000) < 400, factor, 1) * price(1_000, 1), PRICE)
    assert found.mended == pytest.approx(np.quantile(price(1_000, 1), KEPT), rel=0.02)


# Beside the rows before the window


def days(n: int, seed: int, mean: float) -> np.ndarray:
    """Temperatures in Fahrenheit that remember: 24 rows a day, days unlike each other."""
    return mean + np.repeat(rng(seed).normal(0, 6, -(-n // 24)), 24)[:n] + rng(seed + 1).normal(0, 2, n)


WINTER = numeric("x", "numeric", days(4_800, 0, 35), in_order=True)
SPRING = of_values(days(1_000, 5, 60))


def test_celsius_in_a_season_that_the_reference_does_not_know_is_seen_by_its_jump():
    window = days(1_000, 7, 62)
    assert look(window, WINTER, SPRING).state != "broken"
    window[-40:] = celsius(window[-40:])
    found = look(window, WINTER, SPRING)
    assert (found.state, found.unit) == ("broken", "degrees Celsius instead of Fahrenheit")


def test_celsius_is_still_seen_when_the_jump_has_left_the_window_and_the_season_moves_on():
    spring, states = days(1_500, 5, 60), []
    usual, first = of_values(spring[:1_000]), np.concatenate([spring[500:1_000], celsius(spring[1_000:])])
    for mean in (None, 64, 67, 70, 73):
        found = look(first if mean is None else celsius(days(1_000, int(mean), mean)), WINTER, usual)
        states.append(found.state)
        usual = of_values(np.array(found.mended), found.unit, behind=found.n)
    assert states == ["broken"] * 5
    assert look(days(1_000, 30, 75), WINTER, usual).state != "broken"


def test_a_wind_that_turns_jumps_by_hundreds_of_degrees_and_changes_no_unit():
    def wind(seed: int) -> np.ndarray:
        return np.repeat(rng(seed).choice(np.arange(0, 361, 10.0), 50), 20)

    profile = numeric("x", "numeric", np.concatenate([wind(seed) for seed in range(5)]), in_order=True)
    for seed in range(10, 60):
        assert look(wind(seed), profile, of_values(wind(seed + 100))).state != "broken"


def test_the_outermost_of_as_many_rows_as_before_are_no_other_unit():
    """Ten of a thousand values may lie beyond the thousand before them, and be like them in another scale."""
    told = []
    for seed in range(1_500):
        found = look(price(1_000, seed), PRICE, of_values(price(1_000, 10_000 + seed)))
        told += [found.sentence] if found.state == "broken" else []
    assert told == []
