"""What a version says to recorded inputs, and two versions side by side: the records, and the table of a what-if.

Of two answers to the same rows the first is what is there already (what was answered, or version A), the second is the
one that is asked about (the what-if, or version B); a difference is second minus first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from workbench.comparison_result import Tenure
from workbench.records import Label, Metadata, Value
from workbench.show import Shown

if TYPE_CHECKING:
    import pandas as pd

Better = Literal["better", "worse", "the same", "cannot tell"]


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far two answers to the same rows are alike.

    `same` is the share of rows with equal classes; of numbers, of those no further apart than `tolerance`. Of classes,
    `confusion[i][j]` rows are class i by the first and class j by the second. Of numbers, `correlation` is Pearson's,
    None where one of the two is always the same.
    """

    n: int
    same: float
    sentence: str
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    tolerance: float | None = None
    mean_difference: float | None = None
    p95_difference: float | None = None
    correlation: float | None = None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of both on the same rows; `low` and `high` are the ends of the difference's paired 95 % interval.

    `verdict` is of the second; None where there is none: of a metric that has no better end, or of rows that were seen.
    """

    metric: str
    first: float | None
    second: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Better | None = None


class Paired(msgspec.Struct, frozen=True, kw_only=True):
    """All metrics of both on the same `n` rows whose actuals are known, the deciding one first.

    `seen`: none of the labelled rows is newer than what the two have learnt or been chosen from, so that the figures
    are of rows seen in training, flatter who has seen them, and bring no verdict.
    """

    n: int
    seen: bool
    start: str
    end: str
    metrics: tuple[Measured, ...]
    sentence: str

    def metric(self, name: str) -> Measured:
        """One of the metrics; KeyError if it is not among them."""
        found = next((m for m in self.metrics if m.metric == name), None)
        if found is None:
            raise KeyError(name)
        return found


class ChangedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that would have been answered otherwise.

    `change` is the absolute difference of numbers; of classes how far the probabilities moved, from 0 to 1 (half the
    sum of their absolute differences; 1 for another class where there are none). `seen`: the version asked has learnt
    it or been chosen by it.
    """

    prediction_id: str
    event_time: str
    version: str
    recorded: Label
    whatif: Label
    change: float
    seen: bool
    actual: Label | None = None
    inputs: dict[str, Value]


class WhatIf(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A version asked about the last `n` recorded inputs, from `start` to `end` of event time.

    `answered_by` counts the rows by the version that answered them. Of the `labelled` rows, `seen` are not newer than
    what the version asked, or the one that answered, has learnt or been chosen from; `paired` is of the others, or of
    all and marked where there are no others; None without labelled rows. In `paired` the first is what was recorded.
    `row_ms` is the shortest time of a single row as the service asks it, `batch_row_ms` of one of many at once.
    """

    version: str
    n: int
    start: str
    end: str
    answered_by: dict[str, int]
    agreement: Agreement
    changed: tuple[ChangedRow, ...]
    labelled: int
    seen: int
    paired: Paired | None
    row_ms: float
    batch_row_ms: float
    sentence: str

    def to_frame(self) -> pd.DataFrame:
        """The rows that change most, one column a field; inputs are `inputs.<name>`.

        Returns
        -------
        DataFrame, shape (n_changed, 8 + n_inputs)
        """
        import pandas as pd

        fields = [name for name in ChangedRow.__struct_fields__ if name != "inputs"]
        names = list(dict.fromkeys(name for row in self.changed for name in row.inputs))
        rows = [
            [*(getattr(row, field) for field in fields), *(row.inputs.get(name) for name in names)]
            for row in self.changed
        ]
        frame = pd.DataFrame(rows, columns=[*fields, *(f"inputs.{name}" for name in names)])
        frame["event_time"] = pd.to_datetime(frame["event_time"], utc=True, format="ISO8601")
        return frame


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the metadata in which two versions differ; None where one has no such field."""

    field: str
    a: Any
    b: Any


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a comparison: its metadata, and the traffic it served."""

    metadata: Metadata
    traffic: Tenure


class SameInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Both versions asked about the same last `n` recorded inputs; A is the first, B the second.

    As in a `WhatIf`; `row_ms` and `batch_row_ms` are of A and of B.
    """

    n: int
    start: str
    end: str
    agreement: Agreement
    labelled: int
    seen: int
    paired: Paired | None
    row_ms: tuple[float, float]
    batch_row_ms: tuple[float, float]


class SideBySide(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Two versions: what they are, what they served, and what both say to the same inputs.

    `differences` are the fields of the metadata that differ; the metrics when made are in the metadata, each on rows of
    its own. `same_inputs` is None where the two cannot be asked about them; `sentence` says why.
    """

    as_of: str
    metric: str
    a: Side
    b: Side
    differences: tuple[Differs, ...]
    same_inputs: SameInputs | None
    sentence: str

    def to_frame(self) -> pd.DataFrame:
        """The fields of the metadata that differ."""
        import pandas as pd

        return pd.DataFrame([(d.field, d.a, d.b) for d in self.differences], columns=("field", "a", "b"))
