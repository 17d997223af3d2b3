"""Windows and references that upset others: constant, empty, infinite, all different."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drifting import JUST_C, JUST_X, RATE, REFERENCE, C, X, drawn, look, normal, reference, texts
from workbench.drift import check, data_result
from workbench.evaluation import FeatureProfile
from workbench.sections import DriftSettings


def test_one_unseen_category_in_200_rows_is_no_alarm_and_ten_percent_are():
    one, many = (texts([*drawn(200 - k, 1), *["new"] * k]) for k in (1, 20))
    assert look({"c": one}, JUST_C).state == "ok"
    assert look({"c": many}, JUST_C).state == "drift"


@pytest.mark.parametrize("n", [50, 200, 1_000])
def test_ninety_percent_missing_are_an_alarm(n):
    result = look({"x": np.where(np.arange(n) % 10 == 0, normal(n, 1), np.nan)}, JUST_X)
    assert "drift" in result.state or data_result(result).state == "broken"


@pytest.mark.parametrize("value", [0.0, 0.1, 1.1, 3.0, -1e12])
def test_a_constant_column_that_stays_what_it_was_is_no_drift(value):
    assert look({"x": np.full(1_000, value)}, reference({"x": np.full(3_000, value)})).state == "ok"


def test_a_constant_column_that_becomes_another_is_drift():
    result = look({"x": np.full(200, 0.2)}, reference({"x": np.full(3_000, 0.1)}))
    assert (result.state, result.features[0].channel) == ("drift", "range")


def test_a_constant_text_that_stays_what_it_was_is_no_drift():
    assert look({"c": texts(["a"] * 200)}, reference({"c": texts(["a"] * 1_000)})).state == "ok"


def test_a_constant_column_that_begins_to_vary_is_drift():
    assert look({"x": normal(200, 0)}, reference({"x": np.zeros(3_000)})).state == "drift"


VOID = {"x": np.full(200, np.nan), "c": texts([np.nan] * 200)}


def test_a_window_without_any_value_is_broken():
    result = look(VOID, REFERENCE)
    assert {f.state for f in result.features} == {"broken"}
    assert set(data_result(result).features) == {"x", "c"}


def test_a_reference_without_any_value_is_drift_when_values_come():
    result = look({"x": X[:200], "c": C[:200]}, reference(VOID))
    assert {(f.state, f.channel) for f in result.features} == {("drift", "missing")}
    assert "x: 0.0% missing, was 100.0%" in result.sentence


def test_where_neither_has_a_value_there_is_nothing_to_compare():
    result = look(VOID, reference(VOID))
    assert result.state == "insufficient"
    assert "x: the reference has no value to compare with" in result.sentence


@pytest.mark.parametrize("empty", [{"x": [], "c": texts([])}, {"x": np.zeros(0), "c": texts([])}])
def test_an_empty_window_is_insufficient(empty):
    result = look(empty, REFERENCE)
    assert (result.state, result.n, result.sentence) == (
        "insufficient",
        0,
        "insufficient: no predictions of this version",
    )


@pytest.mark.parametrize("value", [0.0, 1e9, np.nan, np.inf, -np.inf])
def test_one_row_is_insufficient(value):
    result = look({"x": [value], "c": texts(["a"])}, REFERENCE)
    assert {f.state for f in result.features} <= {"insufficient", "possible"}
    assert result.feature("c").state == "insufficient"


LARGE = reference({"x": normal(50_000, 0), "c": drawn(50_000, 0)})


@pytest.mark.parametrize(("number", "text"), [(0.0, "new"), (np.nan, "a"), (0.0, np.nan), (99.0, "a")])
def test_one_odd_row_is_no_alarm_however_large_the_reference(number, text):
    assert look({"x": [number], "c": texts([text])}, LARGE).state in {"insufficient", "possible"}


def test_a_profile_of_an_older_release_is_insufficient_and_says_what_to_do():
    old = FeatureProfile(name="x", kind="numeric", n=1_000, missing_share=0.0, mean=0.0, std=1.0, edges=(-1.0, 1.0))
    result = look({"x": normal(1_000, 1)}, [old])
    assert (result.state, result.sentence) == (
        "insufficient",
        "x: the reference was made by an older release; retrain to have one that can be checked",
    )


def test_no_feature_at_all_is_insufficient():
    assert check(pd.DataFrame({"x": X}), [], limits=DriftSettings(), false_alarm_rate=RATE).state == "insufficient"


def test_infinite_values_are_out_of_range_and_leave_the_moments_alone():
    window = np.append(normal(450, 1), [np.inf, -np.inf] * 25)
    found = look({"x": window}, JUST_X).features[0]
    assert (found.state, found.channel) == ("drift", "range")
    assert found.mean == pytest.approx(normal(450, 1).mean())
    assert look({"x": np.append(normal(999, 1), np.inf)}, JUST_X).state == "ok"


def test_infinite_values_that_the_reference_has_as_often_are_no_drift():
    with_inf = np.where(np.arange(5_000) % 20 == 0, np.inf, X)
    window = np.where(np.arange(1_000) % 20 == 0, np.inf, normal(1_000, 1).clip(-3, 3))
    assert look({"x": window}, reference({"x": with_inf})).state == "ok"


def test_integers_are_compared_like_other_numbers():
    profiles = reference({"x": np.random.default_rng(0).poisson(4, 5_000)})
    assert look({"x": np.random.default_rng(1).poisson(4, 1_000)}, profiles).state == "ok"
    assert look({"x": np.random.default_rng(1).poisson(5, 1_000)}, profiles).state == "drift"


def test_booleans_are_compared_by_their_mean():
    profiles = reference({"x": np.random.default_rng(0).random(5_000) < 0.3})
    assert profiles[0].kind == "boolean"
    assert look({"x": np.random.default_rng(1).random(1_000) < 0.3}, profiles).state == "ok"
    result = look({"x": np.random.default_rng(1).random(1_000) < 0.5}, profiles)
    assert (result.state, "std" in result.features[0].channels) == ("drift", False)


def test_ten_thousand_categories_that_are_all_different_tell_nothing():
    """An id: every value is new, as every value of the reference was."""
    ids, others = texts(f"id {i}" for i in range(10_000)), texts(f"other {i}" for i in range(10_000))
    assert look({"c": others}, reference({"c": ids})).state == "ok"
    assert look({"c": ids}, reference({"c": ids})).state == "ok"
    assert look({"c": ids}, JUST_C).state == "drift"


def test_one_giant_among_normal_values_is_no_alarm_and_hides_none():
    for giant in (1e30, -1e30):
        assert look({"x": np.append(normal(999, 1), giant)}, JUST_X).state == "ok"
        moved = look({"x": np.append(normal(999, 1, mean=0.5), giant)}, JUST_X)
        assert (moved.state, moved.features[0].channel) == ("drift", "mean")


ANY = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)
ODD = st.sampled_from([0.0, -0.0, 1e-320, 1e30, -1e30, 1e308, -1e308, np.inf, -np.inf, np.nan, 7.0])
KINDS_OF_REFERENCE = {
    "normal": X,
    "spiked": np.where(normal(2_000, 3) > 1.5, np.exp(normal(2_000, 4)), 0.0),
    "constant": np.full(500, 7.0),
    "void": np.full(500, np.nan),
    "tiny": X * 1e-200,
    "giant": np.append(X, 1e30),
}


@pytest.mark.parametrize("kind", KINDS_OF_REFERENCE)
@settings(max_examples=60, deadline=None)
@given(values=st.lists(ANY | ODD, max_size=80))
def test_any_window_of_numbers_gives_finite_figures(kind, values):
    look({"x": np.array(values, float)}, reference({"x": KINDS_OF_REFERENCE[kind]}))


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.none() | st.text(max_size=3) | st.sampled_from(["a", "b", "d"]), max_size=80))
def test_any_window_of_texts_gives_finite_figures(values):
    look({"c": texts(np.nan if v is None else v for v in values)}, JUST_C)
