"""What a reference leaves behind, against numpy."""

import itertools

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.streams import ar1, mixed
from workbench.evaluation import FeatureProfile
from workbench.features import align, infer_schema
from workbench.profiles import CELLS, categorical, like, moments, numeric, profile, support


def of(frame: pd.DataFrame, **how) -> dict[str, FeatureProfile]:
    schema = infer_schema(frame.assign(target=1.0), task="regression", target="target")
    return {p.name: p for p in profile(align(frame, schema), schema, **how)}


def number(values, **how) -> FeatureProfile:
    return numeric("x", "numeric", np.array(values, float), **how)


def texts(values, **how) -> FeatureProfile:
    return categorical("c", pd.Series(values, dtype=object), **how)


FRAME = mixed(2_000, np.random.default_rng(0))
PROFILES = of(FRAME)
NUMERIC = [name for name, p in PROFILES.items() if p.kind != "categorical"]


def test_a_profile_names_the_features_of_the_schema_in_its_order():
    assert list(PROFILES) == list(FRAME.columns)
    assert {p.n for p in PROFILES.values()} == {2_000}


@pytest.mark.parametrize("name", NUMERIC)
def test_moments_are_numpys_of_the_values_that_are_there(name):
    values, p = FRAME[name].dropna().to_numpy(float), PROFILES[name]
    assert (p.mean, p.std) == pytest.approx((values.mean(), values.std()))
    assert (p.low, p.high, p.distinct) == (values.min(), values.max(), len(np.unique(values)))


@pytest.mark.parametrize("name", NUMERIC)
def test_cells_are_the_counts_between_the_edges(name):
    values, p = FRAME[name].dropna().to_numpy(float), PROFILES[name]
    edges = [-np.inf, *p.edges, np.inf]
    assert list(p.cells) == [((values > low) & (values <= high)).sum() for low, high in itertools.pairwise(edges)]
    assert sum(p.cells) == p.present == len(values)


def test_cells_of_continuous_values_hold_about_the_same_number():
    p = PROFILES["cauchy"]
    assert len(p.cells) == CELLS
    assert max(p.cells) - min(p.cells) <= 2


@pytest.mark.parametrize("name", NUMERIC)
def test_the_support_has_the_mean_and_the_variance_of_the_values(name):
    p = PROFILES[name]
    points, weights = np.array(p.support), np.array(p.weights)
    assert weights.sum() == pytest.approx(1)
    assert points @ weights == pytest.approx(p.mean, abs=0.01 * p.std + 1e-9)
    assert np.sqrt(weights @ (points - p.mean) ** 2) == pytest.approx(p.std, rel=0.01, abs=1e-12)
    assert (points[weights > 0] >= p.low - 1e-9).all()
    assert (points[weights > 0] <= p.high + 1e-9 * abs(p.high)).all()


@pytest.mark.parametrize("share", [0.5, 0.3, 0.1, 0.02])
@pytest.mark.parametrize("m", [200, 5_000])
def test_the_support_of_two_values_has_their_variance(m, share):
    values = np.repeat([0.0, 1.0], [m - round(share * m), round(share * m)])
    points, weights = support(values, *moments(values))
    assert weights @ points == pytest.approx(values.mean(), abs=0.01 * values.std())
    assert weights @ (points - values.mean()) ** 2 == pytest.approx(values.var(), rel=0.01)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_a_support_of_any_values_stays_among_them(values):
    ordered = np.sort(np.array(values))
    points, weights = support(ordered, *moments(ordered))
    room = 1e-9 * max(abs(ordered[0]), abs(ordered[-1]), 1e-300)
    assert weights.sum() == pytest.approx(1)
    assert np.isfinite(points).all()
    assert (points >= ordered[0] - room).all()
    assert (points <= ordered[-1] + room).all()


def test_missing_values_are_counted_and_left_out():
    p = number([1.0, np.nan, 3.0, np.nan])
    assert (p.n, p.missing_share, p.present, p.mean, p.std) == (4, 0.5, 2, 2.0, 1.0)


def test_infinite_values_are_counted_apart_and_move_no_figure():
    p = number([1.0, np.inf, 3.0, -np.inf])
    assert (p.missing_share, p.infinite, p.mean, p.low, p.high) == (0.0, 2, 2.0, 1.0, 3.0)


@pytest.mark.parametrize("how", [{}, {"in_order": True}], ids=["drawn", "in order"])
@pytest.mark.parametrize("n", [0, 1, 50])
def test_a_column_without_values_has_no_moments(n, how):
    p = number([np.nan] * n, **how)
    assert (p.n, p.present, p.mean, p.std, p.cells, p.distinct) == (n, 0, None, None, (), 0)
    c = texts([np.nan] * n, **how)
    assert (c.n, c.present, c.shares, c.cells, c.distinct) == (n, 0, {}, (), 0)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.1, -3e20])
def test_a_constant_column_has_no_spread_at_all(value):
    p = number([value] * 3_000, in_order=True)
    assert (p.mean, p.std, p.low, p.high, p.distinct) == (pytest.approx(value), 0.0, value, value, 1)
    assert sum(p.cells) == 3_000
    assert (p.value_dependence, p.cell_dependence) == (1.0, 1.0)


def test_an_empty_frame_has_a_profile():
    p = of(FRAME.head(0))
    assert list(p) == list(FRAME.columns)
    assert {(q.n, q.present) for q in p.values()} == {(0, 0)}


def test_shares_are_of_the_texts_that_are_there_the_most_frequent_first():
    p = texts(["b", "a", "b", np.nan, "c", "b", "a"])
    assert p.shares == {"b": 3 / 6, "a": 2 / 6, "c": 1 / 6}
    assert list(p.shares) == ["b", "a", "c"]
    assert (p.cells, p.n, p.missing_share, p.distinct) == ((3, 2, 1), 7, 1 / 7, 3)


@pytest.mark.parametrize("name", ["cat_3", "cat_200", "cat_missing_30"])
def test_shares_are_pandas_value_counts(name):
    expected = FRAME[name].value_counts(normalize=True)
    assert PROFILES[name].shares == pytest.approx(expected.to_dict())
    assert list(PROFILES[name].cells) == FRAME[name].value_counts().tolist()


@pytest.mark.parametrize(
    ("values", "lone"),
    [([1, 2, 2, 3], 2), ([1, 1, 2, 3], 1), ([1, 2, 3, 3], 1), ([1, 1, 3, 3], 0), ([5, 5], 0)],
)
def test_outermost_counts_the_lone_values_at_the_ends(values, lone):
    assert number(values).outermost == lone


def test_outermost_counts_the_categories_that_were_seen_once():
    assert texts(["a", "a", "b", "c", np.nan]).outermost == 2


@pytest.mark.parametrize("seed", range(3))
def test_outermost_says_how_often_a_row_lies_outside_of_the_others(seed):
    """Leave one out, by hand: every row beside all the other rows."""
    values = np.random.default_rng(seed).integers(0, 12, 30)
    outside = sum(
        v < min(rest) or v > max(rest) for v, rest in ((v, np.delete(values, i)) for i, v in enumerate(values))
    )
    assert number(values).outermost == outside


def test_booleans_are_numbers_of_their_own_kind():
    p = of(pd.DataFrame({"b": [True, False, True, True]}))["b"]
    assert (p.kind, p.mean, p.cells[:2], p.distinct) == ("boolean", 0.75, (1, 3), 2)


def test_rows_in_event_time_tell_how_dependent_they_are():
    frame = ar1(5_000, np.random.default_rng(0), 0.8)
    for p in of(frame, in_order=True).values():
        assert p.in_order
        assert 7 < p.value_dependence < 13
        assert 2 < p.cell_dependence < 13
    for p in of(frame).values():
        assert (p.in_order, p.value_dependence, p.cell_dependence) == (False, 1.0, 1.0)


def test_a_spread_that_comes_and_goes_is_a_dependence_too():
    """Signs by lot, sizes in waves: the values are uncorrelated, their squares are not."""
    rng = np.random.default_rng(0)
    waves = np.exp(ar1(5_000, rng, 0.95, columns=["x"])["x"].to_numpy())
    assert number(waves * rng.choice([-1, 1], 5_000), in_order=True).value_dependence > 5


def test_values_that_are_missing_in_spells_tell_so():
    away = ar1(5_000, np.random.default_rng(0), 0.95, columns=["x"])["x"].to_numpy() > 1
    assert number(np.where(away, np.nan, 1.0), in_order=True).missing_dependence > 5
    assert texts(np.where(away, None, "a"), in_order=True).missing_dependence > 5
    assert number(np.where(away, np.nan, 1.0)).missing_dependence == 1.0


def test_texts_that_come_in_spells_tell_so():
    spells = np.repeat(np.random.default_rng(0).choice(["a", "b", "c"], 500), 10)
    assert texts(spells, in_order=True).cell_dependence > 5


def test_other_rows_keep_the_dependence_of_the_reference():
    reference = of(ar1(5_000, np.random.default_rng(0), 0.8), in_order=True)
    window = ar1(300, np.random.default_rng(1), 0.8)
    for p in like(window, tuple(reference.values())):
        assert (p.n, p.mean) == (300, pytest.approx(window[p.name].mean()))
        was = reference[p.name]
        assert (p.value_dependence, p.cell_dependence, p.missing_dependence, p.in_order) == (
            was.value_dependence,
            was.cell_dependence,
            was.missing_dependence,
            True,
        )


def test_other_rows_of_texts_are_profiled_as_texts():
    (p,) = like(pd.DataFrame({"c": ["b", "b", "z"]}), (texts(["a", "b"]),))
    assert (p.kind, p.shares) == ("categorical", {"b": 2 / 3, "z": 1 / 3})


@pytest.mark.parametrize("rows", [0, 1, 2_000])
def test_a_profile_survives_the_way_through_json(rows):
    there = tuple(of(FRAME.head(rows), in_order=True).values())
    back = msgspec.json.decode(msgspec.json.encode(there), type=tuple[FeatureProfile, ...])
    assert back == there
