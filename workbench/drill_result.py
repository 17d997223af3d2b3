"""What came of a fire drill."""

from __future__ import annotations

import msgspec

from workbench.records import State
from workbench.shifts import SIZES, Kind
from workbench.show import Shown
from workbench.show.sheet import Sheet, Told, many, verdict
from workbench.show.sheets import sheet_of

FOUND = 0.95


class Drill(Shown, msgspec.Struct, frozen=True, kw_only=True):
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


@sheet_of.register
def _sheet(done: Drill) -> Sheet:
    fired = Told(f"✓ the alarm fired: {', '.join(done.alarms)}", "good") if done.fired else Told("✗ NO alarm", "bad")
    smallest = "none of the sizes tried" if done.smallest is None else f"{done.smallest:.3g} {done.unit}"
    return Sheet(
        f"Fire drill, {done.feature}: {done.kind} {done.size:g} {done.unit}",
        fired,
        facts=[
            ("window", f"{many(done.n, 'prediction')}; {done.feature} is {verdict(done.before)} there"),
            ("verdict", Told(f"{verdict(done.state)}: {done.sentence}")),
            (f"smallest found in {done.found:.0%} of windows", smallest),
            (
                "false alarms",
                f"{done.false_alarms} of {done.rounds} stretches of the reference "
                f"(95 %: {done.rate_low:.1%} to {done.rate_high:.1%}; asked for: {done.asked_rate:.2%} a window)",
            ),
        ],
        note="smallest size and false alarms are of the drift of the inputs alone",
    )
