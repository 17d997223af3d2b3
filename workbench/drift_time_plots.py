"""Pure: drift at many checks -> figures over time: one score inside its band, and which inputs alarmed when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from workbench.evaluation import Evaluation, FeatureDrift
from workbench.moments import parse_utc
from workbench.plot_style import ALARM, BLUE, FAINT, INK, blank, clip, margins, styled, time_axis, words
from workbench.records import ALARMING, State

__all__ = ["alarms_over_time", "score_over_time"]
# What a channel's score is, on an axis.
SCORES = {
    "mean": "shift of the mean, sd of the reference",
    "std": "spread, times that of the reference",
    "distribution": "distance of the shape",
    "missing": "share of values missing",
    "range": "share of values out of range",
    "unseen": "share of values unseen",
}
LANES = 10
WOULD: dict[str, Any] = {"color": ALARM, "lw": 7, "alpha": 0.55}
DID: dict[str, Any] = {"color": INK, "lw": 2}
# Below this there is no room for long words.
NARROW = 460


@styled
def score_over_time(evaluations: Sequence[Evaluation], feature: str, channel: str, *, width: float = 540) -> Figure:
    """One score of one input at every check, inside the band that it keeps without drift.

    Parameters
    ----------
    evaluations : oldest first
    feature : str
    channel : str
        One of SCORES.
    width : float
        In pixels.

    Returns
    -------
    Figure
        A line a version's stretch within its band, dotted where an effect begins to count, a mark where it alarmed.
    """
    points = [(e, f) for e in evaluations if e.last_event_time for f in e.drift.features if f.feature == feature]
    points = [(e, f) for e, f in points if channel in f.channels]
    # Under two pixels apart nobody sees them; the newest one stays.
    points = points[:: -max(1, math.ceil(2 * len(points) / width))][::-1] if points else []
    if not points:
        return words(f"{feature}: no check has measured its {SCORES[channel]}", width)
    figure = blank(width, 300)
    axes = figure.subplots()
    margins(figure, width, left=62, right=16, top=58 if width > NARROW else 76, bottom=48)
    for _, run in groupby(points, key=lambda point: point[0].version):
        _stretch(axes, list(run), channel)
    alarmed = [(_when(e), f.channels[channel].value) for e, f in points if f.state in ALARMING]
    if alarmed:
        axes.plot(*zip(*alarmed, strict=True), "^", color=ALARM, ms=7, lw=0)
    axes.set_ylabel(clip(SCORES[channel], 40))
    axes.grid(axis="y")
    axes.margins(x=0.02)
    handles: list[Any] = [
        Patch(color=FAINT, alpha=0.22, lw=0, label="left by chance"),
        Line2D([], [], color=ALARM, lw=1.2, ls=":", label="enough to count"),
        *([Line2D([], [], color=ALARM, marker="^", lw=0, ms=7, label="input in alarm")] if alarmed else []),
    ]
    _legend(figure, handles, width, left=62, down=28)
    figure.text(8 / width, 1 - 8 / 300, clip(f"{feature}, check by check", int(width / 7)), ha="left", va="top")
    time_axis(axes, [_when(e) for e, _ in points], _moment(width))
    return figure


def _stretch(axes: Axes, run: list[tuple[Evaluation, FeatureDrift]], channel: str) -> None:
    """One version's checks in a row; each version has a reference, and so a band, of its own."""
    times: Any = [_when(e) for e, _ in run]
    scores = [f.channels[channel] for _, f in run]
    alone: dict[str, Any] = {"marker": "o", "ms": 6}
    if len(run) == 1:
        # A band of one moment has no width to be seen.
        axes.errorbar(
            times,
            [(scores[0].low + scores[0].high) / 2],
            yerr=(scores[0].high - scores[0].low) / 2,
            color=FAINT,
            lw=9,
            alpha=0.3,
        )
    axes.fill_between(times, [s.low for s in scores], [s.high for s in scores], color=FAINT, alpha=0.22, lw=0)
    for bound in _counts(channel, run[-1][1]):
        dash: dict[str, Any] = {"marker": "_", "ms": 16} if len(run) == 1 else {}
        axes.plot(times, [bound] * len(run), color=ALARM, lw=1.2, ls=":", **dash)
    axes.plot(times, [s.value for s in scores], color=BLUE, lw=1.8, **(alone if len(run) < 40 else {}))


def _counts(channel: str, feature: FeatureDrift) -> list[float]:
    """Where the effect begins to count, on the axis of the score."""
    limit = feature.channels[channel].limit
    if channel == "mean":
        return [-limit, limit]
    if channel == "std":
        return [1 / limit, limit]
    if channel == "missing":
        was = feature.reference_missing_share
        return [bound for bound in (was - limit, was + limit) if 0 <= bound <= 1]
    return [limit]


@styled
def alarms_over_time(
    checks: Sequence[Evaluation], features: Sequence[str], states: Sequence[Sequence[State]], *, width: float = 540
) -> Figure:
    """When which input would alarm, beside when it did.

    Parameters
    ----------
    checks : oldest first
    features : str
        Names of the columns of `states`; those without an alarm, then or now, are left out.
    states : a row a check, a state a feature
        What would be said.
    width : float
        In pixels.

    Returns
    -------
    Figure
        A lane an input: a thick line with a mark where it would alarm, a thin one below where it did.
    """
    timed = [i for i, e in enumerate(checks) if e.last_event_time]
    did = {i: {f.feature for f in checks[i].drift.features if f.state in ALARMING} for i in timed}
    would = {i: {n for n, s in zip(features, states[i], strict=True) if s in ALARMING} for i in timed}
    often = {n: (sum(n in would[i] for i in timed), sum(n in did[i] for i in timed)) for n in features}
    shown = sorted((n for n in features if any(often[n])), key=lambda n: often[n], reverse=True)[:LANES]
    if not shown:
        return words("No alarm at any of these checks" if timed else "No check has seen a prediction yet", width)
    figure = blank(width, 92 + 30 * len(shown))
    axes = figure.subplots()
    left = 126 if width > 420 else 96
    margins(figure, width, left=left, right=18, top=34, bottom=48)
    times = {i: _when(checks[i]) for i in timed}
    for y, name in enumerate(shown):
        axes.axhline(y, color=FAINT, lw=0.6, alpha=0.35)
        for at, alarmed, lane, mark in ((y, would, WOULD, "^"), (y + 0.3, did, DID, "|")):
            runs = _runs(timed, alarmed, name)
            starts = [times[start] for start, _ in runs]
            axes.hlines([at] * len(runs), starts, [times[end] for _, end in runs], **lane)
            colour, size = lane["color"], 9 if mark == "^" else 6
            axes.plot(starts, [at] * len(runs), mark, color=colour, ms=size, lw=0, clip_on=False, zorder=3)
    axes.set_yticks(range(len(shown)), [clip(n, 16 if width > 420 else 12) for n in shown])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.margins(x=0.03)
    handles = [
        Line2D([], [], color=ALARM, marker="^", ms=8, lw=6, label="would alarm"),
        Line2D([], [], color=INK, marker="|", ms=6, lw=2, label="did alarm"),
    ]
    _legend(figure, handles, width, left=left, down=6)
    time_axis(axes, list(times.values()), _moment(width))
    return figure


def _runs(order: Sequence[int], alarmed: dict[int, set[str]], name: str) -> list[tuple[int, int]]:
    """First and last check of each run of checks that alarm."""
    found = []
    for inside, run in groupby(order, key=lambda i: name in alarmed[i]):
        checks = list(run)
        if inside:
            found.append((checks[0], checks[-1]))
    return found


def _when(evaluation: Evaluation) -> Any:
    return parse_utc(evaluation.last_event_time or "")


def _moment(width: float) -> str:
    return "newest row of the window (event time)" if width > NARROW else "event time"


def _legend(figure: Figure, handles: list[Any], width: float, *, left: int, down: int) -> None:
    height = figure.get_size_inches()[1] * 72
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=((left if width > NARROW else 8) / width, 1 - down / height),
        ncols=3 if width > NARROW else 2,
        borderpad=0.2,
        borderaxespad=0,
        handlelength=1.4,
        handletextpad=0.5,
        columnspacing=1.2,
    )
