"""Pure: an evaluation -> a figure of how far each input is from its reference.

Like its neighbour `plots`, this room draws what stands in the records. Every score is a multiple of the band that it
keeps without drift, so that different scores share an axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from workbench.evaluation import Channel, Evaluation, FeatureDrift
from workbench.plot_style import ALARM, AMBER, BLUE, FAINT, INK, blank, clip, margins, styled, words
from workbench.records import ALARMING, State
from workbench.show.sheet import STATES

__all__ = ["drift_by_feature"]
SHOWN_FEATURES = 40
FARTHEST = 100.0
TICKS = (0, 1, 3, 10, 30, 100)
# Below this a row's words stand above its marks, not beside them.
NARROW = 500
MARKERS: dict[State, dict[str, Any]] = {
    "drift": {"marker": "^", "ms": 9, "mfc": ALARM, "mec": ALARM},
    "broken": {"marker": "X", "ms": 9, "mfc": ALARM, "mec": ALARM},
    "possible": {"marker": "^", "ms": 8, "mfc": "none", "mec": AMBER, "mew": 2},
    "insufficient": {"marker": "o", "ms": 4, "mfc": FAINT, "mec": FAINT},
    "ok": {"marker": "o", "ms": 7, "mfc": BLUE, "mec": BLUE},
}
PREVIOUS: dict[str, Any] = {"marker": "o", "ms": 9, "mfc": "none", "mec": INK, "mew": 1.2, "lw": 0}
COUNTS: dict[str, Any] = {"marker": "|", "ms": 13, "mec": INK, "mew": 1.4, "lw": 0}
SIGNS = {
    "type": "wrong type",
    "burst": "lost in a row",
    "constant": "stands still",
    "unit": "another unit",
}


class _Score(msgspec.Struct, frozen=True):
    """One channel on the common axis; `counts` is where its effect begins to be large enough."""

    name: str
    channel: Channel
    distance: float
    counts: float


@styled
def drift_by_feature(evaluation: Evaluation | None, *, width: float = 540) -> Figure:
    """How far each input is from the training reference, and from the window before; in the order of the record.

    Parameters
    ----------
    evaluation : Evaluation or None
    width : float
        In pixels.

    Returns
    -------
    Figure
        A row a feature: the score that decided, or the one nearest to drift, as a multiple of its no-drift band (1 is
        the band's edge). Drift is beyond the band *and* beyond the tick, where an effect begins to count.
    """
    if evaluation is None or not evaluation.drift.features:
        return words(evaluation.drift.sentence if evaluation else "No check of the live version's inputs yet.", width)
    shown = evaluation.drift.features[:SHOWN_FEATURES]
    before = {f.feature: f for f in evaluation.previous.features}
    told = [_decisive(f) for f in shown]
    earlier = [_same(score, before.get(f.feature)) for f, score in zip(shown, told, strict=True)]
    narrow = width < NARROW
    handles = _handles(told, earlier)
    columns = 4 if width > 800 else 2
    top, row = 12 + 19 * math.ceil(len(handles) / columns), 40 if narrow else 27
    figure = blank(width, top + row * len(shown) + 48)
    axes = figure.subplots()
    left, right = (12, 16) if narrow else (126, 186)
    margins(figure, width, left=left, right=right, top=top, bottom=48)
    _common_axis(axes, [s for s in (*told, *earlier) if s is not None], len(shown))
    left_out = len(evaluation.drift.features) - len(shown)
    axes.set_xlabel("distance (1: edge of what chance leaves)" + (f", {left_out} more not shown" if left_out else ""))
    for y, (feature, score, was) in enumerate(zip(shown, told, earlier, strict=True)):
        _marks(axes, y, feature, score, was)
        _beside(axes, y, feature, score, narrow=narrow)
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left / width, 1.0),
        ncols=columns,
        borderpad=0.2,
        borderaxespad=0.3,
        handlelength=1.4,
        handletextpad=0.5,
        columnspacing=1.4,
    )
    return figure


def _handles(told: Sequence[_Score | None], earlier: Sequence[_Score | None]) -> list[Any]:
    found: list[Any] = [
        Patch(color=FAINT, alpha=0.22, lw=0, label="left by chance"),
        Line2D([], [], lw=0, **MARKERS["ok"], label="from training data"),
    ]
    if any(earlier):
        found.append(Line2D([], [], **PREVIOUS, label="from window before"))
    if any(s and s.counts > 1 for s in told):
        found.append(Line2D([], [], **COUNTS, label="enough to count"))
    return found


def _common_axis(axes: Axes, scores: Sequence[_Score], rows: int) -> None:
    """Even up to the edge of the band, by factors beyond."""
    axes.set_xscale("symlog", linthresh=1, linscale=1)
    farthest = max((min(max(s.distance, s.counts), FARTHEST) for s in scores), default=1.0)
    end = next((t for t in TICKS[2:] if t >= farthest), FARTHEST)
    axes.set_xlim(0, end)
    beyond = any(s.distance > FARTHEST for s in scores)
    ticks = [t for t in TICKS if t <= end]
    axes.set_xticks(ticks, [f"{t}+" if beyond and t == FARTHEST else f"{t}" for t in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks([])
    axes.axvspan(0, 1, color=FAINT, alpha=0.22, lw=0)
    for y in range(rows):
        axes.axhline(y, color=FAINT, lw=0.6, alpha=0.35)


def _marks(axes: Axes, y: int, feature: FeatureDrift, score: _Score | None, was: _Score | None) -> None:
    if score is None:
        return
    at, style = min(score.distance, FARTHEST), MARKERS[feature.state]
    if 1 < score.counts <= FARTHEST:
        axes.plot([score.counts], [y], **COUNTS, clip_on=False)
    axes.plot([0, at], [y, y], color=style["mec"], lw=2, solid_capstyle="butt", clip_on=False)
    axes.plot([at], [y], lw=0, **style, clip_on=False, zorder=3)
    if was is not None:
        axes.plot([min(was.distance, FARTHEST)], [y], **PREVIOUS, clip_on=False, zorder=4)


def _beside(axes: Axes, y: int, feature: FeatureDrift, score: _Score | None, *, narrow: bool) -> None:
    """The feature's name and verdict, on both sides of its marks or above them."""
    glyph, word = STATES[feature.state]
    if feature.state == "ok" and feature.accepted is not None:
        word = "accepted"
    what = SIGNS.get(feature.channel or "") or (_score_text(score) if score else "")
    said = f"{glyph} {word}" if feature.state == "insufficient" or not what else f"{glyph} {word}: {what}"
    how: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    how |= {"va": "bottom" if narrow else "center"}
    up = 5 if narrow else 0
    alarming = feature.state in ALARMING
    colour, weight = (ALARM, "bold") if alarming else (INK, "normal")
    axes.annotate(
        clip(feature.feature, 16), (0, y), (0 if narrow else -10, up), ha="left" if narrow else "right", **how
    )
    axes.annotate(
        said, (1, y), (0 if narrow else 12, up), ha="right" if narrow else "left", color=colour, weight=weight, **how
    )


def _score_text(score: _Score) -> str:
    value = score.channel.value
    digits = 2 if abs(value) < 99 else 4
    return {
        "mean": f"mean {value:+.{digits}g} sd",
        "std": f"spread ×{value:.{digits}g}",
        "missing": f"{value:.1%} missing",
        "range": f"{value:.1%} outside",
        "unseen": f"{value:.1%} unseen",
    }.get(score.name, f"shape {value:.2g}")


def _decisive(feature: FeatureDrift) -> _Score | None:
    """The channel that decided; where none did, the one that is nearest to drift."""
    scores = [_score(name, channel, feature) for name, channel in feature.channels.items()]
    decided = next((s for s in scores if s.name == feature.channel), None)
    return decided or max(scores, key=lambda s: s.distance / max(s.counts, 1.0), default=None)


def _same(score: _Score | None, previous: FeatureDrift | None) -> _Score | None:
    """The same channel of another comparison."""
    if score is None or previous is None or score.name not in previous.channels:
        return None
    return _score(score.name, previous.channels[score.name], previous)


def _score(name: str, channel: Channel, feature: FeatureDrift) -> _Score:
    value, low, high, limit = channel.value, channel.low, channel.high, channel.limit
    if name == "std":
        value, low, high, limit = _log(value), _log(low), _log(high), _log(limit)
    if name == "missing":
        none = feature.reference_missing_share
        value, low, high = value - none, low - none, high - none
    edge = high if value >= 0 else -low
    return _Score(name, channel, _times(abs(value), edge), _times(limit, edge))


def _log(ratio: float) -> float:
    return math.log(ratio) if ratio > 0 else -math.inf


def _times(value: float, edge: float) -> float:
    """How many edges; 1 where both are infinite."""
    if not value or value == edge:
        return 1.0 if value else 0.0
    return value / edge if edge > 0 else math.inf
