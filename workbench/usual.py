"""What a feature's values are as a rule: by the reference, or by the rows before a window. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from workbench.evaluation import FeatureProfile
from workbench.records import LARGEST

QUARTERS = (0.25, 0.5, 0.75)
SHAPE = (0.05, *QUARTERS, 0.95)
KEPT = np.linspace(0, 1, 21)


@dataclass(frozen=True)
class Usual:
    """What a feature's values are as a rule: points that stand for them, and the probabilities of these.

    `standing` is the conversion in which its values have stood lately, where that was not the right one; `lately` the
    values between those and the window, in order of arrival, where they were right: a jump may have come there.
    `behind` is how many values all this is known from.
    """

    points: np.ndarray
    weights: np.ndarray
    behind: int
    standing: str | None = None
    lately: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def quantiles(self, shares: tuple[float, ...] = QUARTERS, only: np.ndarray | None = None) -> np.ndarray:
        """Quantiles of the points, or of some of them."""
        points, weights = (self.points, self.weights) if only is None else (self.points[only], self.weights[only])
        order = np.argsort(points, kind="stable")
        points, weights = points[order], weights[order]
        return np.interp(shares, (np.cumsum(weights) - weights / 2) / weights.sum(), points)

    @property
    def width(self) -> float:
        """The interquartile range."""
        quarter, _, three = self.quantiles()
        return float(three - quarter)


def of_profile(profile: FeatureProfile) -> Usual | None:
    """What is usual by the reference; None for texts, and where the reference has no values."""
    if profile.kind != "numeric" or not profile.support or profile.low is None or profile.high is None:
        return None
    # The very ends bound what is usual, and the first edge what comes after a spike at zero, however little they weigh.
    bounds = [profile.low, profile.high, *(profile.edges[:1] if profile.low == 0 else ())]
    points, weights = [*bounds, *profile.support], [*np.zeros(len(bounds)), *profile.weights]
    return Usual(np.array(points), np.array(weights), profile.present)


def of_values(
    values: np.ndarray, standing: str | None = None, *, lately: np.ndarray | None = None, behind: int | None = None
) -> Usual | None:
    """What is usual by earlier values; None where they are too few.

    They may be the quantiles (KEPT) of many, which is for `behind` to say.
    """
    if len(values) < len(KEPT):
        return None
    weights = np.array([0.5, *[1.0] * (len(KEPT) - 2), 0.5])
    known = len(values) if behind is None else behind
    return Usual(np.quantile(values, KEPT), weights, known, standing, np.zeros(0) if lately is None else lately)


def kept(values: np.ndarray) -> tuple[float, ...]:
    """What a record keeps of values: their quantiles (KEPT), six digits each."""
    return tuple(float(f"{v:.6g}") for v in np.quantile(values.clip(-LARGEST, LARGEST), KEPT))
