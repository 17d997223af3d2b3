"""Data that are broken, which is not drift; and drift that looks a little like it."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.streams import ar1
from workbench.drift import check, data_result
from workbench.evaluation import DriftResult, FeatureProfile
from workbench.profiles import categorical, numeric
from workbench.sections import DriftSettings


def look(values, profile: FeatureProfile, *, rate: float = 0.01, **how) -> DriftResult:
    window = pd.DataFrame({profile.name: pd.Series(values)})
    return check(window, [profile], limits=DriftSettings(), false_alarm_rate=rate, **how)


def broken(values, profile: FeatureProfile, **how) -> tuple[str, str]:
    """Channel and sentence of a feature that is broken and nothing else."""
    result = look(values, profile, **how)
    (found,) = result.features
    told = data_result(result)
    assert found.state == told.state == "broken", found.sentence
    assert told.features == (profile.name,)
    assert told.sentence == found.sentence
    assert result.state == "ok"
    assert f"{profile.name}:" not in result.sentence
    return found.channel, found.sentence


def not_broken(values, profile: FeatureProfile, **how) -> str:
    """The state of a feature whose data are what they claim to be."""
    result = look(values, profile, **how)
    assert data_result(result).state == "ok", result.features[0].sentence
    return result.features[0].state


def normal(n: int, seed: int, mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, n)


def letters(n: int, seed: int) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).choice(["a", "b", "d"], n), dtype=object)


X = numeric("x", "numeric", normal(5_000, 0), in_order=True)
UNORDERED = numeric("x", "numeric", normal(5_000, 0))
PRICE = numeric("price", "numeric", normal(5_000, 0, 50, 10))
WARMTH = numeric("temp", "numeric", normal(5_000, 0, 60, 15))
C = categorical("c", letters(5_000, 0), in_order=True)


# Another unit


@pytest.mark.parametrize("factor", [1_000, 1e6, 100, 10, 0.1, 0.01, 1e-3])
def test_a_factor_of_ten_to_the_k_is_another_unit(factor):
    channel, sentence = broken(normal(1_000, 1, 50, 10) * factor, PRICE)
    assert channel == "unit"
    assert re.fullmatch(
        rf"price: looks like a factor of {re.escape(f'{factor:g}')}: median [\d.e+-]+, was [\d.]+", sentence
    )


@pytest.mark.parametrize(
    ("convert", "name"),
    [
        (lambda f: (f - 32) / 1.8, "degrees Celsius instead of Fahrenheit"),
        (lambda c: c * 1.8 + 32, "degrees Fahrenheit instead of Celsius"),
        (lambda c: c + 273.15, "kelvin instead of degrees Celsius"),
    ],
    ids=["C", "F", "K"],
)
def test_another_scale_of_temperatures_is_named(convert, name):
    channel, sentence = broken(convert(normal(1_000, 1, 60, 15)), WARMTH)
    assert channel == "unit"
    assert f"temp: looks like {name}: median" in sentence


def test_a_unit_that_changed_within_the_window_is_seen_in_its_newest_rows():
    window = normal(1_000, 1, 50, 10)
    window[700:] *= 1_000
    assert broken(window, PRICE)[0] == "unit"


@pytest.mark.parametrize("n", [100, 1_000])
@pytest.mark.parametrize("sd", [3.0, -3.0, 1.0])
def test_a_plain_shift_is_drift_and_not_another_unit(n, sd):
    assert not_broken(normal(n, 1, sd), X) == "drift"
    assert not_broken(normal(n, 1, 50 + 10 * sd, 10), PRICE) == "drift"


@pytest.mark.parametrize("factor", [3.0, 1 / 3])
def test_a_wider_or_narrower_spread_about_zero_is_drift_and_not_another_unit(factor):
    assert not_broken(normal(1_000, 1) * factor, X) == "drift"


def test_values_that_have_not_moved_are_no_other_unit():
    assert not_broken(normal(1_000, 1, 50, 10), PRICE) == "ok"


# A column that stands still


def test_a_sensor_that_sticks_is_broken_as_constant():
    window = normal(1_000, 1)
    window[-150:] = window[-151]
    channel, sentence = broken(window, X)
    assert channel == "constant"
    assert re.fullmatch(r"x: the same value 1\d\d times in a row, a value like it had 5% of the reference", sentence)


def test_rows_without_an_order_do_not_stick():
    """Nobody knows which of them go together; that a value grew common is the distribution's business."""
    window = normal(1_000, 1)
    window[-150:] = window[-151]
    assert not_broken(window, UNORDERED) == "drift"


@pytest.mark.parametrize("profile", [X, UNORDERED], ids=["in order", "drawn"])
@pytest.mark.parametrize("n", [20, 1_000])
def test_a_window_of_one_value_is_broken(profile, n):
    assert broken(np.full(n, 0.3), profile)[0] == "constant"


def test_texts_that_are_all_the_same_are_broken():
    channel, sentence = broken(pd.Series(["a"] * 200, dtype=object), C)
    assert (channel, "the same value 200 times in a row" in sentence) == ("constant", True)


def test_a_handful_of_equal_rows_is_nothing():
    assert not_broken(np.full(2, 0.3), X) == "insufficient"
    assert not_broken(pd.Series(["a"] * 3, dtype=object), C) == "insufficient"


def test_a_column_that_always_stood_still_is_not_broken():
    assert not_broken(np.full(200, 7.0), numeric("x", "numeric", np.full(5_000, 7.0), in_order=True)) == "ok"


def rain(n: int, seed: int, rho: float) -> np.ndarray:
    """Zero in 93 of 100 hours, in spells: what an autoregression has above a threshold."""
    wet = ar1(n, np.random.default_rng(seed), rho, columns=["x"])["x"].to_numpy()
    return np.where(wet > 1.4758, np.exp(wet), 0.0)


PRECIP = numeric("precip", "numeric", rain(20_000, 0, 0.9), in_order=True)


@pytest.mark.parametrize("rho", [0.9, 0.98])
@pytest.mark.parametrize("hours", [24, 168])
def test_a_dry_week_is_not_broken(rho, hours):
    values = rain(20_000, 0, rho)
    assert 0.89 < (values == 0).mean() < 0.96
    assert not_broken(np.zeros(hours), numeric("precip", "numeric", values, in_order=True)) != "drift"


def test_a_dry_week_before_the_rain_is_not_broken():
    window = np.concatenate([np.zeros(168), rain(832, 5, 0.9)])
    assert not_broken(window, PRECIP) in {"ok", "possible"}


def test_a_gauge_that_sticks_after_a_dry_spell_is_broken():
    """The dry spell is probable, what comes later is not: the one must not hide the other."""
    window = rain(1_000, 5, 0.9)
    window[:100] = 0.0
    window[-200:] = 7.5
    assert broken(window, PRECIP)[0] == "constant"


# Values that went missing in one go


@pytest.mark.parametrize("profile", [X, UNORDERED], ids=["in order", "drawn"])
@pytest.mark.parametrize("start", [0, 350, 900])
def test_a_hundred_missing_values_in_a_row_are_a_burst(profile, start):
    window = normal(1_000, 1)
    window[start : start + 100] = np.nan
    channel, sentence = broken(window, profile)
    assert channel == "burst"
    assert re.fullmatch(r"x: \d+% missing among 100 in a row, was 0\.0%", sentence)


def test_texts_go_missing_in_one_go_as_well():
    assert broken(letters(1_000, 1).mask(np.arange(1_000) >= 880), C)[0] == "burst"


def test_ten_points_more_missing_here_and_there_are_drift_and_not_a_burst():
    window = np.where(np.random.default_rng(2).random(1_000) < 0.1, np.nan, normal(1_000, 1))
    assert not_broken(window, X) == "drift"
    assert look(window, X).features[0].channel == "missing"


def test_gaps_that_the_reference_has_as_well_are_no_burst():
    def gaps(n: int, seed: int) -> np.ndarray:
        away = np.repeat(np.random.default_rng(seed).random(n // 100) < 0.1, 100)
        return np.where(away, np.nan, normal(n, seed))

    window = gaps(1_000, 3)
    window[:100] = np.nan
    assert not_broken(window, numeric("x", "numeric", gaps(20_000, 0), in_order=True)) in {"ok", "possible"}


# Values of another type


@pytest.mark.parametrize(
    ("profile", "allowed"),
    [(X, "numbers"), (C, "texts"), (numeric("b", "boolean", np.tile([0.0, 1.0], 500)), "true or false")],
    ids=["numeric", "categorical", "boolean"],
)
def test_values_of_another_type_are_broken(profile, allowed):
    source = {"x": normal(1_000, 1), "c": letters(1_000, 1), "b": (normal(1_000, 1) > 0).astype(float)}
    window = pd.Series(source[profile.name]).mask(np.arange(1_000) % 20 == 0)
    channel, sentence = broken(window, profile, misfits={profile.name: 50})
    assert (channel, sentence) == ("type", f"{profile.name}: 5.0% of the values are no {allowed}")


def test_one_misfit_in_a_thousand_is_nothing():
    window = pd.Series(normal(1_000, 1)).mask(np.arange(1_000) == 5)
    assert not_broken(window, X, misfits={"x": 1}) == "ok"


# The way back


def test_accepting_a_broken_feature_ends_it():
    window = np.full(500, 0.3)
    result = look(window, X, accepted={"x": "the sensor was taken down"})
    assert data_result(result).state == "ok"
    assert result.features[0].sentence.endswith("; accepted: the sensor was taken down")


def test_values_as_before_end_it_by_themselves():
    window = np.concatenate([np.full(500, 0.3), normal(1_000, 1)])
    assert look(window[:500], X).features[0].state == "broken"
    assert not_broken(window[500:], X) == "ok"


def test_a_broken_feature_does_not_hide_the_drift_of_another():
    window = pd.DataFrame({"x": np.full(500, 0.3), "price": normal(500, 1, 60, 10)})
    result = check(window, [X, PRICE], limits=DriftSettings(), false_alarm_rate=0.01)
    assert result.sentence.startswith("price: mean ")
    assert data_result(result).features == ("x",)


@pytest.mark.parametrize("seed", range(5))
def test_data_as_the_reference_are_not_broken(seed):
    for rate in (0.01, 0.5):
        assert not_broken(rain(1_000, 10 + seed, 0.9), PRECIP, rate=rate) != "broken"
        assert not_broken(letters(1_000, 10 + seed), C, rate=rate) != "broken"
        assert not_broken(normal(1_000, 10 + seed), X, rate=rate) != "broken"
