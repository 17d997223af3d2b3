"""Scores against numpy and scipy, bands against simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.drift import check, profile
from workbench.features import infer_schema

LIMITS = {"min_rows": 20, "max_mean_shift": 0.5, "max_std_ratio": 1.5, "max_share_shift": 0.3, "false_alarm_rate": 0.01}


def frame(n: int, seed: int, *, mean=0.0, std=1.0, shares=(0.5, 0.3, 0.2)) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"x": rng.normal(mean, std, n), "c": rng.choice(["a", "b", "d"], n, p=shares)})


def reference(base: pd.DataFrame):
    return profile(base, infer_schema(base.assign(y=1.0), task="regression", target="y"))


BASE = frame(5000, seed=0)
REFERENCE = reference(BASE)


def one(window: pd.DataFrame, name: str, **limits):
    return next(f for f in check(window, REFERENCE, **(LIMITS | limits)).features if f.feature == name)


def test_a_profile_holds_the_moments_of_numpy_and_scipy():
    (x, _) = REFERENCE
    assert x.mean == pytest.approx(BASE["x"].mean())
    assert x.std == pytest.approx(BASE["x"].std(ddof=0))
    assert x.kurtosis == pytest.approx(stats.kurtosis(BASE["x"], fisher=False))


def test_mean_shift_is_in_standard_deviations_of_the_reference():
    window = frame(500, seed=1, mean=0.8)
    expected = (window["x"].mean() - BASE["x"].mean()) / BASE["x"].std(ddof=0)
    assert one(window, "x").mean_shift == pytest.approx(expected)


def test_standard_deviation_is_told_as_a_ratio():
    window = frame(500, seed=1, std=2.0)
    assert one(window, "x").std_ratio == pytest.approx(window["x"].std(ddof=0) / BASE["x"].std(ddof=0))


def test_share_shift_is_the_total_variation_distance():
    window = frame(500, seed=1, shares=(0.2, 0.3, 0.5))
    p, q = window["c"].value_counts(normalize=True), BASE["c"].value_counts(normalize=True)
    assert one(window, "c").share_shift == pytest.approx((p - q).abs().sum() / 2)


@pytest.mark.parametrize(
    ("window", "name", "told"),
    [
        (frame(500, 1, mean=0.8), "x", "x: mean"),
        (frame(500, 1, std=2.0), "x", "standard deviation"),
        (frame(500, 1, std=0.4), "x", "standard deviation"),
        (frame(500, 1, shares=(0.1, 0.1, 0.8)), "c", "% of the values moved"),
    ],
    ids=["mean", "spread", "narrow", "shares"],
)
def test_real_drift_is_an_alarm_that_names_the_feature_and_the_channel(window, name, told):
    result = check(window, REFERENCE, **LIMITS)
    assert result.state == "alarm"
    assert told in result.sentence
    assert one(window, name).state == "alarm"


@pytest.mark.parametrize("n", [50, 200, 1000])
def test_bands_hold_without_drift(n):
    """At most the configured share of windows leaves any band: 400 seeded windows, 4 sd of the binomial allowed."""
    out = 0
    for seed in range(400):
        x, c = check(frame(n, 100 + seed), REFERENCE, **LIMITS).features
        ratio = max(x.std_ratio, 1 / x.std_ratio)
        out += abs(x.mean_shift) > x.mean_shift_band or ratio > x.std_ratio_band or c.share_shift > c.share_shift_band
    assert out <= 400 * 0.01 + 4 * np.sqrt(400 * 0.01 * 0.99)


def test_a_small_window_needs_a_larger_shift_than_the_threshold_alone():
    shifted = frame(20, seed=3, mean=0.6)
    result = one(shifted, "x", max_mean_shift=0.1)
    assert result.mean_shift_band > 0.6


def test_few_rows_are_insufficient_and_never_ok():
    result = check(frame(19, 1), REFERENCE, **LIMITS)
    assert (result.state, result.sentence) == (
        "insufficient",
        "insufficient: 19 predictions of this version, 20 are needed",
    )


def test_corner_cases_give_finite_scores():
    base = pd.DataFrame({"x": np.ones(100), "c": pd.Series(["a"] * 100, dtype=object)})
    window = pd.DataFrame({"x": np.full(50, 3.0), "c": pd.Series([f"new {i}" for i in range(50)], dtype=object)})
    x, c = check(window, reference(base), **LIMITS).features
    assert (x.state, x.mean_shift, c.state, c.unseen_share) == ("alarm", 2.0, "alarm", 1.0)
    assert np.isfinite([x.mean_shift_band, c.share_shift_band]).all()


@pytest.mark.parametrize("values", [[np.nan] * 50, [np.inf, -np.inf] * 25], ids=["missing", "infinite"])
def test_a_column_without_values_is_insufficient_and_says_so(values):
    window = pd.DataFrame({"x": values, "c": pd.Series([np.nan] * 50, dtype=object)})
    x, c = check(window, REFERENCE, **LIMITS).features
    assert (x.state, c.state, x.missing_share, c.missing_share) == ("insufficient", "insufficient", 1.0, 1.0)


def test_an_accepted_feature_raises_no_alarm_but_keeps_its_figures():
    result = check(frame(500, 1, mean=0.8), REFERENCE, accepted={"x": "new sensor"}, **LIMITS)
    assert result.state == "ok"
    assert result.features[0].sentence.endswith("accepted: new sensor")
    assert result.features[0].mean_shift > 0.5


@pytest.mark.parametrize("value", [0.1, 1.1, 3.0])
def test_a_constant_column_that_stays_what_it_was_is_no_drift(value):
    base = pd.DataFrame({"x": np.full(3000, value), "c": pd.Series(["a"] * 3000, dtype=object)})
    assert check(base.head(1000), reference(base), **LIMITS).state == "ok"
