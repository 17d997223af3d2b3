"""How often does the check cry wolf? Windows and references drawn from the same thing, alone and sliding."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from tqdm import tqdm

from tests.benchmarks.streams import ar1, mixed
from tests.benchmarks.tables import RATE, Table, alarmed, interval, look, percent, reference_of

SIZES = (50, 100, 200, 500, 1_000)
REFERENCES = (500, 5_000, 50_000)
A_REFERENCE = 20
CHECKS = 200
STEPS = 10
RHO = 0.8
Stream = Callable[[int, np.random.Generator], pd.DataFrame]


@dataclass
class Count:
    windows: int = 0
    judged: int = 0
    alarms: int = 0
    features: int = 0
    too_few: int = 0
    names: Counter[str] = field(default_factory=Counter)


def ar1_20(n: int, rng: np.random.Generator) -> pd.DataFrame:
    return ar1(n, rng, rho=RHO, columns=[f"x_{i}" for i in range(1, 21)])


def tables(*, quick: bool, seed: int) -> Iterator[Table]:
    yield _alone("Independent rows, 20 mixed features", mixed, in_order=False, draws=1 if quick else 12, seed=seed)
    yield _alone(
        f"Rows that remember: AR(1), rho {RHO}, 20 features", ar1_20, in_order=True, draws=1 if quick else 8, seed=seed
    )
    yield _sliding(repeats=1 if quick else 6, seed=seed)


def _alone(title: str, stream: Stream, *, in_order: bool, draws: int, seed: int) -> Table:
    rows, total = [], Count()
    bar = tqdm(
        total=len(REFERENCES) * draws * len(SIZES) * A_REFERENCE, desc=f"false alarms: {title[:16]}", mininterval=1
    )
    for m in REFERENCES:
        counts = {n: Count() for n in SIZES}
        for draw in range(draws):
            rng = np.random.default_rng([seed, m, draw, in_order])
            reference = reference_of(stream(m, rng), in_order=in_order)
            for n, count in counts.items():
                for _ in range(A_REFERENCE):
                    _add(look(stream(n, rng), reference), count, total)
                    bar.update()
        rows += [(f"{m:,}", n, *_cells(count)) for n, count in counts.items()]
    bar.close()
    rows.append(("all", "", *_cells(total)))
    note = (
        f"No drift. A new reference every {A_REFERENCE} windows of each size; {RATE:.0%} configured. Judged: at least "
        "one feature has rows enough for a verdict. In alarm: drift or broken, in any feature."
    ) + _named(total.names)
    head = (
        "reference",
        "window",
        "windows",
        "judged",
        "in alarm",
        "rate",
        "95 % interval",
        "features with too few rows",
    )
    return Table(title, note, head, rows)


def _named(names: Counter[str]) -> str:
    return f" Named: {', '.join(f'{name} ({count})' for name, count in names.most_common())}." if names else ""


def _add(result, *counts: Count) -> None:
    for count in counts:
        count.windows += 1
        count.judged += result.state != "insufficient"
        count.alarms += bool(alarmed(result))
        count.names.update(alarmed(result))
        count.features += len(result.features)
        count.too_few += sum(f.state == "insufficient" for f in result.features)


def _cells(c: Count) -> tuple[object, ...]:
    return (
        c.windows,
        c.judged,
        c.alarms,
        percent(c.alarms, c.judged),
        interval(c.alarms, c.judged),
        percent(c.too_few, c.features),
    )


def _sliding(*, repeats: int, seed: int) -> Table:
    """Every check moves the window on by a tenth of its rows; an episode is a run of checks in alarm."""
    cells = [
        ("mixed", mixed, False, 5_000, 100),
        ("mixed", mixed, False, 5_000, 200),
        ("mixed", mixed, False, 5_000, 1_000),
        ("mixed", mixed, False, 50_000, 1_000),
        (f"AR(1), rho {RHO}", ar1_20, True, 5_000, 1_000),
    ]
    bar = tqdm(total=len(cells) * repeats * CHECKS, desc="false alarms: sliding", mininterval=1)
    rows, names, all_windows, all_episodes = [], Counter(), 0.0, 0
    for place, (name, stream, in_order, m, n) in enumerate(cells):
        step, episodes, in_alarm = n // STEPS, 0, 0
        for repeat in range(repeats):
            rng = np.random.default_rng([seed, place, repeat])
            reference = reference_of(stream(m, rng), in_order=in_order)
            rows_seen = stream(n + (CHECKS - 1) * step, rng)
            before = False
            for check in range(CHECKS):
                window = rows_seen.iloc[check * step : check * step + n].reset_index(drop=True)
                found = alarmed(look(window, reference))
                now = bool(found)
                names.update(found)
                episodes, in_alarm, before = episodes + (now and not before), in_alarm + now, now
                bar.update()
        windows = repeats * (1 + (CHECKS - 1) / STEPS)
        all_windows, all_episodes = all_windows + windows, all_episodes + episodes
        rows.append((name, f"{m:,}", n, repeats * CHECKS, in_alarm, f"{windows:.0f}", *_per_window(episodes, windows)))
    bar.close()
    rows.append(
        (
            "all",
            "",
            "",
            len(cells) * repeats * CHECKS,
            "",
            f"{all_windows:.0f}",
            *_per_window(all_episodes, all_windows),
        )
    )
    note = (
        f"No drift. {repeats} x {CHECKS} checks of a window that slides on by a tenth of its rows, each time with a "
        f"new reference; {RATE:.0%} configured, as episodes (runs of checks in alarm) per full window of new rows."
    ) + _named(names)
    head = ("rows", "reference", "window", "checks", "in alarm", "full windows", "episodes", "rate", "95 % interval")
    return Table("Sliding windows", note, head, rows)


def _per_window(episodes: int, windows: float) -> tuple[object, ...]:
    total = max(round(windows), episodes)
    return episodes, percent(episodes, total), interval(episodes, total)
