"""How many rows are enough for a verdict on a feature, of the window and of the reference? Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from workbench.channels import Column
from workbench.drift_rules import least


class TooFew(NamedTuple):
    """Why no verdict is possible, and how many rows of the window are needed; None where more of them do not help."""

    sentence: str
    rows: int | None


def too_few(col: Column, level: float) -> TooFew | None:
    """What is missing for a verdict at a chance of false alarm; None where there are rows enough."""
    p = col.profile
    there = len(col.values) + col.infinite
    if not p.present:
        return TooFew("the reference has no value to compare with", None)
    if p.kind != "categorical" and not p.support:
        return TooFew("the reference was made by an older release; retrain to have one that can be checked", None)
    z2 = least(level)
    m = p.present / col.dependence
    if m <= z2:
        alike = f", worth {m:.0f} independent ones" if col.dependence > 1 else ""
        wanted = math.ceil(2 * z2 * col.dependence)
        return TooFew(f"insufficient: the reference has {p.present:,} values{alike}; {wanted:,} are needed", None)
    needed = math.ceil(col.dependence / (1 / z2 - 1 / m))
    if there >= needed:
        return None
    alike = f", worth {max(col.effective, 0):.0f} independent ones" if col.dependence > 1 else ""
    return TooFew(f"insufficient: {there:,} values{alike}; {needed:,} are needed", needed)
