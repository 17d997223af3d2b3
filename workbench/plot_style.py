"""How a figure looks on a page, and a figure as SVG that follows the page's theme.

One unit of a figure's size is one pixel of a page, so that text keeps its size on a narrow screen.
"""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

P = ParamSpec("P")
# Stand-ins that no palette uses; `svg` turns them into the page's own colours.
INK, FAINT = "#010203", "#010204"
# Okabe and Ito's palette, told apart with every common colour blindness; orange-red is kept for alarms.
BLUE, GREEN, PURPLE, SKY, AMBER, ALARM = "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#d55e00"
STYLE = {
    "font.size": 12,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    # A dollar in a feature's name is a dollar.
    "text.parse_math": False,
}
TIMED_ID = re.compile(r"(\d{8}T\d{6})\d{6}Z")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def svg(figure: Figure, label: str) -> str:
    """A figure as SVG text for a page: transparent, repeatable byte for byte, in the page's font and text colour.

    Parameters
    ----------
    label : str
        What a screen reader says in place of the picture: a sentence.
    """
    out = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": label}), warnings.catch_warnings():
        # The browser draws the text, so a sign that matplotlib's font lacks is no loss.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor").replace(FAINT, "var(--jp-ui-font-color2, gray)")
    # The figure's own style sheet would reach the whole page; what it says stands in the head below.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]+", "font-family: var(--jp-ui-font-family, sans-serif)", text)
    text = re.sub(r"font: ([\w. ]*?[\d.]+px) [^;\"]+", r"font: \1 var(--jp-ui-font-family, sans-serif)", text)
    text = _light(text)
    width, height = figure.get_size_inches() * 72
    head = (
        f'<svg role="img" aria-label="{html.escape(label)}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" style="max-width:100%;height:auto;display:block;stroke-linejoin:round" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return head + text[text.index(">") + 1 :]


def _light(text: str) -> str:
    """What no eye misses taken out, for the wire: names of groups, line breaks, digits below a hundredth of a pixel."""
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = re.sub(r">\s*\n\s*<", "><", text)
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
    return re.sub(r' (?:d|x|y|transform)="[^"]*"', _rounded, text)


def _rounded(attribute: re.Match[str]) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", re.sub(r"\s*\n", " ", attribute[0]))


def short_id(version_id: str) -> str:
    """A version's id where space is short: one made of a time without its microseconds.

    >>> short_id("20261122T001500123456Z"), short_id("with-weather")
    ('20261122T001500', 'with-weather')
    """
    timed = TIMED_ID.fullmatch(version_id)
    return timed[1] if timed else clip(version_id, 22)


def clip(text: str, most: int) -> str:
    """One line of at most `most` characters, all of which can stand in a page.

    >>> clip("a_very_long\\nfeature_name", 12)
    'a_very_long…'
    """
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def blank(width: float, height: float) -> Figure:
    return Figure(figsize=(width / 72, height / 72), dpi=72)


def words(text: str, width: float) -> Figure:
    """A figure that has nothing to draw says why."""
    figure = blank(width, 90)
    figure.text(0.5, 0.5, clip(text, int(width / 6.5)), ha="center", va="center")
    return figure


def margins(figure: Figure, width: float, *, left: int, right: int, top: int, bottom: int, between: int = 0) -> None:
    """Margins in pixels; a layout engine would cost three times the drawing."""
    height = figure.get_size_inches()[1] * 72
    figure.subplots_adjust(
        left=left / width,
        right=1 - right / width,
        top=1 - top / height,
        bottom=bottom / height,
        hspace=2 * between / (height - top - bottom - between),
    )


def rows_of(labels: Sequence[str], width: float) -> int:
    """Lines that a legend of these words takes in so many pixels.

    >>> rows_of(["p95", "mean"], 300), rows_of(["estimated without actuals", "by actuals"], 260)
    (1, 2)
    """
    return math.ceil(len(labels) / columns_of(labels, width))


def columns_of(labels: Sequence[str], width: float) -> int:
    """As many columns as fit; each is as wide as their longest words, of about seven pixels a letter, beside a line."""
    fits = [n for n in range(1, len(labels) + 1) if sum(_widths(labels, n)) <= width]
    return max(fits, default=1)


def _widths(labels: Sequence[str], columns: int) -> list[float]:
    rows = math.ceil(len(labels) / columns)
    parts = [labels[i : i + rows] for i in range(0, len(labels), rows)]
    return [max(7.0 * len(label) for label in part) + 42 for part in parts]


def legend(axes: Axes, handles: list[Any] | None, columns: int | None = None) -> None:
    """Above the axes, in as many columns as fit, or so many; `rows_of` tells how much room that takes."""
    labels = [str(h.get_label()) for h in handles] if handles else axes.get_legend_handles_labels()[1]
    how: dict[str, Any] = {"handles": handles} if handles else {}
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns or columns_of(labels, axes.bbox.width),
        borderpad=0,
        borderaxespad=0.3,
        handlelength=1.6,
        columnspacing=1.2,
        **how,
    )


def time_axis(axes: Axes, times: list[datetime], label: str) -> None:
    first, last = min(times), max(times)
    half: Any = timedelta(seconds=15)
    if last - first < timedelta(seconds=30):
        # The first point alone would draw an axis of years.
        axes.set_xlim(first - half, last + half)
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlabel(label)
