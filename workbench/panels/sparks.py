"""A number that is watched: a card with its last value and a line of those before, as a text of a few hundred bytes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from workbench.panels.base import Markup, tag

WIDTH, HEIGHT, POINTS = 120, 26, 60


def spark(values: Sequence[float | None], label: str) -> Markup:
    """A line of values as SVG; where there is none, the line has a gap.

    Parameters
    ----------
    values : oldest first
        Of many, evenly chosen ones are drawn; the scale begins at 0.
    label : str
        What a screen reader says in place of the picture.

    Examples
    --------
    >>> spark([1.0, None, 2.0, 4.0], "rate").split('d="')[1].split('"')[0]
    'M0.0 19.0h.1M80.0 13.0L120.0 1.0'
    """
    step = max(1, -(-len(values) // POINTS))
    shown = list(values)[::-step][::-1]
    top = max((v for v in shown if v is not None), default=0.0) or 1.0
    across = WIDTH / max(len(shown) - 1, 1)
    words: list[str] = []
    run = 0
    for i, value in enumerate([*shown, None]):
        if value is None:
            # A lone point is no line: a stroke with round ends makes a dot of it.
            words += ["h.1"] if run == 1 else []
            run = 0
        else:
            y = HEIGHT - 1 - (HEIGHT - 2) * max(value, 0) / top
            words.append(f"{'L' if run else 'M'}{i * across:.1f} {y:.1f}")
            run += 1
    return Markup(
        f'<svg class="wb-spark" role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'preserveAspectRatio="none" xmlns="http://www.w3.org/2000/svg"><path d="{"".join(words)}"/></svg>'
    )


def card(name: str, value: str, detail: str, values: Sequence[float | None], css: str = "") -> Markup:
    """A card of a list (`dl`) of cards.

    Parameters
    ----------
    values : oldest first
        Of the line; it is left out where there are no two.
    """
    told = sum(v is not None for v in values) > 1
    line = spark(values, f"{name}, the last {len(values)} checks") if told else Markup()
    shown = Markup(f"{tag('span', value, css)}{line}{tag('small', detail)}")
    return Markup(f'<div class="wb-card">{tag("dt", name)}{tag("dd", shown)}</div>')
