"""The level that a model once held: a version that went live without winning it back is not where improvement ends.

Pure. A new version is judged against its own holdout; where that is of the same bad days that called for the version, a
loss would otherwise become what is usual.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from workbench.holdout import Holdout
from workbench.records import Event
from workbench.scores import higher_is_better

# One-sided 95 %.
SURE = 1.645


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What a version scored on rows that it had not learnt, and with what standard error."""

    version: str
    metric: str
    value: float
    error: float


def own_level(version: str, holdout: Holdout | None, metric: str) -> Level | None:
    yard = holdout.yardsticks.get(metric) if holdout else None
    return Level(version=version, metric=metric, value=yard.value, error=yard.error) if yard else None


def held_before(champion: Level | None, events: Sequence[Event]) -> Level | None:
    """The level of a live version: its own, or the one that it has not won back itself."""
    if champion is None:
        return None
    switches = [e for e in events if e.kind == "promoted" and e.version == champion.version]
    told = switches[-1].data.get("level") if switches else None
    level = msgspec.convert(told, Level) if told else champion
    return level if level.metric == champion.metric else champion


def not_won_back(now: Level | None, before: Level | None, most: float) -> str | None:
    """Why a version has not won the level back, in words; None if it has, or if that cannot be told for sure.

    Parameters
    ----------
    most : float
        How much worse it may be, as a share of the level.

    Examples
    --------
    >>> was, is_ = (Level(version=v, metric="mae", value=x, error=0.2) for v, x in (("a", 8.0), ("b", 11.0)))
    >>> not_won_back(is_, was, 0.25)
    'mae is 11 on the holdout of b, a had 8: 38% worse, not won back yet'
    """
    if now is None or before is None or now.version == before.version:
        return None
    lost = (now.value - before.value) * (-1 if higher_is_better(now.metric) else 1)
    share = lost / (abs(before.value) or 1.0)
    if share <= most or lost < SURE * math.hypot(now.error, before.error):
        return None
    return (
        f"{now.metric} is {now.value:.4g} on the holdout of {now.version}, {before.version} had {before.value:.4g}: "
        f"{share:.0%} worse, not won back yet"
    )
