"""The proof behind the verdict on quality, as tables on stdout: false alarms, power, delay beside River's, the estimate
without actuals, the flights, and a million labels.

    python -m tests.benchmarks.performance_proof [--quick] [--only PART] [--seed N]

Seeded. Nothing fails here if a figure is bad; read it.
"""

import argparse
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tests.benchmarks import detection_delay, estimated_errors, flights_in_time, labels_at_volume
from tests.benchmarks.judged_errors import (
    ACCURACY,
    ACCURACY_REMEMBERING,
    EXPONENTIAL,
    F1,
    NORMAL,
    OF_PERFORMANCE,
    RECALL,
    REMEMBERING,
    Errors,
    at_once,
    follow,
)
from tests.benchmarks.tables import Table, interval, percent
from workbench.performance import judge_stream, judge_window

RUNS = 500
# Full windows of new predictions in a run, and looks at each.
WINDOWS, LOOKS_A_WINDOW = 3, 10
SIZES = (100, 500, 1_000)
# errors, rows of the holdout, rows of a window
QUIET = [
    *(
        (errors, 1_300, n)
        for errors in (NORMAL, EXPONENTIAL, REMEMBERING, ACCURACY, ACCURACY_REMEMBERING, F1)
        for n in SIZES
    ),
    *((errors, 400, 500) for errors in (NORMAL, EXPONENTIAL, REMEMBERING, ACCURACY)),
]
# errors, how much worse, in words, what was asked
WORSE = [
    (NORMAL, 0.25, "MAE +25 %", "95 %"),
    (EXPONENTIAL, 0.25, "MAE +25 %", ""),
    (REMEMBERING, 0.25, "MAE +25 %", ""),
    (REMEMBERING, 0.5, "MAE +50 %", ""),
    (ACCURACY, 0.5, "half as many errors again: a loss of 7 %", ""),
    (ACCURACY, 1.0, "twice as many errors: a loss of 14 %", ""),
    (RECALL, 0.25, "a quarter of the hits missed", ""),
    (F1, 0.25, "a quarter of the hits missed", ""),
    (F1, 0.5, "half of the hits missed", ""),
]
POWER_WINDOW, POWER_HOLDOUTS = 500, (1_000, 1_300)


class Quiet(NamedTuple):
    window: bool
    stream: bool
    too_few: int


def quiet_run(task: tuple[Errors, int, int, list[int]]) -> Quiet:
    """A run without any change: whether the window alarmed, whether the stream did, full windows without a verdict."""
    errors, m, n, seed = task
    rng = np.random.default_rng(seed)
    holdout = errors.holdout(m, rng)
    live = errors.draw(np.zeros(WINDOWS * n), rng)
    ends = range(n // LOOKS_A_WINDOW, WINDOWS * n + 1, n // LOOKS_A_WINDOW)
    looks = list(follow(live, holdout, errors.rules(), n, ends))
    return Quiet(any(x.window for x in looks), any(x.stream for x in looks), sum(x.unsure for x in looks))


def false_alarms(*, quick: bool, seed: int) -> Iterator[Table]:
    runs = 10 if quick else RUNS
    tasks = [(e, m, n, [seed, 20, kind, i]) for kind, (e, m, n) in enumerate(QUIET) for i in range(runs)]
    done = at_once(quiet_run, tasks, "performance: false alarms")
    rows = []
    for kind, (errors, m, n) in enumerate(QUIET):
        rows.append((errors.name, f"{m:,}", n, *_quiet_cells(done[kind * runs : (kind + 1) * runs])))
    rows.append(("all", "", "", *_quiet_cells(done)))
    note = (
        f"Nothing has changed. {runs} runs a line, each with a holdout of its own and {WINDOWS} full windows of new "
        f"rows, looked at {LOOKS_A_WINDOW} times a window. Expected by the budget: {OF_PERFORMANCE:.2%} a window, for "
        "both detectors together. Runs with an alarm; the rate is per full window."
    )
    head = ("errors", "holdout", "window", "window alarms", "stream alarms", "either", "expected", "rate")
    yield Table("Quality: false alarms", note, (*head, "95 % interval", "full windows without a verdict"), rows)


def _quiet_cells(runs: list[Quiet]) -> tuple[object, ...]:
    windows, either = WINDOWS * len(runs), sum(r.window or r.stream for r in runs)
    return (
        sum(r.window for r in runs),
        sum(r.stream for r in runs),
        either,
        f"{windows * OF_PERFORMANCE:.1f}",
        f"{either / windows:.2%}".replace("%", " %"),
        interval(either, windows),
        percent(sum(r.too_few for r in runs), windows),
    )


def worse_run(task: tuple[Errors, float, int, list[int]]) -> tuple[bool, bool]:
    """Whether a window full of rows that are worse alarms, and whether its newest stretches do."""
    errors, worse, m, seed = task
    rng = np.random.default_rng(seed)
    holdout = errors.holdout(m, rng)
    live = errors.draw(np.full(POWER_WINDOW, worse), rng)
    stream = judge_stream(live, holdout, errors.rules(), POWER_WINDOW)
    judged = judge_window(live, holdout, errors.rules())
    return any(j.state == "alarm" for j in judged), stream is not None and stream.state == "alarm"


def power(*, quick: bool, seed: int) -> Iterator[Table]:
    runs = 20 if quick else RUNS
    cells = [(*line, m) for line in WORSE for m in POWER_HOLDOUTS]
    tasks = [(e, size, m, [seed, 21, kind, i]) for kind, (e, size, _, _, m) in enumerate(cells) for i in range(runs)]
    done = at_once(worse_run, tasks, "performance: power")
    rows = []
    for kind, (errors, _, words, asked, m) in enumerate(cells):
        found = done[kind * runs : (kind + 1) * runs]
        in_window, either = sum(w for w, _ in found), sum(w or s for w, s in found)
        in_stream = percent(sum(s for _, s in found), runs)
        shown = (percent(in_window, runs), interval(in_window, runs), in_stream, percent(either, runs))
        rows.append((errors.name, words, f"{m:,}", asked, *shown))
    note = (
        f"All {POWER_WINDOW} rows of a window are worse than the holdout; one look at its end, {runs} runs a line. The "
        f"stream sees at most its newer half. Both together may alarm falsely in {OF_PERFORMANCE:.2%} of windows."
    )
    head = ("errors", "change", "holdout", "asked", "window finds", "95 % interval", "stream finds", "either")
    yield Table("Quality: power", note, head, rows)


PARTS = {
    "falsealarms": false_alarms,
    "power": power,
    "delay": detection_delay.tables,
    "estimate": estimated_errors.tables,
    "flights": flights_in_time.tables,
    "volume": labels_at_volume.tables,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few runs: does it run, not what is true")
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    start = time.monotonic()
    for name in [asked.only] if asked.only else PARTS:
        for table in PARTS[name](quick=asked.quick, seed=asked.seed):
            print(table, end="\n\n", flush=True)
    print(f"Seed {asked.seed}, {(time.monotonic() - start) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
