"""Pure: rows of answers with their actuals -> figures of where a model is wrong."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator, PercentFormatter

from workbench.diagnostics import calibration, confusion, most_frequent, residuals, roc
from workbench.plot_style import ALARM, AMBER, BLUE, FAINT, GREEN, INK, PURPLE, SKY, blank, clip, styled, words
from workbench.scores import Sample

__all__ = ["classification", "regression"]
COLOURS = (BLUE, AMBER, GREEN, PURPLE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
CLASSES_SHOWN, CURVES_SHOWN = 8, len(COLOURS)
# More would be weight on the wire, and a blot on the page.
DOTS, STEPS = 500, 120
OUTLYING = (0.002, 0.998)
SQUARE, MARGIN = 300, 90
SIDE_BY_SIDE = 900


@styled
def classification(sample: Sample, *, width: float = 1100) -> Figure:
    """Confusion matrix, ROC curve and calibration, beside each other where there is room.

    Parameters
    ----------
    sample : rows of a classifier
    width : float
        In pixels.

    Returns
    -------
    Figure
        Of two classes the curves are of the positive one. Of more, the ROC curves are of each against the rest, the
        commonest five, and the calibration is of the class that was answered.
    """
    if not len(sample):
        return words("No answer has its actual yet: what is mistaken for what will be drawn here.", width)
    across = 3 if width >= SIDE_BY_SIDE else 1
    each = width / across
    figure = blank(width, (SQUARE + MARGIN) * 3 / across)
    cells = [_cell(figure, i, across, each) for i in range(3)]
    _confusion(cells[0], sample)
    if sample.chances is None:
        for axes, name in zip(cells[1:], ("ROC curve", "Calibration"), strict=True):
            axes.set_title(name, loc="left")
            axes.set_axis_off()
            axes.text(0, 0.5, "not all answers came\nwith probabilities", va="center")
    else:
        _roc(cells[1], sample, sample.chances)
        _calibration(figure, cells[2], sample, sample.chances)
    return figure


def _cell(figure: Figure, i: int, across: int, each: float) -> Axes:
    """Axes as good as square, with room for a title above and labels below."""
    width, height = (side * 72 for side in figure.get_size_inches())
    side = min(each - 84, SQUARE)
    left, top = (i % across) * each + 70, (i // across) * (SQUARE + MARGIN) + 34
    return figure.add_axes((left / width, 1 - (top + SQUARE) / height, side / width, SQUARE / height))


def _confusion(axes: Axes, sample: Sample) -> None:
    matrix, names = most_frequent(confusion(sample), sample.classes, CLASSES_SHOWN)
    k, digits = len(names), 0 if len(names) > 4 else 1
    of_actual = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    for i in range(k):
        for j in range(k):
            # Pale enough for the page's own text colour, in the light and in the dark.
            shade = 0.05 + 0.5 * of_actual[i, j]
            colour = BLUE if i == j else ALARM
            axes.add_patch(Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, color=colour, alpha=shade, lw=0))
            told = f"{matrix[i, j]:,}" + (f"\n{of_actual[i, j]:.{digits}%}" if k <= 5 else "")
            axes.text(j, i, told, ha="center", va="center", fontsize=12 if k <= 5 else 10)
    axes.set_xlim(-0.5, k - 0.5)
    axes.set_ylim(k - 0.5, -0.5)
    short = [clip(name, 9 if k <= 4 else 7) for name in names]
    axes.set_xticks(range(k), short, rotation=0 if k <= 5 else 45)
    axes.set_yticks(range(k), short)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("answered")
    axes.set_ylabel("actual")
    axes.set_title(f"Confusion, {len(sample):,} answers", loc="left")


def _shown(sample: Sample) -> list[int]:
    """The classes a curve is drawn of: the positive one, or the commonest."""
    if len(sample.classes) <= 2:
        return [len(sample.classes) - 1]
    counts = np.bincount(sample.y_true, minlength=len(sample.classes))
    return sorted(np.argsort(-counts, kind="stable")[:CURVES_SHOWN].tolist())


def _roc(axes: Axes, sample: Sample, chances: np.ndarray) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
    for n, i in enumerate(_shown(sample)):
        found = roc(sample.y_true == i, chances[:, i])
        if found is None:
            continue
        # Of many steps those that a pixel shows; the ends stay.
        kept = np.unique(np.linspace(0, len(found.false_positive) - 1, STEPS).round().astype(int))
        label = f"{clip(sample.classes[i], 14)}: area {found.auc:.3f}"
        x, y = found.false_positive[kept], found.true_positive[kept]
        axes.plot(x, y, color=COLOURS[n], ls=DASHES[n], lw=2, label=label)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower right", handlelength=1.8)
    else:
        axes.text(0.5, 0.3, "takes rows of two classes", ha="center")
    _unit(axes)
    axes.set_xlabel("false positives, of all negatives")
    axes.set_ylabel("found, of all positives")
    axes.set_title("ROC curve" if len(sample.classes) <= 2 else "ROC, each against the rest", loc="left")


def _calibration(figure: Figure, axes: Axes, sample: Sample, chances: np.ndarray) -> None:
    """Above what came against what was forecast, below how many rows say so."""
    if len(sample.classes) <= 2:
        name, told, happened = clip(sample.classes[-1], 14), chances[:, -1], sample.y_true == len(sample.classes) - 1
    else:
        name, told = "the class answered", chances[np.arange(len(sample)), sample.y_pred]
        happened = sample.y_true == sample.y_pred
    found = calibration(happened, told.clip(0, 1))
    box = axes.get_position()
    axes.set_position((box.x0, box.y0 + 0.24 * box.height, box.width, 0.76 * box.height))
    below = figure.add_axes((box.x0, box.y0, box.width, 0.18 * box.height), sharex=axes)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
    # Rounding may leave an end of an interval on the wrong side of the share.
    reach = np.maximum([found.share - found.low, found.high - found.share], 0)
    axes.errorbar(found.forecast, found.share, reach, color=BLUE, marker="o", ms=4, lw=1.6, elinewidth=1)
    below.bar(found.middle, found.rows, 0.09, color=BLUE, alpha=0.45)
    _unit(axes)
    axes.tick_params(labelbottom=False)
    axes.set_ylabel("came true")
    axes.set_title(f"Calibration of {name}", loc="left")
    below.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    below.set_ylabel("rows")
    below.set_xlabel("forecast (bars: 95 %)")


def _unit(axes: Axes) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(PercentFormatter(1, 0))
    axes.grid()


@styled
def regression(sample: Sample, *, width: float = 1100) -> Figure:
    """Residuals (prediction minus actual) against the prediction, and how often each is.

    Parameters
    ----------
    sample : rows of a regressor
    width : float
        In pixels.

    Returns
    -------
    Figure
        Some of the rows as dots, over them the median and where 90 of 100 lie, part by part; beside it a histogram on
        the same scale.
    """
    if not len(sample):
        return words("No answer has its actual yet: residuals will be drawn here.", width)
    found = residuals(sample)
    wide = width >= 520
    beside, top = (0.24, 36) if wide else (0.3, 54)
    figure = blank(width, 304 + top)
    plane = (64 / width, 52 / (304 + top), 1 - beside - 84 / width, 252 / (304 + top))
    axes = figure.add_axes(plane)
    side = figure.add_axes((plane[0] + plane[2] + 12 / width, plane[1], beside - 4 / width, plane[3]), sharey=axes)
    _dots(axes, found.predicted, found.residual)
    axes.axhline(0, color=INK, lw=1)
    if len(found.center):
        axes.fill_between(found.center, found.low, found.high, color=BLUE, alpha=0.15, lw=0, label="90 of 100")
        axes.plot(found.center, found.middle, color=ALARM, lw=2, ls="--", label="median")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1 + wide, borderpad=0, borderaxespad=0.3)
    axes.set_xlim(*_roomy(found.predicted))
    low, high = _roomy(found.residual)
    axes.set_ylim(min(low, 0), max(high, 0))
    axes.set_xlabel("prediction")
    axes.set_ylabel("prediction − actual")
    axes.grid(axis="y")
    _histogram(side, found.residual, axes.get_ylim())
    return figure


def _dots(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Evenly chosen rows as one path of lines with next to no length: a twentieth of what markers weigh."""
    chosen = np.unique(np.linspace(0, len(x) - 1, DOTS).round().astype(int))
    points = np.column_stack([x[chosen], y[chosen]]).repeat(2, axis=0)
    # Those of no length at all are dropped on the way to the page.
    points[1::2, 0] += 1e-4 * (float(np.ptp(x)) or 1.0)
    path = Path(points, [Path.MOVETO, Path.LINETO] * len(chosen))
    axes.add_patch(PathPatch(path, fill=False, capstyle="round", lw=4, alpha=0.35, edgecolor=BLUE))


def _roomy(values: np.ndarray) -> tuple[float, float]:
    """The limits of an axis; a lone outlier may leave the picture, it must not flatten the rest."""
    low, high = (float(v) for v in np.quantile(values, OUTLYING))
    room = 0.05 * (high - low) or abs(high) or 1.0
    return low - room, high + room


def _histogram(axes: Axes, residual: np.ndarray, limits: tuple[float, float]) -> None:
    counts, edges = np.histogram(residual, bins=24, range=limits)
    axes.stairs(counts, edges, orientation="horizontal", fill=True, color=BLUE, alpha=0.45)
    mean = float(residual.mean())
    axes.axhline(0, color=INK, lw=1)
    axes.axhline(mean, color=ALARM, lw=2, ls="--")
    axes.tick_params(labelleft=False, length=0)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_xlabel("rows")
    axes.set_title(f"mean {mean:+.3g}", fontsize=12)
