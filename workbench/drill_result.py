"""What came of a fire drill, as one record."""

from __future__ import annotations

import msgspec

from workbench.records import State
from workbench.shifts import SIZES, Kind

FOUND = 0.95


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a drill. `smallest` is None where even the largest size tried is not found.

    `alarms` are the sentences of the parts of the check that the shift set off, by name: data, drift, model.
    """

    feature: str
    kind: Kind
    size: float
    n: int
    fired: bool
    state: State
    before: State
    sentence: str
    alarms: dict[str, str] = {}
    smallest: float | None
    windows: int
    false_alarms: int
    rounds: int
    rate_low: float
    rate_high: float
    asked_rate: float

    @property
    def unit(self) -> str:
        return SIZES[self.kind][2]

    @property
    def found(self) -> float:
        """The share of windows in which the smallest shift is found."""
        return FOUND
