"""What does the check find, at the same false alarm rate? One column moves, by a known amount."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from tests.benchmarks.false_alarms import REFERENCES
from tests.benchmarks.streams import correlated, mixed, shifted
from tests.benchmarks.tables import LIMITS, RATE, Table, alarmed, interval, look, percent, reference_of
from workbench import model_view
from workbench.sections import BUDGET

A_REFERENCE = 20
SAMPLE = 2_000
JOINT = 1_000


@dataclass(frozen=True)
class Shift:
    name: str
    kind: str
    size: float
    column: str
    n: int = 1_000
    asked: str = "95 %"


SHIFTS = (
    Shift("mean, 0.25 sd", "mean", 0.25, "normal_1"),
    Shift("scale, x1.3", "scale", 1.3, "normal_1"),
    Shift("5 % unseen, of 3 categories", "unseen", 0.05, "cat_3"),
    Shift("5 % unseen, of 200 categories", "unseen", 0.05, "cat_200"),
    Shift("+10 points missing, of none", "missing", 0.1, "normal_1"),
    Shift("+10 points missing, of 30 %", "missing", 0.1, "missing_30"),
    Shift("mean, 0.5 sd", "mean", 0.5, "normal_1", n=200),
)


def tables(*, quick: bool, seed: int) -> Iterator[Table]:
    yield _single(draws=1 if quick else 5, seed=seed)
    yield _joint(windows=4 if quick else 25, seed=seed)


def _single(*, draws: int, seed: int) -> Table:
    rates = (RATE, RATE * BUDGET["drift"])
    bar = tqdm(total=len(REFERENCES) * draws * len(SHIFTS) * A_REFERENCE, desc="power: one feature", mininterval=1)
    found = {(shift, m, rate): 0 for shift in SHIFTS for m in REFERENCES for rate in rates}
    others = dict.fromkeys(REFERENCES, 0)
    for m in REFERENCES:
        for draw in range(draws):
            rng = np.random.default_rng([seed, m, draw, 2])
            reference = reference_of(mixed(m, rng))
            for shift in SHIFTS:
                for _ in range(A_REFERENCE):
                    window = shifted(mixed(shift.n, rng), shift.kind, shift.size, rng, shift.column)
                    for rate in rates:
                        named = alarmed(look(window, reference, rate))
                        found[shift, m, rate] += shift.column in named
                        others[m] += rate == RATE and bool(set(named) - {shift.column})
                    bar.update()
    bar.close()
    total = draws * A_REFERENCE
    rows = [
        (
            s.name,
            s.n,
            f"{rate:.1%}",
            s.asked,
            *(percent(found[s, m, rate], total) for m in REFERENCES),
            interval(found[s, 5_000, rate], total),
        )
        for s in SHIFTS
        for rate in rates
    ]
    wrong = ", ".join(f"{others[m]} of {total * len(SHIFTS):,} at {m:,}" for m in REFERENCES)
    note = (
        f"One of 20 mixed features shifted; found: that column is named, as drift or broken. {total} windows a cell, a "
        f"new reference every {A_REFERENCE}. {rates[1]:.1%} is what the monitor leaves to drift of {RATE:.0%}. "
        f"Windows in which another column was named, at {RATE:.0%}: {wrong}."
    )
    head = ("shift", "window", "rate", "asked", *(f"reference {m:,}" for m in REFERENCES), "95 % interval at 5,000")
    return Table("Power", note, head, rows)


def _joint(*, windows: int, seed: int) -> Table:
    """A correlation that turns: no single column shows it."""
    rate = RATE * BUDGET["model"] / model_view.TESTS
    bar = tqdm(total=len(REFERENCES) * windows * 2, desc="power: correlation", mininterval=1)
    rows = []
    for m in REFERENCES:
        states: dict[float, list[str]] = {0.8: [], -0.8: []}
        for draw in range(windows):
            rng = np.random.default_rng([seed, m, draw, 3])
            sample = correlated(min(m, SAMPLE), rng, 0.8)
            for rho in states:
                states[rho].append(_together(correlated(JOINT, rng, rho), sample, rate))
                bar.update()
        found, wrong = states[-0.8].count("drift"), states[0.8].count("drift")
        rows.append((f"{m:,}", min(m, SAMPLE), percent(found, windows), interval(found, windows), wrong, windows))
    bar.close()
    note = (
        f"A correlation of 0.8 turns to -0.8 in windows of {JOINT:,} (90 % asked), looked at by `model_view.together` "
        f"at the {rate:.3%} that the monitor leaves to it. False alarms: as many windows without a turn."
    )
    return Table(
        "Power, inputs together",
        note,
        ("reference", "sample", "found", "95 % interval", "false alarms", "windows"),
        rows,
    )


def _together(window: pd.DataFrame, sample: pd.DataFrame, rate: float) -> str:
    # As the monitor asks it: threads that wait for each other cost more than they bring.
    with threadpool_limits(1):
        joint = model_view.together(window, sample, limits=LIMITS, false_alarm_rate=rate)
    return joint.auc.state if joint else "insufficient"
