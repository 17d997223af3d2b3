"""A reference, summarised once at publish time, so that no check need read it again.

Pure: a frame in, a profile a feature out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from workbench.autocorrelation import dependence
from workbench.evaluation import FeatureProfile, OutputProfile
from workbench.records import LARGEST, Kind, Schema

if TYPE_CHECKING:
    import pandas as pd

CELLS = 20
SUPPORT = 32
WATCHED = 8


def profile(frame: pd.DataFrame, schema: Schema, *, in_order: bool = False) -> tuple[FeatureProfile, ...]:
    """Summarise a reference, feature by feature.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_features)
        As `features.align` gives it.
    in_order : bool
        Whether the rows are in event time: then their dependence on each other is estimated, else taken as none.

    Returns
    -------
    tuple of FeatureProfile
    """
    return tuple(
        categorical(f.name, frame[f.name], in_order)
        if f.kind == "categorical"
        else numeric(f.name, f.kind, frame[f.name].to_numpy(dtype=float), in_order)
        for f in schema.features
    )


def like(frame: pd.DataFrame, reference: Sequence[FeatureProfile]) -> tuple[FeatureProfile, ...]:
    """The profile of other rows of the same features, with the dependence that the reference has.

    A window is too short to tell its own: a step in the middle of it would pass for dependence.
    """
    return tuple(
        msgspec.structs.replace(
            categorical(p.name, frame[p.name])
            if p.kind == "categorical"
            else numeric(p.name, p.kind, frame[p.name].to_numpy(dtype=float)),
            value_dependence=p.value_dependence,
            cell_dependence=p.cell_dependence,
            missing_dependence=p.missing_dependence,
            in_order=p.in_order,
        )
        for p in reference
    )


def numeric(name: str, kind: Kind, column: np.ndarray, in_order: bool = False) -> FeatureProfile:
    """The profile of numbers; infinite ones are values that lie outside of any range."""
    missing, values = np.isnan(column), column[np.isfinite(column)].clip(-LARGEST, LARGEST)
    infinite = len(column) - int(missing.sum()) - len(values)
    base: dict[str, Any] = _base(name, kind, missing, in_order) | {"infinite": infinite}
    if not len(values):
        return FeatureProfile(**base)
    ordered = np.sort(values)
    edges = _edges(ordered)
    mean, std = moments(ordered)
    points, weights = support(ordered, mean, std)
    cell = np.searchsorted(edges, values, side="left")
    counts = np.bincount(cell, minlength=len(edges) + 1)
    outermost = int((ordered == ordered[0]).sum() == 1) + int((ordered == ordered[-1]).sum() == 1)
    return FeatureProfile(
        **base,
        mean=mean,
        std=std,
        low=float(ordered[0]),
        high=float(ordered[-1]),
        edges=tuple(edges.tolist()),
        cells=tuple(counts.tolist()),
        support=tuple(points.tolist()),
        weights=tuple(weights.tolist()),
        outermost=outermost,
        distinct=1 + int((ordered[1:] > ordered[:-1]).sum()),
        value_dependence=max(dependence(values), dependence((values - mean) ** 2)) if in_order and std else 1.0,
        # Joined cells depend on each other as the values do.
        cell_dependence=max(_of_cells(cell, counts), dependence(values)) if in_order else 1.0,
    )


def of_outputs(column: pd.Series, disagreement: np.ndarray | None, in_order: bool = False) -> OutputProfile:
    """The profile of a version's answers, and of how far its members were apart where it has some."""
    told = _of_column(str(column.name), column, in_order)
    if disagreement is None:
        return OutputProfile(outputs=told)
    apart = numeric("disagreement of the members", "numeric", disagreement, in_order)
    return OutputProfile(outputs=told, disagreement=apart)


def _of_column(name: str, column: pd.Series, in_order: bool = False) -> FeatureProfile:
    """The profile of a column of numbers or of texts."""
    from pandas.api.types import is_numeric_dtype

    if not is_numeric_dtype(column):
        return categorical(name, column, in_order)
    return numeric(name, "numeric", column.to_numpy(dtype=float), in_order)


def categorical(name: str, column: pd.Series, in_order: bool = False) -> FeatureProfile:
    """The profile of texts."""
    # Here, and not above: a page that shows drift does not need pandas.
    import pandas as pd

    codes, names = pd.factorize(column, use_na_sentinel=True)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    total = max(int(counts.sum()), 1)
    return FeatureProfile(
        **_base(name, "categorical", codes < 0, in_order),
        shares={str(names[i]): float(counts[i] / total) for i in order},
        cells=tuple(counts[order].tolist()),
        outermost=int((counts == 1).sum()),
        distinct=len(names),
        cell_dependence=_of_cells(codes[codes >= 0], counts) if in_order and len(counts) else 1.0,
    )


def moments(ordered: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of sorted values; equal ones have no rounding error in either."""
    if ordered[0] == ordered[-1]:
        return float(ordered[0]), 0.0
    mean = float(ordered.mean())
    apart = ordered - mean
    # Not a product of vectors: BLAS would start threads, which wait for each other where the other core is busy.
    return mean, float(np.sqrt(np.einsum("i,i->", apart, apart) / len(ordered)))


def _base(name: str, kind: Kind, missing: np.ndarray, in_order: bool) -> dict[str, Any]:
    share = float(missing.mean()) if len(missing) else 0.0
    alike = dependence(missing.astype(float)) if in_order and 0 < share < 1 else 1.0
    return {
        "name": name,
        "kind": kind,
        "n": len(missing),
        "missing_share": share,
        "missing_dependence": alike,
        "in_order": in_order,
    }


def _edges(ordered: np.ndarray) -> np.ndarray:
    """Quantiles, halfway to the next larger value: a value that is met often must not lie on an edge."""
    last = np.unique(np.quantile(ordered, np.linspace(0, 1, CELLS + 1)[1:-1], method="inverted_cdf"))
    after = np.searchsorted(ordered, last, side="right")
    inner = after < len(ordered)
    return last[inner] + (ordered[after[inner]] - last[inner]) / 2


def _of_cells(cell: np.ndarray, counts: np.ndarray) -> float:
    """The largest dependence of being in one of the fullest cells."""
    fullest = np.argsort(-counts, kind="stable")[:WATCHED]
    return max(dependence((cell == i).astype(float)) for i in fullest)


def support(ordered: np.ndarray, mean: float, std: float) -> tuple[np.ndarray, np.ndarray]:
    """SUPPORT points and their probabilities with the mean and variance of sorted values, and nearly their tails.

    Far out, single values decide: towards the ends the points stand for fewer and fewer values.
    """
    m = len(ordered)
    if _few(ordered):
        new = ordered[1:] != ordered[:-1]
        starts = np.append(0, np.flatnonzero(new) + 1)
        spare = SUPPORT - len(starts)
        shares = np.diff(np.append(starts, m)) / m
        return np.pad(ordered[starts], (0, spare), mode="edge"), np.pad(shares, (0, spare))
    bounds, counts = _parts(m)
    sums = np.where(counts > 0, np.add.reduceat(ordered, bounds[:-1]), 0.0)
    points, weights = sums / np.maximum(counts, 1) - mean * (counts > 0), counts / m
    kept = float(weights @ points**2)
    # What the averages have lost of the spread is given back to them.
    wider = std / np.sqrt(kept) if kept > 0 else 1.0
    return mean + np.clip(points * wider, ordered[0] - mean, ordered[-1] - mean), weights


def _few(ordered: np.ndarray) -> bool:
    """Whether there are at most SUPPORT different values; a thinned look settles nearly all cases."""
    thin = ordered[:: max(len(ordered) // (8 * SUPPORT), 1)]
    if np.count_nonzero(thin[1:] != thin[:-1]) >= SUPPORT:
        return False
    return bool(np.count_nonzero(ordered[1:] != ordered[:-1]) < SUPPORT)


@lru_cache(maxsize=1_000)
def _parts(m: int) -> tuple[np.ndarray, np.ndarray]:
    """Bounds and sizes of the parts of m sorted values, each part smaller the nearer it is to an end."""
    bounds = np.round(m / (1 + np.exp(-np.linspace(-1, 1, SUPPORT + 1) * np.log(m)))).astype(int)
    bounds[0], bounds[-1] = 0, m
    return bounds, np.diff(bounds)
