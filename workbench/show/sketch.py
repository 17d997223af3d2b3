"""Small pictures in a record's HTML: SVG written by hand, in the page's own colours, at no cost and with no import.

Pictures that are studied are matplotlib's (plots.py and its neighbours).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from workbench.show.sheet import Tone

COLOURS: dict[Tone, str] = {
    "": "#0072b2",
    "good": "var(--wb-good)",
    "bad": "var(--wb-bad)",
    "wait": "var(--wb-wait)",
    "quiet": "currentColor",
}
ROW, NAMES, LENGTH = 20, 150, 240
WIDE, HIGH = 420, 90
# (colour, dashes) of lines, in their order.
LINES = (("#0072b2", ""), ("#009e73", ""), ("#cc79a7", ""), ("#56b4e9", ""))
OTHERS = {"never": ("currentColor", "2 3"), "always": ("#e69f00", "6 3")}


def bars(rows: Sequence[tuple[str, float, Tone]], label: str, *, mark: float | None = None) -> str:
    """A bar a row, all from the same zero; `mark` is a value that a line is drawn at.

    Parameters
    ----------
    rows : (name, value from 0 on, tone)
    label : what a screen reader says: a sentence.
    """
    known = [v for _, v, _ in rows if math.isfinite(v)]
    most = max([*known, (mark or 0) * 1.5, 1e-12])
    height = ROW * len(rows) + 4
    parts = []
    for i, (name, value, tone) in enumerate(rows):
        y, length = ROW * i + 4, LENGTH * (value if math.isfinite(value) else most) / most
        parts.append(
            f'<text x="{NAMES - 8}" y="{y + 11}" text-anchor="end">{escape(_short(name))}</text>'
            f'<rect x="{NAMES}" y="{y}" width="{max(length, 1):.1f}" height="{ROW - 7}" fill="{COLOURS[tone]}" '
            f'fill-opacity="0.75"/><text x="{NAMES + length + 6:.1f}" y="{y + 11}">{value:.2g}</text>'
        )
    if mark is not None:
        x = NAMES + LENGTH * mark / most
        parts.append(f'<path d="M{x:.1f} 0V{height}" stroke="currentColor" stroke-dasharray="3 3" opacity="0.7"/>')
    return _svg("".join(parts), NAMES + LENGTH + 60, height, label)


def interval(low: float, value: float, high: float, label: str, *, tone: Tone = "") -> str:
    """A figure with its interval, beside zero."""
    left, right = min(low, 0.0), max(high, 0.0)
    scale = (LENGTH - 20) / ((right - left) or 1.0)
    a, b, c, zero = (10 + (x - left) * scale for x in (low, value, high, 0.0))
    colour = COLOURS[tone]
    return _svg(
        f'<path d="M{zero:.1f} 0V24" stroke="currentColor" stroke-dasharray="3 3" opacity="0.7"/>'
        f'<path d="M{a:.1f} 12H{c:.1f}M{a:.1f} 7v10M{c:.1f} 7v10" stroke="{colour}" stroke-width="2" fill="none"/>'
        f'<circle cx="{b:.1f}" cy="12" r="4.5" fill="{colour}"/>'
        f'<text x="{zero:.1f}" y="37" text-anchor="middle">0</text>',
        LENGTH,
        40,
        label,
    )


def curves(lines: Sequence[tuple[str, str, Sequence[float | None]]], label: str) -> str:
    """Lines over the same steps, each with its name at the right end's height in the legend below.

    Parameters
    ----------
    lines : (name, kind, values)
        A `kind` of OTHERS has its own look; every other kind is a solid line.
    """
    known = [v for _, _, values in lines for v in values if v is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    span, steps = (high - low) or 1.0, max(len(values) for _, _, values in lines)
    plain = iter(LINES * len(lines))
    parts = [
        f'<text x="0" y="10">{high:.3g}</text><text x="0" y="{HIGH}">{low:.3g}</text>',
    ]
    for i, (name, kind, values) in enumerate(lines):
        colour, dashes = OTHERS[kind] if kind in OTHERS else next(plain)
        points = [
            f"{46 + (WIDE - 56) * k / max(steps - 1, 1):.1f},{6 + (HIGH - 12) * (high - v) / span:.1f}"
            for k, v in enumerate(values)
            if v is not None
        ]
        look = f'stroke="{colour}" stroke-width="2" fill="none" stroke-dasharray="{dashes or "none"}"'
        y = HIGH + 18 + 17 * i
        parts.append(
            f'<polyline points="{" ".join(points)}" {look}/><path d="M46 {y - 4}h26" {look}/>'
            f'<text x="80" y="{y}">{escape(_short(name, 50))}</text>'
        )
    return _svg("".join(parts), WIDE, HIGH + 10 + 17 * len(lines), label)


def _svg(inside: str, width: float, height: float, label: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'style="max-width:100%;height:auto;display:block" fill="currentColor" font-size="12" '
        f'xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    )


def _short(text: str, most: int = 22) -> str:
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
