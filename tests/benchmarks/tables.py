"""What the benchmarks share: tables as Markdown, rates with their intervals, references made from a stream."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.stats import binomtest

from workbench import drift, profiles
from workbench.evaluation import DriftResult, FeatureProfile
from workbench.features import infer_schema
from workbench.sections import DriftSettings

LIMITS = DriftSettings()
RATE = 0.01
ALARMS = ("drift", "broken")


@dataclass(frozen=True)
class Table:
    """One result: a heading, what was done in a sentence, and rows of cells."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[object]]

    def __str__(self) -> str:
        """As Markdown, columns aligned; the first one to the left.

        >>> print(Table("Sums", "Small ones.", ("what", "sum"), [("1 + 1", 2)]))
        ## Sums
        <BLANKLINE>
        Small ones.
        <BLANKLINE>
        | what  | sum |
        | :---- | --: |
        | 1 + 1 |   2 |
        """
        cells = [self.head, *([str(c) for c in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.head))]
        lines = [
            "| "
            + " | ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
            + " |"
            for row in cells
        ]
        rule = "| " + " | ".join("-" * (w - 1) + ":" if i else ":" + "-" * (w - 1) for i, w in enumerate(widths)) + " |"
        return "\n".join([f"## {self.title}", "", self.note, "", lines[0], rule, *lines[1:]])


def percent(count: int, total: int) -> str:
    """A share as text; a dash where there is none.

    >>> percent(1, 8)
    '12.5 %'
    """
    return f"{count / total:.1%}".replace("%", " %") if total else "-"


def interval(count: int, total: int) -> str:
    """The exact 95 % interval of a share (Clopper and Pearson).

    >>> interval(0, 100)
    '0.00 to 3.62 %'
    """
    if not total:
        return "-"
    found = binomtest(count, total).proportion_ci(method="exact")
    return f"{100 * found.low:.2f} to {100 * found.high:.2f} %"


def reference_of(frame: pd.DataFrame, *, in_order: bool = False) -> tuple[FeatureProfile, ...]:
    """The profile that a version trained on this frame would be published with."""
    schema = infer_schema(frame.assign(target=0.0), task="regression", target="target")
    return profiles.profile(frame, schema, in_order=in_order)


def look(window: pd.DataFrame, reference: Sequence[FeatureProfile], rate: float = RATE) -> DriftResult:
    return drift.check(window, reference, limits=LIMITS, false_alarm_rate=rate)


def alarmed(result: DriftResult) -> list[str]:
    """The features in alarm."""
    return [f.feature for f in result.features if f.state in ALARMS]
