"""Training rows cut into blocks of event time, and the rows each recipe takes.

fit | select | gate, oldest to newest: candidates are fitted on the first, compete on the second, and the winner alone
meets the champion on the third, whose rows are newer than anything either has learnt or been chosen from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.records import Event, Metadata
from workbench.sections import RetrainSettings
from workbench.training_data import MIN_ROWS, TIME, Rows


@dataclass(frozen=True)
class Blocks:
    fit: Rows
    select: Rows
    gate: Rows

    @property
    def holdout(self) -> Rows:
        """What the winner has not learnt from."""
        return Rows(pd.concat([self.select.frame, self.gate.frame]), self.gate.schema)


def cut(rows: Rows, settings: RetrainSettings, seen_until: str | None, several: bool = True) -> Blocks:
    """The blocks of a training, in event time.

    Without a champion the gate block is the newest `holdout_share` of the rows, and a select block is cut only where
    there are several candidates. With one, gate and select are the newest rows that it has neither learnt nor been
    chosen from; where these are fewer than `gate_min_rows` the gate is what there is, and will say that it cannot tell.
    A few rows of one moment stay together.

    Parameters
    ----------
    seen_until : ISO text, optional
        The event time of the newest row the champion knows, as `seen_until` gives it; None without a champion.
    several : bool
        Whether more than one candidate will compete.

    Raises
    ------
    DataError
        If nothing is left to fit.
    """
    n = len(rows)
    if seen_until is None:
        gate = max(1, round(n * settings.holdout_share))
        select = (
            min(settings.select_rows, gate) if several and len(recipes(rows.part(0, n - gate), settings)) > 1 else 0
        )
    else:
        unseen = int((rows.frame[TIME] > pd.Timestamp(seen_until)).sum())
        gate = min(settings.gate_rows, unseen)
        select = min(settings.select_rows, unseen - gate)
        if not gate:
            # Nothing is newer than the champion: judged like a first version, and kept out as "cannot tell".
            gate = max(1, round(n * settings.holdout_share))
    begin_gate = _first_of_moment(rows, n - gate, gate)
    begin_select = _first_of_moment(rows, max(begin_gate - select, 0), select) if select else begin_gate
    if begin_select < MIN_ROWS:
        raise DataError(
            f"{begin_select} of {n} rows are left to fit after {begin_gate - begin_select} to select and "
            f"{n - begin_gate} for the gate; too few"
        )
    blocks = Blocks(rows.part(0, begin_select), rows.part(begin_select, begin_gate), rows.part(begin_gate, n))
    if len(pd.unique(blocks.fit.y)) < 2:
        raise DataError(
            f"all {len(blocks.fit)} rows that are left to fit, up to {blocks.fit.block().end}, have the target "
            f"{blocks.fit.y[0]}; there is nothing to learn before the newest rows, which are held out"
        )
    return blocks


def _first_of_moment(rows: Rows, at: int, size: int) -> int:
    """The first row of the same moment as row `at`: a moment that is cut in two would be on both sides of a block.

    Where a moment has a large part of the block's rows (a batch that was asked at once), their order has to do.
    """
    times = rows.frame[TIME]
    first = int(times.searchsorted(times.iloc[at])) if at < len(times) else at
    return first if at - first <= max(1, size // 10) else at


def seen_until(version: Metadata, events: Iterable[Event] = ()) -> str:
    """The event time of the newest row a version has learnt or been chosen from; also when it was gone back to."""
    data = version.training_data
    chosen = [str(e.data.get("chosen_until") or "") for e in events if e.version == version.version_id]
    return max([block.end or "" for block in (data.fit, data.select, data.gate)] + chosen)


def recipes(fit: Rows, settings: RetrainSettings) -> dict[str, Rows]:
    """The rows each recipe would fit, without those recipes that come to the same rows as an earlier one."""
    made: dict[str, Rows] = {}
    for recipe in settings.recipes:
        rows = fit
        if recipe == "recent":
            rows = fit.since(fit.frame[TIME].iloc[-1] - pd.Timedelta(days=settings.recent_days))
        enough = len(rows) >= MIN_ROWS and len(pd.unique(rows.y)) > 1
        # Rows with weights are others than the same without.
        if enough and (recipe == "decay" or all(len(rows) != len(r) for name, r in made.items() if name != "decay")):
            made[recipe] = rows
    return made or {"everything": fit}


def weights(recipe: str, rows: Rows, settings: RetrainSettings) -> np.ndarray | None:
    """How much each row counts: for `decay` half as much with each half-life that it is older than the newest."""
    if recipe != "decay":
        return None
    times = rows.frame[TIME]
    age = (times.iloc[-1] - times) / pd.Timedelta(days=settings.half_life_days)
    return np.asarray(0.5 ** age.to_numpy(dtype=float))
