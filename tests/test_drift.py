"""Drift's scores against numpy and scipy, and their sentences."""

import re

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from tests.drifting import (
    JUST_C,
    JUST_X,
    MOVED,
    REFERENCE,
    C,
    X,
    drawn,
    look,
    normal,
    reference,
    texts,
)
from workbench.drift import slim


def test_the_mean_channel_is_the_difference_of_means_in_standard_deviations_of_the_reference():
    window = normal(500, 1, mean=0.8)
    found = look({"x": window}, JUST_X).features[0]
    assert found.channels["mean"].value == pytest.approx((window.mean() - X.mean()) / X.std(), rel=1e-5)
    assert (found.mean, found.reference_mean) == pytest.approx((window.mean(), X.mean()))


def test_the_std_channel_is_the_ratio_of_standard_deviations():
    window = normal(500, 1, sd=2.0)
    found = look({"x": window}, JUST_X).features[0]
    assert found.channels["std"].value == pytest.approx(window.std() / X.std(), rel=1e-5)
    assert (found.std, found.reference_std) == pytest.approx((window.std(), X.std()))


def test_the_distribution_channel_is_the_jensen_shannon_distance_over_the_references_bins():
    window = normal(1_000, 1, mean=0.4)
    counts = np.histogram(window, [-99, *JUST_X[0].edges, 99])[0]
    expected = jensenshannon(counts, JUST_X[0].cells, base=2)
    assert look({"x": window}, JUST_X).features[0].channels["distribution"].value == pytest.approx(expected, rel=1e-5)


def test_the_distribution_channel_of_texts_is_the_jensen_shannon_distance_of_their_shares():
    window = drawn(1_000, 1, (0.2, 0.3, 0.5))
    expected = jensenshannon(*(s.value_counts().sort_index() for s in (window, C)), base=2)
    assert look({"c": window}, JUST_C).features[0].channels["distribution"].value == pytest.approx(expected, rel=1e-5)


def test_the_missing_channel_is_the_share_of_missing_values():
    window = np.where(np.arange(400) % 4 == 0, np.nan, normal(400, 1))
    found = look({"x": window}, JUST_X).features[0]
    assert (found.channels["missing"].value, found.missing_share, found.reference_missing_share) == (0.25, 0.25, 0.0)


def test_the_range_channel_is_the_share_of_values_beyond_the_reference():
    window = np.concatenate([normal(392, 1).clip(-3, 3), [X.max(), X.min()], [9.0] * 4, [-9.0, np.inf]])
    assert look({"x": window}, JUST_X).features[0].channels["range"].value == 6 / 400


def test_the_unseen_channel_is_the_share_of_texts_that_the_reference_does_not_have():
    window = texts(["a"] * 90 + ["new", "newer"] * 5 + [np.nan] * 25)
    assert look({"c": window}, JUST_C).features[0].channels["unseen"].value == 0.1


def test_bins_and_shares_are_of_the_values_that_are_there():
    window = texts(["a", "a", "new", np.nan])
    found = look({"x": np.array([-9.0, -9.0, 9.0, np.nan]), "c": window}, REFERENCE)
    bins = found.feature("x").bins
    assert (bins[0], bins[-1], len(bins)) == (pytest.approx(2 / 3, abs=1e-4), pytest.approx(1 / 3, abs=1e-4), 20)
    assert found.feature("c").shares == pytest.approx({"a": 2 / 3, "b": 0, "d": 0, "new": 1 / 3}, abs=1e-4)
    assert found.feature("c").reference_shares == pytest.approx(C.value_counts(normalize=True).to_dict(), abs=1e-4)
    assert [(f.bins, f.shares, f.reference_shares) for f in slim(found).features] == [((), {}, {})] * 2


CHANNEL = {"narrow": "std", "shares": "distribution"}


@pytest.mark.parametrize("name", MOVED)
def test_an_alarm_names_the_feature_and_the_channel_in_a_sentence(name):
    window, feature, sentence = MOVED[name]
    result = look(window, [p for p in REFERENCE if p.name == feature])
    (found,) = result.features
    assert (result.state, found.state, found.channel) == ("drift", "drift", CHANNEL.get(name, name))
    assert re.fullmatch(sentence, found.sentence), found.sentence
    assert result.sentence == found.sentence


def test_the_sentence_of_the_issue():
    """temp: mean 71.3, was 38.9 (+2.9 sd, 41x noise)"""
    z = (X - X.mean()) / X.std()
    result = look({"temp": 71.3 + 11.2 * z[:900]}, reference({"temp": 38.9 + 11.2 * z}))
    assert re.fullmatch(r"temp: mean 7\d\.?\d?, was 38\.9 \(\+2\.[89] sd, [34]\dx noise\)", result.sentence)


def test_two_figures_are_told_with_as_many_digits_as_it_takes_to_tell_them_apart():
    result = look({"x": normal(1_000, 1, 1_000_300, 300)}, reference({"x": normal(5_000, 0, 1_000_000, 300)}))
    now, was = re.match(r"x: mean ([\d.]+), was ([\d.]+)", result.sentence).groups()
    assert now != was


def test_noise_is_the_multiple_of_what_95_of_100_checks_stay_within():
    window = normal(400, 1, mean=0.5)
    mean = look({"x": window}, JUST_X).features[0].channels["mean"]
    assert mean.noise == pytest.approx(mean.value / (1.96 * np.sqrt(1 / 400 + 1 / 5_000)), rel=0.1)
