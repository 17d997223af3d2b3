"""When a score is drift, and when it is not: chance, effect, budget, order."""

import re

import numpy as np
import pytest

from tests.benchmarks.streams import ar1
from tests.drifting import JUST_X, MOVED, RATE, REFERENCE, X, drawn, look, normal, reference, without
from workbench.drift import data_result, summarise
from workbench.drift_rules import LOOKS
from workbench.sections import DriftSettings


@pytest.mark.parametrize(
    ("window", "state"),
    [
        (normal(0, 1), "insufficient"),
        (normal(10, 1), "insufficient"),
        (normal(1_000, 1), "ok"),
        (normal(1_000, 1, mean=0.5), "drift"),
        (np.full(1_000, 0.3), "broken"),
    ],
    ids=["empty", "few", "same", "moved", "constant"],
)
def test_each_state_of_a_feature(window, state):
    assert look({"x": window}, JUST_X).features[0].state == state


def test_what_is_improbable_once_but_not_over_all_looks_is_possible():
    """Between the level of one look and the level that 25 looks share."""
    window = np.append(normal(999, 1), 0.0)
    window = window - window.mean() + 0.115
    result = look({"x": window}, JUST_X)
    mean = result.features[0].channels["mean"]
    assert RATE / LOOKS * 0.25 < mean.p < RATE * 0.25
    assert (result.state, mean.state, result.features[0].channel) == ("possible", "possible", "mean")
    assert result.sentence.startswith("possible drift: x: mean")


def test_insufficient_says_how_many_rows_are_needed_and_so_many_are_enough():
    result = look({"x": normal(9, 1)}, JUST_X)
    needed = int(re.fullmatch(r"x: insufficient: 9 values; (\d+) are needed", result.sentence).group(1))
    assert look({"x": normal(needed - 1, 1)}, JUST_X).state == "insufficient"
    assert look({"x": normal(needed, 1)}, JUST_X).state == "ok"


def test_a_reference_that_is_too_small_is_told_to_be_the_trouble():
    result = look({"x": normal(1_000, 1)}, reference({"x": normal(10, 0)}))
    assert result.state == "insufficient"
    assert re.fullmatch(r"x: insufficient: the reference has 10 values; \d+ are needed", result.sentence)


def test_rows_that_depend_on_each_other_need_to_be_more():
    frame = ar1(5_000, np.random.default_rng(0), 0.8, columns=["x"])
    window = ar1(100, np.random.default_rng(1), 0.8, columns=["x"])
    assert look(window, reference(frame)).state in {"ok", "possible", "drift"}
    found = look(window, reference(frame, in_order=True)).features[0]
    assert 100 / 13 < found.effective < 100 / 7
    assert re.search(r"100 values, worth \d+ independent ones; \d{3} are needed", found.sentence)


def test_a_large_shift_of_very_few_rows_is_no_drift():
    assert look({"x": np.array([1.5, 0.1, 1.4])}, JUST_X).state == "insufficient"


def test_a_sure_shift_that_is_too_small_to_matter_is_no_drift():
    """0.02 sd of 100,000 rows is five times the standard error."""
    values = normal(100_000, 1)
    window = values - values.mean() + 0.02
    result = look({"x": window}, reference({"x": normal(100_000, 2) - normal(100_000, 2).mean()}))
    mean = result.features[0].channels["mean"]
    assert (result.state, mean.state, mean.limit) == ("ok", "ok", DriftSettings().min_mean_shift)
    assert mean.p < 1e-4


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("mean", {"min_mean_shift": 5.0, "min_std_ratio": 9.0, "min_distance": 1.0, "min_outside_share": 1.0}),
        ("std", {"min_mean_shift": 5.0, "min_std_ratio": 9.0, "min_distance": 1.0, "min_outside_share": 1.0}),
        ("missing", {"min_missing_shift": 0.5}),
        ("range", {"min_outside_share": 0.5, "min_std_ratio": 9.0, "min_mean_shift": 5.0}),
        ("unseen", {"min_outside_share": 0.5, "min_distance": 1.0}),
        ("shares", {"min_distance": 1.0}),
    ],
)
def test_a_setting_says_which_effect_is_too_small_to_matter(name, setting):
    window, feature, _ = MOVED[name]
    profiles = [p for p in REFERENCE if p.name == feature]
    assert look(window, profiles).state == "drift"
    assert look(window, profiles, limits=DriftSettings(**setting)).state == "ok"


def test_a_smaller_rate_of_false_alarms_widens_every_band():
    window = {"x": without(normal(500, 1), 50), "c": drawn(500, 1)}
    strict, loose = look(window, REFERENCE, rate=0.0001), look(window, REFERENCE, rate=0.1)
    assert strict.level < loose.level
    for name in ("x", "c"):
        narrow, wide = loose.feature(name).channels, strict.feature(name).channels
        assert list(narrow) == list(wide)
        for channel in narrow:
            assert wide[channel].low <= narrow[channel].low
            assert wide[channel].high > narrow[channel].high
            assert (wide[channel].value, wide[channel].p) == (narrow[channel].value, narrow[channel].p)


def test_fewer_rows_widen_the_bands():
    small, large = (look({"x": normal(n, 1)}, JUST_X).features[0].channels for n in (50, 1_000))
    for channel in ("mean", "std", "distribution", "missing", "range"):
        assert small[channel].high > large[channel].high


MANY = 20
STILL = {f"x{i}": normal(1_000, 100 + i) for i in range(MANY)}
OF_MANY = reference({f"x{i}": normal(5_000, i) for i in range(MANY)})


def with_drift(*moved: int) -> dict:
    return STILL | {f"x{i}": STILL[f"x{i}"] + 1 for i in moved}


def test_the_more_features_drift_the_more_a_single_one_may_spend():
    """Benjamini and Hochberg: the k-th of twenty features is allowed k twentieths of the rate of a look."""
    levels = [look(with_drift(*range(k)), OF_MANY).level for k in range(6)]
    assert levels == pytest.approx([RATE / LOOKS / MANY * max(k, 1) for k in range(6)])


def test_an_accepted_feature_raises_no_alarm_keeps_its_figures_and_spends_nothing():
    plain = look(with_drift(3), OF_MANY)
    result = look(with_drift(3), OF_MANY, accepted={"x3": "new sensor"})
    assert (plain.state, result.state) == ("drift", "ok")
    found = result.feature("x3")
    assert (found.state, found.accepted) == ("ok", "new sensor")
    assert found.sentence == plain.feature("x3").sentence + "; accepted: new sensor"
    assert found.channels["mean"].value == plain.feature("x3").channels["mean"].value
    two = look(with_drift(3, 4, 5), OF_MANY, accepted={"x3": "new sensor"})
    assert two.level == pytest.approx(RATE / LOOKS / MANY * 2)


def test_accepting_a_feature_that_has_not_moved_changes_nothing():
    assert look(STILL, OF_MANY, accepted={"x3": "new sensor"}) == look(STILL, OF_MANY)


def test_the_furthest_beyond_chance_is_named_first():
    moved = with_drift() | {"x7": STILL["x7"] + 1, "x2": STILL["x2"] + 3, "x9": STILL["x9"] + 2}
    result = look(moved, OF_MANY)
    assert [f.feature for f in result.features[:3]] == ["x2", "x9", "x7"]
    assert [part.split(":")[0] for part in result.sentence.split("; ")] == ["x2", "x9", "x7"]


def test_drift_is_named_before_what_may_be_drift_and_what_is_none():
    """x0 is 0.13 away: of 1,000 and 5,000 rows 3.8 standard errors."""
    first = STILL["x0"] - STILL["x0"].mean() + OF_MANY[0].mean + 0.13
    result = look(with_drift(5) | {"x0": first, "x3": np.full(1_000, 0.1)}, OF_MANY, rate=0.05)
    states = [f.state for f in result.features]
    assert states[:2] == ["drift", "possible"]
    assert set(states[2:]) == {"ok", "broken"}


def test_the_ranking_by_impact_leads_among_features_of_the_same_state():
    result = look(with_drift(2, 7, 9), OF_MANY)
    ranked = summarise(result.features, n=result.n, level=result.level, first=["x0", "x9", "x2"])
    assert [f.feature for f in ranked.features[:4]] == ["x9", "x2", "x7", "x0"]
    assert ranked.state == "drift"


def test_more_than_five_features_are_counted_rather_than_told():
    result = look(with_drift(*range(8)), OF_MANY)
    assert result.sentence.count(": mean") == 5
    assert result.sentence.endswith("; and 3 more")


def test_no_drift_is_told_with_the_number_of_predictions():
    assert look(STILL, OF_MANY).sentence == "no drift in 20 features over 1000 predictions"
    result = look(STILL | {"x1": np.append(STILL["x1"][:950] * np.nan, STILL["x1"][:50])}, OF_MANY[:1] + OF_MANY[2:])
    assert result.sentence == "no drift in 19 features over 1000 predictions"


def test_data_that_are_what_they_claim_to_be():
    told = data_result(look(with_drift(1), OF_MANY))
    assert (told.state, told.sentence, told.features) == ("ok", "no sign of broken data in 20 features", ())
    assert data_result(look({"x": []}, JUST_X)).state == "insufficient"


def test_a_feature_that_is_not_there_is_asked_for_in_vain():
    with pytest.raises(KeyError, match="nowhere"):
        look({"x": X[:50]}, JUST_X).feature("nowhere")


def test_the_same_rows_give_the_same_record():
    window = {"x": normal(300, 1), "c": drawn(300, 1)}
    assert look(window, REFERENCE) == look(window, REFERENCE)
