"""How actuals come: how many, how late, of which predictions; and from when on what they say can be believed.

Pure: records in, one record out. The moment is an argument: a window's verdict must not depend on when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from workbench.label_words import span
from workbench.moments import parse_utc, utc_text
from workbench.performance_result import Labels
from workbench.records import Actual, Prediction

CURVE = 20
NEWEST = 20_000
# Shown when a part of the predictions has this much less of its labels than the rest, and chance hardly does that.
MIN_GAP = 0.05
MAX_CHANCE = 1e-4
MIN_LABELS = 20
MAX_PARTS = 20
Curve = tuple[np.ndarray, np.ndarray]


def delay_curve(predictions: Sequence[Prediction], actuals: Mapping[str, Actual], *, now: str) -> Curve:
    """Seconds, and the share of the labels that ever come that are there by then (Kaplan and Meier 1958).

    Those still waiting count up to now: left out, a young history would make all labels look quick.

    Parameters
    ----------
    predictions : oldest first, of whichever version
    actuals : first actual by prediction id
    now : ISO text
        As of when.

    Returns
    -------
    two arrays of the same length, ascending; empty while no label has come
    """
    arrived, waiting = _delays(predictions[-NEWEST:], actuals, now)
    if not len(arrived):
        return np.zeros(0), np.zeros(0)
    from scipy.stats import CensoredData, ecdf

    found = ecdf(CensoredData(uncensored=arrived, right=waiting)).cdf
    seconds, share = np.asarray(found.quantiles), np.asarray(found.probabilities)
    return seconds, share / share[-1]


def mature_after(curve: Curve, quantile: float) -> float | None:
    """Seconds after which this share of the labels that ever come is there; None while none has come."""
    seconds, share = curve
    if not len(seconds):
        return None
    return float(seconds[min(int(np.searchsorted(share, quantile - 1e-12)), len(seconds) - 1)])


def mature_until(after_s: float | None, *, now: str) -> str:
    """Predictions recorded up to then are mature: their labels, if they ever come, are there. Empty if none is."""
    return "" if after_s is None else utc_text(parse_utc(now) - timedelta(seconds=after_s))


def describe(
    predictions: Sequence[Prediction],
    actuals: Mapping[str, Actual],
    curve: Curve,
    *,
    now: str,
    quantile: float,
    conflict: int = 0,
    expired: int = 0,
) -> Labels:
    """Coverage, delays and selective missingness of the labels of some predictions.

    Parameters
    ----------
    predictions, actuals, now : as for `delay_curve`, which gives `curve`
    quantile : float
        Share of the labels that must have had the time to come.
    conflict, expired : int
        Actuals that were not taken.
    """
    looked = predictions[-NEWEST:]
    after_s = mature_after(curve, quantile)
    if after_s is None:
        sentence = f"no actual has come yet for {len(looked):,} predictions" if looked else "no predictions yet"
        return Labels(sentence=sentence, conflict=conflict, expired=expired)
    limit = mature_until(after_s, now=now)
    mature = [p for p in looked if p.recorded_at <= limit]
    there = np.array([p.id in actuals for p in mature], dtype=bool)
    coverage = float(there.mean()) if mature else None
    selective = _selective(mature, there) if mature else None
    known = (
        f"{coverage:.0%} of {len(mature):,} mature predictions have their actual" if mature else "none is mature yet"
    )
    late = f"{quantile:.0%} of the actuals come within {span(after_s)}"
    refused = f"{conflict:,} conflicting and {expired:,} expired ones were not taken" if conflict or expired else None
    return Labels(
        sentence="; ".join(filter(None, [known, late, selective, refused])),
        labelled=sum(p.id in actuals for p in looked),
        mature=len(mature),
        coverage=coverage,
        mature_after_s=after_s,
        delays=_thin(curve),
        selective=selective,
        conflict=conflict,
        expired=expired,
    )


def _delays(
    predictions: Sequence[Prediction], actuals: Mapping[str, Actual], now: str
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds from prediction to actual; and how long those without one have been waiting."""
    arrived, waiting, end = [], [], parse_utc(now)
    for prediction in predictions:
        actual, told = actuals.get(prediction.id), parse_utc(prediction.recorded_at)
        if actual is None:
            waiting.append(max((end - told).total_seconds(), 0.0))
        else:
            arrived.append(max((parse_utc(actual.recorded_at) - told).total_seconds(), 0.0))
    return np.array(arrived), np.array(waiting)


def _thin(curve: Curve) -> tuple[tuple[float, float], ...]:
    seconds, share = curve
    steps = np.searchsorted(share, np.linspace(1 / CURVE, 1, CURVE) - 1e-12).clip(max=len(share) - 1)
    return tuple((round(float(seconds[i]), 3), round(float(share[i]), 4)) for i in np.unique(steps))


def _selective(predictions: Sequence[Prediction], there: np.ndarray) -> str | None:
    """The part of the predictions that lacks its labels most, if that is no chance; in words."""
    if min(there.sum(), (~there).sum()) < MIN_LABELS:
        return None
    from scipy.stats import chi2_contingency

    columns: dict[str, pd.Series] = {"the prediction": pd.Series([p.output for p in predictions])}
    columns |= dict(pd.DataFrame([p.inputs for p in predictions]).items())
    worst: tuple[float, str] | None = None
    for name, column in columns.items():
        codes, words = _parts(column)
        table = np.array(
            [np.bincount(codes[there], minlength=len(words)), np.bincount(codes[~there], minlength=len(words))]
        )
        kept = table.sum(0) >= MIN_LABELS
        if kept.sum() < 2 or (table[:, kept].sum(1) == 0).any():
            continue
        chance = float(chi2_contingency(table[:, kept]).pvalue) * len(columns)
        shares = np.where(kept, table[0] / np.maximum(table.sum(0), 1), 2.0)
        least = int(np.argmin(shares))
        rest = (table[0].sum() - table[0, least]) / (table.sum() - table[:, least].sum())
        if chance < MAX_CHANCE and rest - shares[least] >= MIN_GAP and (worst is None or chance < worst[0]):
            told = f"actuals are missing more often where {name} {words[least]}"
            worst = chance, f"{told} ({shares[least]:.0%} have theirs, of the others {rest:.0%})"
    return worst[1] if worst else None


def _parts(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Thirds of a number, or the commonest categories; each row's part, and what it is called."""
    missing = column.isna().to_numpy()
    if is_numeric_dtype(column) and column.nunique() > 5:
        values = column.to_numpy(dtype=float)
        edges = (
            np.nanquantile(values[np.isfinite(values)], [1 / 3, 2 / 3]) if np.isfinite(values).any() else np.zeros(2)
        )
        codes = np.searchsorted(edges, values, side="right")
        words = [f"is below {edges[0]:.4g}", f"is from {edges[0]:.4g} to {edges[1]:.4g}", f"is above {edges[1]:.4g}"]
    else:
        common = column.astype(object).value_counts().index[:MAX_PARTS]
        codes = common.get_indexer(column.astype(object))
        codes = np.where(codes < 0, len(common), codes)
        words = [*(f"is {value}" for value in common), "is rare"]
    return np.where(missing, len(words), codes), [*words, "is missing"]
