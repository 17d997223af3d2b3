"""The windows that stored checks would have looked at, had they been longer or shorter: measured anew.

Pure; from the predictions on record. What a check knew of the rows before its window is left out: of a change of unit
that these alone tell, nothing is said here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.evaluation import DriftResult, Evaluation, FeatureProfile
from workbench.records import Asked, Prediction, Promotion, Schema
from workbench.rows import window_columns
from workbench.sections import DriftSettings


@dataclass(frozen=True)
class Rows:
    """What one version was asked, as an array a feature; `place` is where each row stands among those of all versions.

    `strange` are, by feature, the rows whose values do not belong there.
    """

    place: np.ndarray
    recorded_at: np.ndarray
    columns: dict[str, np.ndarray]
    strange: dict[str, np.ndarray]

    def between(self, start: int, end: int) -> tuple[dict[str, np.ndarray], dict[str, int]]:
        """The columns of some rows, and how many of their values do not belong there."""
        counts = {name: int(((at >= start) & (at < end)).sum()) for name, at in self.strange.items()}
        return {name: values[start:end] for name, values in self.columns.items()}, counts


def rows_of(recorded: Sequence[Asked | Prediction], version: str, schema: Schema) -> Rows:
    """The rows that a version was asked."""
    own = [(i, p) for i, p in enumerate(recorded) if p.version == version]
    columns, strange = window_columns([p.inputs for _, p in own], schema)
    return Rows(
        place=np.array([i for i, _ in own], dtype=int),
        recorded_at=np.array([p.recorded_at for _, p in own], dtype=str),
        columns=columns,
        strange={name: np.array(at) for name, at in strange.items()},
    )


@dataclass(frozen=True)
class Recorded:
    """Predictions on record, oldest first, and what the versions that answered them are measured by.

    `whole` says that they are all there ever were: then the first windows are as short as they were.
    """

    place: Mapping[str, int]
    rows: Mapping[str, Rows]
    profiles: Mapping[str, Sequence[FeatureProfile]]
    switches: Sequence[Promotion]
    whole: bool

    def window(self, check: Evaluation, size: int) -> tuple[dict[str, np.ndarray], dict[str, int]] | None:
        """The last `size` predictions as they were at a check, those of its version; None if they are not on record."""
        end, rows = self.place.get(check.last_id or "", -1) + 1, self.rows.get(check.version)
        if rows is None or not end or (end < size and not self.whole):
            return None
        since = max(
            (
                s.activated_at
                for s in self.switches
                if s.version_id == check.version and s.activated_at <= check.recorded_at
            ),
            default="",
        )
        first = max(np.searchsorted(rows.place, end - size), np.searchsorted(rows.recorded_at, since))
        return rows.between(int(first), int(np.searchsorted(rows.place, end)))

    def measure(
        self, check: Evaluation, size: int, *, limits: DriftSettings, false_alarm_rate: float
    ) -> DriftResult | None:
        """The drift that a check would have found in its last `size` predictions; None if they are not on record."""
        # Here, and not above: whoever only looks at values needs no scipy.
        from workbench import drift

        found = self.window(check, size)
        if found is None:
            return None
        columns, strange = found
        return drift.check(
            columns,
            self.profiles[check.version],
            limits=limits,
            false_alarm_rate=false_alarm_rate,
            accepted={f.feature: f.accepted for f in check.drift.features if f.accepted is not None},
            misfits=strange,
        )


def evenly(checks: Sequence[Evaluation], most: int) -> list[Evaluation]:
    """At most so many of some checks, evenly spread; the newest is one of them."""
    if len(checks) <= most:
        return list(checks)
    return [checks[i] for i in np.linspace(0, len(checks) - 1, most).round().astype(int)]
