"""What a fault is to the table: something broken on purpose, some rounds of it, and what was lost or wrong after."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


class Skipped(Exception):
    """A fault that this machine does not let anybody make; its message says why."""


@dataclass(frozen=True)
class Outcome:
    """What some rounds of a fault did.

    Attributes
    ----------
    rounds
        Rounds that were really broken; a round that could not be broken does not count.
    checked
        What was compared with what was promised, with its number: "41,230 predictions, 200 windows".
    lost, wrong
        Acknowledged records that are gone; answers, records or states that are not what they should be.
    """

    rounds: int
    checked: str
    lost: int
    wrong: int

    @property
    def held(self) -> bool:
        return self.rounds > 0 and self.lost == 0 and self.wrong == 0


@dataclass(frozen=True)
class Fault:
    """Something to break: `run(folder, seed, rounds)` breaks it in an empty folder, so many times."""

    name: str
    run: Callable[[Path, int, int], Outcome]
    rounds: int  # of the long form
    short: int  # of the form the tests run

    def __str__(self) -> str:
        return self.name


def table(rows: Iterable[tuple[Fault, Outcome]]) -> str:
    """The table in Markdown: fault, rounds, what was checked, lost, wrong."""
    lines = ["| Fault | Rounds | Checked | Lost | Wrong |", "|---|---:|---|---:|---:|"]
    lines += [f"| {fault} | {o.rounds:,} | {o.checked} | {o.lost:,} | {o.wrong:,} |" for fault, o in rows]
    return "\n".join(lines)
