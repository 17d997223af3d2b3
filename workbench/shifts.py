"""Known shifts, to put into a copy of a column: what a fire drill burns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from workbench.errors import DataError
from workbench.evaluation import FeatureProfile

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["mean", "std", "missing", "unseen", "constant", "unit"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# kind: no shift, the largest that is tried, in words
SIZES: dict[Kind, tuple[float, float, str]] = {
    "mean": (0.0, 8.0, "standard deviations of the reference"),
    "std": (1.0, 8.0, "times the spread"),
    "missing": (0.0, 1.0, "of the values lost"),
    "unseen": (0.0, 1.0, "of the values replaced by new ones"),
    "constant": (0.0, 1.0, "of the window, its newest part, stuck at one value"),
    "unit": (1.0, 1_000.0, "times the value, in the whole window"),
}


def default_kind(profile: FeatureProfile) -> Kind:
    return "unseen" if profile.kind == "categorical" else "mean"


def default_size(kind: Kind) -> float:
    return {"mean": 0.5, "std": 1.5, "unit": 1_000.0}.get(kind, 0.1)


def as_kind(text: str) -> Kind:
    """A kind by its name; DataError, which names them all, if there is none."""
    kind = next((k for k in KINDS if k == text), None)
    if kind is None:
        raise DataError(f"no kind {text!r} of shift; choose among {', '.join(KINDS)}")
    return kind


def check_request(profile: FeatureProfile, kind: Kind, size: float, n: int) -> None:
    """Raise DataError unless this shift can be put into this feature of a window of n rows."""
    as_kind(kind)
    texts = profile.kind == "categorical"
    if texts and kind in ("mean", "std", "unit"):
        raise DataError(
            f"{profile.name} holds texts: a shift of its {kind} is not possible; choose missing, unseen or constant"
        )
    if not texts and kind == "unseen":
        raise DataError(
            f"{profile.name} holds numbers, of which none is unseen; choose mean, std, missing, constant or unit"
        )
    least, most, unit = SIZES[kind]
    signed = kind == "mean" and abs(size) <= most
    if not (signed or least <= size <= most):
        raise DataError(f"a size of {size:g} is not possible: {kind} takes {least:g} to {most:g} {unit}")
    if not n:
        raise DataError("no prediction of the live version is recorded yet; there is no window to drill with")


def inject(column: pd.Series, kind: Kind, size: float, profile: FeatureProfile, rng: np.random.Generator) -> np.ndarray:
    """A copy of a column with a shift in it; which rows are hit is drawn."""
    if kind in ("mean", "std", "unit"):
        values = column.to_numpy(dtype=float)
        unit = profile.std or abs(profile.mean or 0.0) or 1.0
        if kind == "mean":
            return values + size * unit
        centre = np.nanmean(values) if kind == "std" and np.isfinite(values).any() else 0.0
        return centre + size * (values - centre)
    values = column.to_numpy(dtype=object if profile.kind == "categorical" else float).copy()
    hit = round(size * len(values))
    if kind == "constant":
        if hit:
            values[-hit:] = values[-hit]
        return values
    rows = rng.choice(len(values), hit, replace=False)
    values[rows] = np.nan if kind == "missing" else "drill: unseen"
    return values
