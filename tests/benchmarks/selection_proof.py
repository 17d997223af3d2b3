"""How often does a whole selection promote an equal candidate, and how often a better one? A table on stdout.

    python -m tests.benchmarks.selection_proof [--quick] [--seed N]

Seeded. Nothing fails here if a figure is bad; read it.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from tests.benchmarks.judged_errors import at_once
from tests.benchmarks.made_up_models import GATE, INDEPENDENT, REMEMBERING, SELECT, World
from tests.benchmarks.tables import Table, interval, percent

RUNS, CANDIDATES = 200, 6
# How much smaller the better one's error is.
SMALLER = (0.0, 0.05, 0.1, 0.2)


def run(task: tuple[World, float, list[int]]) -> tuple[bool, bool]:
    """Whether the best candidate won on *select*, and whether the winner passed the gate."""
    world, smaller, seed = task
    chosen = world.select(smaller, np.random.default_rng(seed), CANDIDATES)
    return chosen.winner.name == "0", chosen.verdict.passed


def tables(*, quick: bool, seed: int) -> Iterator[Table]:
    runs = 10 if quick else RUNS
    cells = [(world, smaller) for world in (INDEPENDENT, REMEMBERING) for smaller in SMALLER]
    tasks = [(world, smaller, [seed, 40, k, i]) for k, (world, smaller) in enumerate(cells) for i in range(runs)]
    done = at_once(run, tasks, "selection")
    rows = []
    for k, (world, smaller) in enumerate(cells):
        found = done[k * runs : (k + 1) * runs]
        passed = sum(p for _, p in found)
        told = f"one is better, its MAE {smaller:.0%} smaller".replace("%", " %") if smaller else "none is better"
        asked = {0.0: "at most 5 %", 0.1: "at least 90 %"}.get(smaller, "") if world is INDEPENDENT else ""
        chosen = percent(sum(best for best, _ in found), runs) if smaller else "-"
        rows.append((world.name, told, chosen, percent(passed, runs), interval(passed, runs), asked))
    note = (
        f"{runs} whole selections a line: {CANDIDATES} candidates compete on {SELECT} rows, the winner meets the "
        f"champion on {GATE} others. All models but the better one are equally good; all share what no model can know."
    )
    head = ("errors", "candidates", "the better one wins on select", "promoted", "95 % interval", "asked")
    yield Table("Selection: who is promoted", note, head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few runs: does it run, not what is true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for table in tables(quick=asked.quick, seed=asked.seed):
        print(table, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
