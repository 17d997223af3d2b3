"""Pure: one feature of an evaluation and its profile -> a figure of the window's values beside the reference's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from workbench.evaluation import FeatureDrift, FeatureProfile
from workbench.plot_style import ALARM, BLUE, FAINT, INK, blank, clip, margins, styled, words
from workbench.records import ALARMING
from workbench.show.sheet import STATES

__all__ = ["feature_distribution"]
PERCENT = FuncFormatter(lambda share, _: f"{100 * share:g}%")


@styled
def feature_distribution(feature: FeatureDrift, profile: FeatureProfile, *, width: float = 540) -> Figure:
    """One feature's values in the window beside those of its reference.

    Parameters
    ----------
    feature : FeatureDrift
        Of `Evaluation.drift`; `Evaluation.previous` keeps no shares, and says so.
    profile : FeatureProfile
        The reference's, of the same feature.
    width : float
        In pixels.

    Returns
    -------
    Figure
        Numbers: shares of the reference's cells, drawn equally wide, the outer two open. Texts: a bar a category, the
        unseen ones named.
    """
    if feature.kind == "categorical" and feature.shares:
        return _categories(feature, profile, width)
    if feature.kind == "boolean" and feature.mean is not None and profile.mean is not None:
        return _bars(
            feature,
            profile,
            ["false", "true"],
            [1 - feature.mean, feature.mean],
            [1 - profile.mean, profile.mean],
            width,
        )
    if profile.cells and len(feature.bins) == len(profile.cells) and sum(feature.bins):
        return _cells(feature, profile, width)
    return words(feature.sentence or f"{feature.feature}: nothing to draw", width)


def _cells(feature: FeatureDrift, profile: FeatureProfile, width: float) -> Figure:
    figure, axes = _titled(feature, width, 300, left=58, bottom=62)
    n, edges = len(profile.cells), profile.edges
    borders = list(range(n + 1))
    total = sum(profile.cells)
    axes.stairs([c / total for c in profile.cells], borders, fill=True, color=FAINT, alpha=0.3, lw=0)
    axes.stairs(feature.bins, borders, color=_colour(feature), lw=2)
    axes.set_xlim(0, n)
    axes.set_ylim(0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(PERCENT)
    axes.grid(axis="y")
    axes.set_ylabel("share of the values")
    # An edge's figure is as wide as a few cells; the first and the last cell have no outer edge.
    every = max(1, math.ceil((n - 1) * 52 / max(width - 72, 1)))
    inner = range(every, len(edges) - max(every - 1, 1), every) if n > 3 else range(0)
    ticks = [0.5, *(i + 1 for i in inner), n - 0.5]
    axes.set_xticks(ticks, [f"≤ {_short(edges[0])}", *(_short(edges[i]) for i in inner), f"> {_short(edges[-1])}"])
    axes.set_xlabel(f"{clip(feature.feature, 40)}, in cells of the reference")
    _who(figure, feature, profile, width, left=58)
    return figure


def _categories(feature: FeatureDrift, profile: FeatureProfile, width: float) -> Figure:
    names = list(feature.shares)
    shares, was = [feature.shares[c] for c in names], [feature.reference_shares.get(c, 0.0) for c in names]
    unseen = {c for c in names if c not in profile.shares}
    labels = [f"{clip(c, 11)} ▲ unseen" if c in unseen else clip(c, 18) for c in names]
    left_out = len(profile.shares) - (len(names) - len(unseen))
    return _bars(feature, profile, labels, shares, was, width, f", {left_out} rarer ones not shown" if left_out else "")


def _bars(
    feature: FeatureDrift,
    profile: FeatureProfile,
    labels: Sequence[str],
    shares: Sequence[float],
    was: Sequence[float],
    width: float,
    more: str = "",
) -> Figure:
    figure, axes = _titled(feature, width, 110 + 24 * len(labels), left=140, bottom=50)
    rows = range(len(labels))
    axes.barh(rows, was, height=0.84, color=FAINT, alpha=0.3, lw=0)
    axes.barh(rows, shares, height=0.4, color=_colour(feature), lw=0)
    axes.set_yticks(rows, labels)
    for label in axes.get_yticklabels():
        if label.get_text().endswith("▲ unseen"):
            label.set_color(ALARM)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(PERCENT)
    axes.set_xlabel(f"share of the values{more}")
    _who(figure, feature, profile, width, left=140)
    return figure


def _titled(feature: FeatureDrift, width: float, height: float, *, left: int, bottom: int) -> tuple[Figure, Axes]:
    figure = blank(width, height)
    axes = figure.subplots()
    margins(figure, width, left=left, right=20, top=58, bottom=bottom)
    said = f"{STATES[feature.state][0]} {feature.sentence}"
    figure.text(
        8 / width,
        1 - 8 / height,
        clip(said, int(width / 6.6)),
        ha="left",
        va="top",
        color=ALARM if feature.state in ALARMING else INK,
    )
    return figure, axes


def _who(figure: Figure, feature: FeatureDrift, profile: FeatureProfile, width: float, *, left: int) -> None:
    height = figure.get_size_inches()[1] * 72
    long = width > 460
    counts = [f": {n:,} rows, {share:.1%} missing" if long else f" ({n:,})" for n, share in _sizes(feature, profile)]
    figure.legend(
        handles=[
            Patch(color=_colour(feature), lw=0, label=f"window{counts[0]}"),
            Patch(color=FAINT, alpha=0.3, lw=0, label=f"reference{counts[1]}"),
        ],
        loc="upper left",
        bbox_to_anchor=((left if width > 620 else 8) / width, 1 - 28 / height),
        ncols=2,
        borderpad=0.2,
        borderaxespad=0,
        handlelength=1.2,
        columnspacing=1.4,
    )


def _sizes(feature: FeatureDrift, profile: FeatureProfile) -> tuple[tuple[int, float], tuple[int, float]]:
    return (feature.n, feature.missing_share), (profile.n, profile.missing_share)


def _colour(feature: FeatureDrift) -> str:
    return ALARM if feature.state in ALARMING else BLUE


def _short(value: float) -> str:
    return f"{value:.4g}"
