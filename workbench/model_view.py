"""Drift as the model sees it: its outputs, its members' disagreement, the inputs together, and what each input moves.

Pure: frames, profiles and a way to ask the model are arguments; what is drawn by lot is seeded by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.special import ndtr

from workbench import bands
from workbench.autocorrelation import dependence
from workbench.drift import check
from workbench.drift_rules import LOOKS
from workbench.evaluation import (
    Channel,
    FeatureDrift,
    FeatureProfile,
    Impact,
    ModelView,
    OutputProfile,
    Together,
)
from workbench.features import seed_of
from workbench.records import State
from workbench.sections import DriftSettings

FOLDS = 4
MIN_ROWS_A_FOLD = 12
CODES = 30
PAIRS = 3
IMPACTS = 12
# Of the part's false alarms: outputs, disagreement, the inputs together.
TESTS = 3
Ask = Callable[[pd.DataFrame], np.ndarray]


def judge(
    window: pd.DataFrame,
    sample: pd.DataFrame,
    *,
    outputs: pd.Series,
    disagreement: np.ndarray | None,
    reference: OutputProfile,
    ask: Ask,
    moved: Sequence[str],
    without: Collection[str] = (),
    limits: DriftSettings,
    false_alarm_rate: float,
) -> ModelView:
    """The model's view of a window.

    Parameters
    ----------
    window, sample : DataFrame, shape (n_rows, n_features)
        The window's inputs in order of arrival; inputs of the reference in event time.
    outputs : Series, shape (n_rows,)
        What was answered: the values, the probability of the last of two classes, or the class.
    disagreement : array, shape (n_rows,), optional
        Standard deviation among the ensemble's members; None for a model without members.
    reference : OutputProfile
        Outputs and disagreement on the version's holdout.
    ask : callable (DataFrame) -> array, shape (rows, outputs)
        The model's values, or its probabilities.
    moved : names of features
        Whose impact is asked for.
    without : names of features
        Left out of the look at all inputs together.
    false_alarm_rate : float
        Per full window, over this part's tests together.
    """
    share = false_alarm_rate / TESTS
    spoken = _drift(outputs, reference.outputs, limits, share)
    apart = None
    if disagreement is not None and reference.disagreement is not None:
        apart = _drift(pd.Series(disagreement), reference.disagreement, limits, share)
    impacts = impact(window, sample, ask, moved, reference.outputs.std or _categorical_spread(reference.outputs))
    kept = [name for name in window.columns if name not in without]
    joint = together(window[kept], sample[kept], limits=limits, false_alarm_rate=share)
    state, sentence = _verdict(spoken, apart, joint)
    return ModelView(
        state=state, sentence=sentence, outputs=spoken, disagreement=apart, together=joint, impacts=impacts
    )


def _drift(column: pd.Series, profile: FeatureProfile, limits: DriftSettings, rate: float) -> FeatureDrift:
    window = column.to_frame(profile.name)
    return check(window, [profile], limits=limits, false_alarm_rate=rate).features[0]


def _categorical_spread(profile: FeatureProfile) -> float:
    """Standard deviation of a draw's indicator, averaged over the classes."""
    return math.sqrt(sum(p * (1 - p) for p in profile.shares.values()) / 2) or 1.0


def _verdict(spoken: FeatureDrift, apart: FeatureDrift | None, joint: Together | None) -> tuple[State, str]:
    told: list[tuple[State, str]] = [(spoken.state, spoken.sentence)]
    if apart is not None:
        told.append((apart.state, apart.sentence))
    if joint is not None:
        told.append((joint.auc.state, _joint_sentence(joint)))
    worst: tuple[tuple[State, str], ...] = (("drift", ""), ("possible", "possible drift: "))
    for state, begin in worst:
        # Outputs are no column somebody delivers: whatever is odd about them is drift.
        named = [text for s, text in told if s == state or (state == "drift" and s == "broken")]
        if named:
            return state, begin + "; ".join(named)
    if all(s == "insufficient" for s, _ in told):
        return "insufficient", spoken.sentence
    parts = {"outputs": spoken, "disagreement": apart} if apart else {"outputs": spoken}
    looked = [name for name, part in parts.items() if part.state != "insufficient"]
    few = [
        f"{name} ({part.needed:,} needed)" if part.needed else name
        for name, part in parts.items()
        if name not in looked
    ]
    if joint is not None:
        looked.append("inputs together")
    return "ok", f"no drift in {', '.join(looked)}" + (f"; too few rows to tell for {', '.join(few)}" if few else "")


def _joint_sentence(joint: Together) -> str:
    auc = joint.auc
    sentence = f"rows of the window and of the reference can be told apart in {auc.value:.0%} of pairs"
    if auc.state == "ok":
        return f"{sentence} ({auc.high:.0%} by chance)"
    pairs = [f"{a} and {b} correlate {now:+.2f}, was {was:+.2f}" for a, b, now, was in joint.pairs]
    return f"{sentence} ({auc.high:.0%} by chance)" + (f": {'; '.join(pairs)}" if pairs else "")


def together(
    window: pd.DataFrame, sample: pd.DataFrame, *, limits: DriftSettings, false_alarm_rate: float
) -> Together | None:
    """Can a classifier tell the window's rows from the reference's, on rows it has not learnt from?

    Finds what no feature shows alone, such as a correlation that has turned. Folds are stretches of neighbouring rows:
    rows of the same hour are alike, and would give each other away. What the features show one by one is taken off.
    Within a fold the AUC of a fixed classifier is
    Mann and Whitney's, whose error is known; rows that are alike in their scores count for less.

    Returns
    -------
    Together, or None where the rows are too few, or have no value.
    """
    # The same row again, in another fold, would be known by heart.
    window = window.drop_duplicates()
    n, m = len(window), len(sample)
    if min(n, m) < FOLDS * MIN_ROWS_A_FOLD or not len(window.columns):
        return None
    both = _codes(pd.concat([sample, window], ignore_index=True))
    is_window = np.arange(n + m) >= m
    fold = np.concatenate([np.arange(m) * FOLDS // m, np.arange(n) * FOLDS // n])
    told = _told_apart(both, is_window, fold)
    if told is None:
        return None
    value, ranks = told
    # Folds share most of what they learn from: simulated without drift, their mean varies up to a fifth more.
    error = 1.2 * math.sqrt((dependence(ranks[is_window]) / n + dependence(ranks[~is_window]) / m) / 12)
    level = false_alarm_rate / LOOKS
    if ndtr((0.5 - value) / error) <= false_alarm_rate:
        # Many moves, each too small to count, add up; what is left without them is what the features do together.
        alone = _told_apart(_shuffled(both, is_window, fold), is_window, fold)
        value -= max(alone[0] - 0.5, 0.0) if alone else 0.0
    p = float(ndtr((0.5 - value) / error))
    state: State = "ok"
    if value >= limits.min_auc:
        state = "drift" if p <= level else "possible" if p <= false_alarm_rate else "ok"
    auc = Channel(
        value=value,
        low=0.0,
        high=min(0.5 + bands.threshold(2 * level) * error, 1.0),
        noise=abs(value - 0.5) / (bands.threshold(2 * bands.P_95) * error),
        p=p,
        limit=limits.min_auc,
        state=state,
    )
    return Together(auc=auc, rows=n, pairs=_pairs(window, sample) if state != "ok" else ())


def _told_apart(both: np.ndarray, is_window: np.ndarray, fold: np.ndarray) -> tuple[float, np.ndarray] | None:
    """AUC out of fold, and the ranks of the rows' scores; None where a fold's rest has no value at all."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    ranks, aucs = np.zeros(len(both)), []
    for k in range(FOLDS):
        learn, held = fold != k, fold == k
        there = ~np.isnan(both[learn]).all(0)
        if not there.any():
            return None
        model = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=15, min_samples_leaf=10, early_stopping=False, random_state=0
        )
        scores = model.fit(both[np.ix_(learn, there)], is_window[learn]).predict_proba(both[np.ix_(held, there)])[:, 1]
        aucs.append(roc_auc_score(is_window[held], scores))
        ranks[held] = pd.Series(scores).rank(pct=True)
    return float(np.mean(aucs)), ranks


def _shuffled(both: np.ndarray, is_window: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Each column by itself, within each fold of window and sample: what goes with what is lost, and nothing else."""
    rng, mixed = np.random.default_rng(len(both)), both.copy()
    for part in (np.flatnonzero((fold == k) & (is_window == side)) for k in range(FOLDS) for side in (False, True)):
        for column in range(both.shape[1]):
            mixed[part, column] = both[rng.permutation(part), column]
    return mixed


def _codes(frame: pd.DataFrame) -> np.ndarray:
    """Numbers as they are; a text by how common it is, the rare ones as missing."""
    columns = []
    for name in frame.columns:
        column = frame[name]
        if not is_numeric_dtype(column):
            common = {value: i for i, value in enumerate(column.value_counts().index[:CODES])}
            columns.append(column.map(common).to_numpy(dtype=float))
        else:
            values = column.to_numpy(dtype=float)
            columns.append(np.where(np.isfinite(values), values, np.nan))
    return np.column_stack(columns)


def _pairs(window: pd.DataFrame, sample: pd.DataFrame) -> tuple[tuple[str, str, float, float], ...]:
    """The pairs of numbers whose rank correlation changed most, and by more than two hundredths."""
    numbers = [c for c in window.columns if is_numeric_dtype(window[c])]
    now, was = (f[numbers].replace([np.inf, -np.inf], np.nan).rank().corr().to_numpy() for f in (window, sample))
    changed = np.nan_to_num(np.abs(now - was))
    rows, columns = np.triu_indices(len(numbers), 1)
    order = np.argsort(-changed[rows, columns], kind="stable")[:PAIRS]
    return tuple(
        (
            numbers[rows[i]],
            numbers[columns[i]],
            round(float(now[rows[i], columns[i]]), 3),
            round(float(was[rows[i], columns[i]]), 3),
        )
        for i in order
        if changed[rows[i], columns[i]] > 0.2
    )


def impact(
    window: pd.DataFrame, sample: pd.DataFrame, ask: Ask, moved: Sequence[str], spread: float
) -> tuple[Impact, ...]:
    """How far predictions move when one feature gets reference values back, the largest first.

    Each value is replaced by the reference's value of the same rank (numbers), or only as many as needed change their
    category (texts), so that a feature that has not moved has no impact.

    Parameters
    ----------
    spread : float
        Standard deviation of the reference's outputs.
    """
    names = list(moved)[:IMPACTS]
    if not names or not len(window) or not len(sample):
        return ()
    rng = np.random.default_rng(seed_of(window))
    versions = [window, *(window.assign(**{name: _restored(window[name], sample[name], rng)}) for name in names)]
    said = ask(pd.concat(versions, ignore_index=True)).reshape(len(versions), len(window), -1)
    # Probabilities: what leaves one class arrives at another, and would be counted twice.
    double = 2 if said.shape[2] > 1 else 1
    far = np.abs(said[1:] - said[0]).sum(2).mean(1) / double
    found = [
        Impact(feature=n, moved=float(d), share=float(d / (spread or 1.0))) for n, d in zip(names, far, strict=True)
    ]
    return tuple(sorted(found, key=lambda i: -i.moved))


def _restored(window: pd.Series, sample: pd.Series, rng: np.random.Generator) -> np.ndarray:
    return _restored_numbers(window, sample, rng) if is_numeric_dtype(window) else _restored_texts(window, sample, rng)


def _restored_numbers(window: pd.Series, sample: pd.Series, rng: np.random.Generator) -> np.ndarray:
    values, pool = window.to_numpy(dtype=float), sample.to_numpy(dtype=float)
    there = np.sort(pool[np.isfinite(pool)])
    if not len(there):
        return np.full(len(values), np.nan)
    n, present = len(values), np.isfinite(values)
    wanted = round(np.isfinite(pool).mean() * n)
    # Rows that lost their value come after those that kept it; among themselves by lot.
    order = np.argsort(np.where(present, rng.random(n), 1 + rng.random(n)))
    kept = np.sort(order[:wanted])
    drawn = np.where(present[kept], values[kept], rng.choice(there, len(kept)))
    result = np.full(n, np.nan)
    result[kept[np.argsort(drawn, kind="stable")]] = np.quantile(there, (np.arange(wanted) + 0.5) / max(wanted, 1))
    return result


def _restored_texts(window: pd.Series, sample: pd.Series, rng: np.random.Generator) -> np.ndarray:
    values, n = window.to_numpy(dtype=object).copy(), len(window)
    pool = sample.to_numpy(dtype=object)
    wanted = pd.Series(pool).value_counts(normalize=True, dropna=False) * n
    codes, names = pd.factorize(np.concatenate([wanted.index.to_numpy(dtype=object), values]), use_na_sentinel=False)
    targets = np.zeros(len(names))
    targets[codes[: len(wanted)]] = np.round(wanted.to_numpy())
    own = codes[len(wanted) :]
    surplus = []
    for code in range(len(names)):
        rows = rng.permutation(np.flatnonzero(own == code))
        surplus += rows[int(targets[code]) :].tolist()
        targets[code] = max(targets[code] - len(rows), 0)
    open_places = np.repeat(np.arange(len(names)), targets.astype(int))
    places = rng.permutation(open_places)[: len(surplus)]
    for row, code in zip(rng.permutation(surplus)[: len(places)], places, strict=True):
        values[int(row)] = names[code]
    # What no place is left for by rounding is drawn from the reference.
    for row in rng.permutation(surplus)[len(places) :] if len(surplus) > len(places) else []:
        values[int(row)] = pool[rng.integers(len(pool))]
    return values
