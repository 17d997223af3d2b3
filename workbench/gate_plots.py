"""Pure: the gate's verdicts -> a figure: how much better each challenger was than the live version, and how surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.plot_style import ALARM, AMBER, FAINT, GREEN, INK, blank, margins, short_id, styled, words
from workbench.records import Comparison, GateVerdict

# verdict: shape, colour; the word stands beside it
MARKS: dict[Comparison, tuple[str, str]] = {
    "better": ("o", GREEN),
    "not worse": ("s", AMBER),
    "cannot tell": ("D", AMBER),
    "worse": ("X", ALARM),
}
# Pixels under which names and verdicts leave no room for what they name.
NARROW = 520


@styled
def gate_intervals(verdicts: Sequence[tuple[str, GateVerdict]], *, margin: float = 0.0, width: float = 760) -> Figure:
    """A line a challenger: its advantage over the version it met, with the 95 % interval, against zero and the margin.

    Parameters
    ----------
    verdicts : (version, what the gate said), newest first
        Those without an interval, or of another metric than the newest that has one, are left out.
    margin : float
        What has to be won at least, in units of the metric.
    width : float
        In pixels.
    """
    told = comparable(verdicts)
    if not told:
        why = verdicts[0][1].sentence if verdicts else "no version has met another at the gate yet"
        return words(f"No interval to draw: {why}", width)
    narrow = width < NARROW
    figure = blank(width, 76 + (48 if narrow else 34) * len(told))
    axes = figure.subplots()
    left, right = (14, 14) if narrow else (128, 96)
    margins(figure, width, left=left, right=right, top=22, bottom=48)
    for at, style in [(0.0, "-"), *([(margin, ":")] if margin > 0 else [])]:
        if narrow:
            # Between the lines of text, which it would strike out.
            above, below = [[place + end for place in range(len(told))] for end in (-0.18, 0.42)]
            axes.vlines([at] * len(told), above, below, colors=INK, ls=style)
        else:
            axes.axvline(at, color=INK, lw=1.3, ls=style)
    for place, (_, verdict) in enumerate(told):
        _line(axes, place, verdict, newest=place == 0)
    axes.set_ylim(len(told) - 0.5, -0.5)
    _name_rows(axes, told, narrow=narrow)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.margins(x=0.06)
    metric = told[0][1].metric
    axes.set_xlabel(f"{metric} better than the live version's by")
    _name_lines(axes, margin)
    return figure


def comparable(verdicts: Sequence[tuple[str, GateVerdict]]) -> list[tuple[str, GateVerdict]]:
    """Those that have an interval, of the metric of the newest of them."""
    told = [(version, v) for version, v in verdicts if None not in (v.advantage, v.low, v.high)]
    return [(version, v) for version, v in told if v.metric == told[0][1].metric]


def _line(axes: Axes, place: int, verdict: GateVerdict, *, newest: bool) -> None:
    shape, colour = MARKS.get(verdict.verdict, ("o", INK))
    pale: dict[str, Any] = {} if newest else {"alpha": 0.55}
    low, value, high = (math.nan if v is None else v for v in (verdict.low, verdict.advantage, verdict.high))
    axes.plot([low, high], [place, place], color=colour, lw=4 if newest else 2.5, **pale)
    axes.plot([value], [place], shape, color=colour, ms=10, mec=INK, mew=0.8, **pale)


def _name_rows(axes: Axes, told: Sequence[tuple[str, GateVerdict]], *, narrow: bool) -> None:
    """The version at the left and the verdict at the right of its line; where there is no room, both above it."""
    names = [short_id(version) for version, _ in told]
    words_ = [v.verdict if v.passed or not v.limits else "limited" for _, v in told]
    axes.set_yticks(range(len(told)), [""] * len(told) if narrow else names)
    for place, (name, word) in enumerate(zip(names, words_, strict=True)):
        how: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        how["fontweight"] = "bold" if place == 0 else "normal"
        if narrow:
            axes.annotate(f"{name}: {word}", (0, place), xytext=(0, 9), va="bottom", **how)
        else:
            axes.annotate(word, (1, place), xytext=(8, 0), va="center", **how)


def _name_lines(axes: Axes, margin: float) -> None:
    above: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "bottom"}
    axes.annotate("as good", (0, 1), xytext=(0, 4), ha="right" if margin > 0 else "center", color=FAINT, **above)
    if margin > 0:
        axes.annotate("asked for", (margin, 1), xytext=(3, 4), ha="left", color=FAINT, **above)
