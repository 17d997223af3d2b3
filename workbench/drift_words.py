"""What a channel's figures say, in a sentence a person can act on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from workbench.channels import Column
from workbench.evaluation import Channel, FeatureDrift

FEATURES_TOLD = 5


def words(channel: str, col: Column, c: Channel) -> str:
    p, noise = col.profile, f"{min(c.noise, 9999):.{0 if c.noise >= 9.5 else 1}f}x noise"
    if channel == "mean":
        return f"mean {_apart(col.mean, p.mean)} ({c.value:+.2g} sd, {noise})"
    if channel == "std":
        return f"standard deviation {_apart(col.std, p.std)} (x{c.value:.2g}, {noise})"
    if channel == "missing":
        return f"{c.value:.1%} missing, was {p.missing_share:.1%} ({noise})"
    if channel == "unseen":
        named = [v for v, _ in Counter(col.unseen.tolist()).most_common(3)]
        shown = ": " + ", ".join(repr(str(v)[:40]) for v in named) if named else ""
        return f"{c.value:.1%} of the values are unseen{shown} ({noise})"
    if channel == "range":
        return f"{c.value:.1%} of the values lie outside {p.low:.4g} to {p.high:.4g} ({noise})"
    return f"{_most_moved(col)} (distance {c.value:.2g}, {noise})"


def _apart(now: float | None, was: float | None) -> str:
    """Two figures with as many digits as it takes to tell them apart."""
    texts = [tuple(f"{float(f'{v:.{digits}g}'):.7g}" for v in (now, was)) for digits in (3, 4, 5, 7)]
    one, other = next((pair for pair in texts if pair[0] != pair[1]), texts[-1])
    return f"{one}, was {other}"


def _most_moved(col: Column) -> str:
    """The cell whose share changed most, in words."""
    p = col.profile
    now, was = col.cells / max(col.cells.sum(), 1), col.reference_cells / max(col.reference_cells.sum(), 1)
    i = int(np.argmax(np.abs(now - was)))
    if p.kind == "categorical":
        rare = i == len(col.cells) - 1
        what = f"{'rare values have' if rare else f'{list(p.shares)[i][:40]!r} has'} {now[i]:.1%} of the values"
    elif i == 0 or i == len(p.edges):
        what = f"{now[i]:.1%} of the values {'up to' if i == 0 else 'above'} {p.edges[min(i, len(p.edges) - 1)]:.4g}"
    else:
        what = f"{now[i]:.1%} of the values from {p.edges[i - 1]:.4g} to {p.edges[i]:.4g}"
    return f"{what}, was {was[i]:.1%}"


def listed(features: Sequence[FeatureDrift]) -> str:
    more = len(features) - FEATURES_TOLD
    return "; ".join(f.sentence for f in features[:FEATURES_TOLD]) + (f"; and {more} more" if more > 0 else "")


def insufficient(features: Sequence[FeatureDrift], n: int) -> str:
    if not n or not features:
        return "insufficient: no predictions of this version"
    return listed(features)


def names(features: Sequence[FeatureDrift]) -> str:
    shown = ", ".join(f.feature for f in features[:FEATURES_TOLD])
    return shown + (f" and {len(features) - FEATURES_TOLD} more" if len(features) > FEATURES_TOLD else "")


def count(n: int) -> str:
    return f"{n} feature{'' if n == 1 else 's'}"
