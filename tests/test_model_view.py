"""The model's view: what it answers, what its inputs do together, and what each of them moves."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from workbench.cli.watch import _state
from workbench.drift import check
from workbench.evaluation import ModelView, OutputProfile
from workbench.model_view import IMPACTS, impact, judge, together
from workbench.profiles import categorical, numeric
from workbench.sections import DriftSettings

pytestmark = pytest.mark.usefixtures("one_thread")

LIMITS = DriftSettings()
RATE = 0.01


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def frame(n: int, seed: int, shares=(0.5, 0.3, 0.2)) -> pd.DataFrame:
    r = rng(seed)
    return pd.DataFrame(
        {
            "a": r.normal(0, 1, n),
            "b": r.normal(10, 2, n),
            "c": pd.Series(r.choice(["u", "v", "w"], n, p=shares), dtype=object),
        }
    )


WORTH = {"u": 0.0, "v": 1.0, "w": 4.0, "new": 9.0}


def linear(rows: pd.DataFrame) -> np.ndarray:
    """5 a - b, and what a category is worth."""
    return (5 * rows["a"] - rows["b"] + rows["c"].map(WORTH)).to_numpy(float)[:, None]


def classes(rows: pd.DataFrame) -> np.ndarray:
    """The probabilities of two classes, which `a` decides."""
    second = 1 / (1 + np.exp(-rows["a"].to_numpy(float)))
    return np.column_stack([1 - second, second])


SAMPLE = frame(2_000, 0)
WINDOW = frame(1_000, 1)


# Impact


def by_feature(found) -> dict[str, float]:
    return {i.feature: i.moved for i in found}


@pytest.mark.parametrize("seed", range(5))
def test_what_has_not_moved_has_no_impact(seed):
    """As much as two samples of the same differ: a few hundredths of a standard deviation."""
    found = impact(frame(1_000, 10 + seed), SAMPLE, linear, ["a", "b", "c"], spread=1.0)
    moved = by_feature(found)
    assert moved["a"] < 5 * 0.12
    assert moved["b"] < 2 * 0.12
    assert moved["c"] < 4 * 0.06


def test_the_very_rows_of_the_reference_have_no_impact_at_all():
    found = impact(SAMPLE, SAMPLE, linear, ["a", "b", "c"], spread=1.0)
    assert by_feature(found) == pytest.approx({"a": 0, "b": 0, "c": 0}, abs=0.01)


def test_the_impact_of_a_shift_is_the_shift_times_what_the_model_makes_of_it():
    moved = SAMPLE.assign(a=SAMPLE["a"] + 2)
    (found,) = impact(moved, SAMPLE, linear, ["a"], spread=4.0)
    assert (found.moved, found.share) == pytest.approx((5 * 2, 5 * 2 / 4), rel=0.01)


def test_the_impact_of_unseen_texts_is_what_their_rows_move():
    """300 of 2,000 rows were `u`, worth 0, and are `new`, worth 9."""
    rows = np.flatnonzero(SAMPLE["c"] == "u")[:300]
    moved = SAMPLE.copy()
    moved.loc[rows, "c"] = "new"
    (found,) = impact(moved, SAMPLE, linear, ["c"], spread=1.0)
    assert found.moved == pytest.approx(9 * 300 / 2_000)


def test_probabilities_that_change_class_count_once():
    moved = SAMPLE.assign(a=SAMPLE["a"] + 1)
    (found,) = impact(moved, SAMPLE, classes, ["a"], spread=1.0)
    expected = np.abs(classes(moved) - classes(SAMPLE))[:, 1].mean()
    assert found.moved == pytest.approx(expected, rel=0.01)


def test_the_feature_that_moves_the_model_most_comes_first():
    """`b` moved further, `a` matters more."""
    moved = SAMPLE.assign(a=SAMPLE["a"] + 1, b=SAMPLE["b"] + 3)
    found = impact(moved, SAMPLE, linear, ["b", "c", "a"], spread=1.0)
    assert [i.feature for i in found] == ["a", "b", "c"]
    assert by_feature(found) == pytest.approx({"a": 5, "b": 3, "c": 0}, abs=0.05)


def test_values_that_went_missing_are_given_back():
    def filled(rows: pd.DataFrame) -> np.ndarray:
        return np.where(rows["a"].isna(), 10.0, 0.0)[:, None]

    moved = SAMPLE.assign(a=np.where(np.arange(len(SAMPLE)) < 500, np.nan, SAMPLE["a"]))
    (found,) = impact(moved, SAMPLE, filled, ["a"], spread=1.0)
    assert found.moved == pytest.approx(10 * 500 / 2_000)


def test_a_reference_without_values_takes_all_of_them_back():
    def present(rows: pd.DataFrame) -> np.ndarray:
        return rows["a"].notna().to_numpy(float)[:, None]

    (found,) = impact(WINDOW, SAMPLE.assign(a=np.nan), present, ["a"], spread=1.0)
    assert found.moved == 1.0


@pytest.mark.parametrize(
    ("window", "sample", "names"),
    [(WINDOW.head(0), SAMPLE, ["a"]), (WINDOW, SAMPLE.head(0), ["a"]), (WINDOW, SAMPLE, [])],
    ids=["no window", "no sample", "no name"],
)
def test_without_rows_or_names_the_model_is_not_asked(window, sample, names):
    def never(rows):
        raise AssertionError("asked")

    assert impact(window, sample, never, names, spread=1.0) == ()


def test_the_model_is_asked_once_and_of_a_few_features_only():
    asked = []

    def ask(rows: pd.DataFrame) -> np.ndarray:
        asked.append(len(rows))
        return np.zeros((len(rows), 1))

    wide = pd.DataFrame({f"x{i}": rng(i).normal(size=50) for i in range(20)})
    assert len(impact(wide, wide, ask, list(wide), spread=1.0)) == IMPACTS
    assert asked == [50 * (IMPACTS + 1)]


# The verdict


def view(window: pd.DataFrame, *, ask=linear, moved=(), without=(), disagreement=None, apart=None) -> ModelView:
    said = ask(SAMPLE)[:, -1]
    outputs = pd.Series(ask(window)[:, -1], dtype=float)
    reference = OutputProfile(
        outputs=numeric("prediction", "numeric", said),
        disagreement=None if apart is None else numeric("disagreement", "numeric", apart),
    )
    found = judge(
        window,
        SAMPLE,
        outputs=outputs,
        disagreement=disagreement,
        reference=reference,
        ask=ask,
        moved=moved,
        without=without,
        limits=LIMITS,
        false_alarm_rate=RATE,
    )
    assert msgspec.json.decode(msgspec.json.encode(found), type=ModelView) == found
    return found


def test_no_drift_is_ok_and_says_what_was_looked_at():
    found = view(WINDOW)
    assert (found.state, found.outputs.state, found.together.auc.state) == ("ok", "ok", "ok")
    assert found.sentence == "no drift in outputs, inputs together"
    assert (found.disagreement, found.impacts) == (None, ())


def test_outputs_that_drift_are_told_and_what_moved_them_is_ranked():
    found = view(WINDOW.assign(a=WINDOW["a"] + 1), moved=["b", "a"])
    assert (found.state, found.outputs.state) == ("drift", "drift")
    assert found.sentence.startswith("prediction: mean ")
    assert [i.feature for i in found.impacts] == ["a", "b"]
    assert found.impacts[0].share == pytest.approx(found.impacts[0].moved / linear(SAMPLE).std())


def test_members_that_disagree_more_than_they_did_are_told():
    apart = np.abs(rng(3).normal(1, 0.2, 2_000))
    calm = view(WINDOW, disagreement=np.abs(rng(4).normal(1, 0.2, 1_000)), apart=apart)
    upset = view(WINDOW, disagreement=np.abs(rng(4).normal(1.5, 0.2, 1_000)), apart=apart)
    assert (calm.state, calm.disagreement.state) == ("ok", "ok")
    assert (upset.state, upset.disagreement.state) == ("drift", "drift")
    assert upset.sentence.startswith("disagreement: mean 1.")


def test_answers_that_stand_still_are_drift_and_not_broken_data():
    found = view(WINDOW, ask=lambda rows: np.full((len(rows), 1), 3.0) if len(rows) == 1_000 else linear(rows))
    assert (found.outputs.state, found.state) == ("broken", "drift")


def test_what_a_feature_shows_alone_is_not_found_a_second_time():
    assert view(WINDOW.assign(b=WINDOW["b"] * 0), ask=classes).together.auc.state == "ok"
    assert view(WINDOW.assign(a=WINDOW["a"] + 1), ask=classes).together.auc.state == "ok"


def test_many_moves_too_small_to_count_do_not_add_up_to_an_alarm():
    names = [f"x{i}" for i in range(30)]
    sample = pd.DataFrame(rng(0).normal(0, 1, (2_000, 30)), columns=names)
    window = pd.DataFrame(rng(1).normal(0.15, 1, (1_000, 30)), columns=names)
    assert together(window, sample, limits=LIMITS, false_alarm_rate=RATE).auc.state == "ok"


def test_what_is_left_out_is_not_looked_at_with_the_others():
    window = WINDOW.assign(b=10 + 2 * WINDOW["a"])
    assert view(window, ask=classes).together.auc.state == "drift"
    assert view(window, ask=classes, without=["b"]).together.auc.state == "ok"


def test_a_few_rows_are_insufficient():
    found = view(frame(5, 1))
    assert (found.state, found.together) == ("insufficient", None)
    assert "needed" in found.sentence


def test_answers_that_are_classes_are_compared_by_their_shares():
    def letters(n: int, share: float) -> pd.Series:
        return pd.Series(rng(n).choice(["yes", "no"], n, p=[share, 1 - share]), dtype=object)

    reference = OutputProfile(outputs=categorical("prediction", letters(2_000, 0.5)))
    for share, state in ((0.5, "ok"), (0.8, "drift")):
        found = judge(
            WINDOW,
            SAMPLE,
            outputs=letters(1_000, share),
            disagreement=None,
            reference=reference,
            ask=classes,
            moved=["a"],
            limits=LIMITS,
            false_alarm_rate=RATE,
        )
        assert found.state == state
        # The standard deviation of a coin.
        assert found.impacts[0].share == pytest.approx(found.impacts[0].moved / 0.5, rel=0.01)


def test_the_same_window_gives_the_same_view():
    moved = WINDOW.assign(a=WINDOW["a"] + 1, c=WINDOW["c"].where(np.arange(1_000) > 100, "new"))
    assert view(moved, moved=["a", "c"]) == view(moved.copy(), moved=["a", "c"])


def test_what_has_too_few_rows_is_not_called_free_of_drift_and_says_how_many_it_needs():
    told = numeric("prediction", "numeric", rng(7).normal(0, 1, 5_000))
    reference = OutputProfile(
        outputs=msgspec.structs.replace(told, value_dependence=60.0, cell_dependence=60.0),
        disagreement=numeric("disagreement", "numeric", rng(3).normal(1, 0.2, 2_000)),
    )
    found = judge(
        WINDOW,
        SAMPLE,
        outputs=pd.Series(rng(6).normal(0, 1, 1_000)),
        disagreement=rng(4).normal(1, 0.2, 1_000),
        reference=reference,
        ask=linear,
        moved=(),
        limits=LIMITS,
        false_alarm_rate=RATE,
    )
    assert (found.state, found.outputs.state) == ("ok", "insufficient")
    assert 1_000 < found.outputs.needed < 5_000
    few = f"too few rows to tell for outputs ({found.outputs.needed:,} needed)"
    assert found.sentence == f"no drift in disagreement, inputs together; {few}"


def test_the_check_table_says_how_many_rows_a_feature_needs():
    found = check(
        WINDOW.head(9), [numeric("a", "numeric", SAMPLE["a"].to_numpy())], limits=LIMITS, false_alarm_rate=RATE
    )
    feature = found.features[0]
    assert f"{feature.needed} are needed" in feature.sentence
    assert _state(feature) == f"· insufficient, {feature.needed} rows needed"
