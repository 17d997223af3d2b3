"""What is shown of a record, whatever shows it: a title, a sentence, facts, tables and small pictures.

Everything is text or a number here; who shows it escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.records import ALARMING, State

Tone = Literal["", "good", "bad", "wait", "quiet"]
# Glyph and word of each state: never colour alone.
STATES: dict[State, tuple[str, str]] = {
    "broken": ("✖", "broken"),
    "alarm": ("▲", "alarm"),
    "drift": ("▲", "drift"),
    "possible": ("△", "possible"),
    "ok": ("✓", "ok"),
    "insufficient": ("·", "insufficient"),
}


@dataclass(frozen=True)
class Told:
    """Text and what it means: good, bad, to be waited for, or of less weight."""

    text: str
    tone: Tone = ""

    def __str__(self) -> str:
        return self.text


Cell = str | int | Told


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head; `caption` says what they are."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Sheet:
    """A record as it is shown; `pictures` are SVG, and nothing in them comes from elsewhere unescaped."""

    title: str
    sentence: Cell
    facts: Sequence[tuple[str, Cell]] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[str] = ()
    note: str = ""


def verdict(state: State) -> Told:
    """A state by glyph and word.

    >>> verdict("drift")
    Told(text='▲ drift', tone='bad')
    """
    return Told(" ".join(STATES[state]), "bad" if state in ALARMING else "good" if state == "ok" else "wait")


def number(value: float | None, digits: int = 4) -> str:
    """A figure for reading; a dash where there is none.

    >>> number(12.3456), number(0.98765, 3), number(None)
    ('12.35', '0.988', '–')
    """
    return "–" if value is None else f"{value:.{digits}g}"


def bounded(value: float | None, bounds: tuple[float, float] | None) -> str:
    """A figure with its interval.

    >>> bounded(12.3456, (11.02, 13.5)), bounded(0.5, None)
    ('12.35 (11 to 13.5)', '0.5')
    """
    return number(value) + (f" ({number(bounds[0], 3)} to {number(bounds[1], 3)})" if bounds else "")


def clock(stamp: str | None) -> str:
    """A stored time for reading, to the second.

    >>> clock("2013-03-01T05:45:00.000000Z"), clock(None)
    ('2013-03-01 05:45:00Z', '–')
    """
    return stamp[:19].replace("T", " ") + "Z" if stamp else "–"


def many(n: int, noun: str) -> str:
    """
    >>> many(1, "check"), many(1200, "row")
    ('1 check', '1,200 rows')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"
