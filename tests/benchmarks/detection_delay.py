"""How many predictions pass until a lasting change shows? This project's two detectors beside River's, on one stream.

River's know no holdout, so they are fed its errors first, and their parameter is tuned on streams without a change.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.judged_errors import NORMAL, REMEMBERING, Errors, at_once, follow
from tests.benchmarks.run_peers import HERE, peer_pythons
from tests.benchmarks.tables import Table, interval, percent
from workbench.holdout import measure
from workbench.scores import Sample

OURS = "this project"
HOLDOUT, WINDOW, STEP = 1_300, 1_000, 10
# False alarms per 1,000 rows: what simulation can tell from none. The monitor allows a quarter of it.
RATE = 0.01
QUIET_RUNS, QUIET_ROWS = 500, 2_000
RUNS, BEFORE, AFTER = 150, 1_000, 3_000
CHANGES = (0.1, 0.25, 0.5, 1.0)
KINDS = (NORMAL, REMEMBERING)
Task = tuple[Errors, float, list[int]]


def stream(task: Task) -> tuple[Sample, Sample]:
    """The holdout's rows and the live ones: none worse if the change is 0, else all after the first 1,000."""
    errors, change, seed = task
    rng = np.random.default_rng(seed)
    worse = np.where(np.arange(BEFORE + AFTER) < BEFORE, 0.0, change) if change else np.zeros(QUIET_ROWS)
    return errors.draw(np.zeros(HOLDOUT), rng), errors.draw(worse, rng)


def first_alarm(task: Task) -> int | None:
    """Rows, counted from the change if there is one, until this project's window or stream alarms."""
    before, live = stream(task)
    start = BEFORE if task[1] else 0
    holdout = measure(before, (task[0].metric,), times=[], in_order=True)
    ends = range(start + STEP, len(live) + 1, STEP)
    looks = follow(live, holdout, task[0].rules(RATE), WINDOW, ends)
    return next((look.end - start for look in looks if look.window or look.stream), None)


def tables(*, quick: bool, seed: int, home: Path = Path(".venv-peers")) -> Iterator[Table]:
    quiet_runs, runs = (20, 5) if quick else (QUIET_RUNS, RUNS)
    quiet = {e: [(e, 0.0, [seed, 22, kind, i]) for i in range(quiet_runs)] for kind, e in enumerate(KINDS)}
    changed = {
        (e, change): [(e, change, [seed, 23, kind, size, i]) for i in range(runs)]
        for kind, e in enumerate(KINDS)
        for size, change in enumerate(CHANGES)
    }
    python = peer_pythons(home).get("peers")
    # What is asked of River is how its detectors, tuned on independent errors, fare on those that remember, too.
    said = (
        [_ask(python, quiet[e], quiet[KINDS[-1]], {c: changed[e, c] for c in CHANGES}) for e in KINDS] if python else []
    )
    tasks = [task for part in (*quiet.values(), *changed.values()) for task in part]
    ours = dict(zip(map(str, tasks), at_once(first_alarm, tasks, "performance: delay"), strict=True))
    version = f"River {said[0]['version']}" if said else "River is not here: its environment cannot be made, see above"
    names = [OURS, *(said[0]["detectors"] if said else ())]

    def alarmed(kind: int, name: str, key: str, tasks: Sequence[Task]) -> list[int | None]:
        return [ours[str(task)] for task in tasks] if name == OURS else said[kind]["detectors"][name][key]

    rows: list[tuple[object, ...]] = []
    for kind, errors in enumerate(KINDS):
        for name in names:
            found = _count(alarmed(kind, name, "quiet", quiet[errors]))
            parameter = "none" if name == OURS else said[kind]["detectors"][name]["parameter"]
            rows.append((errors.name, name, parameter, found, *_shares(found, quiet_runs)))
    for name in names[1:]:
        found = _count(said[0]["detectors"][name]["quiet_other"])
        words = f"{KINDS[-1].name}, tuned on {KINDS[0].name}"
        rows.append((words, name, said[0]["detectors"][name]["parameter"], found, *_shares(found, quiet_runs)))
    note = (
        f"Nothing has changed: {quiet_runs} runs of {QUIET_ROWS:,} rows after a holdout of {HOLDOUT:,}. All are asked "
        f"for {RATE:.0%} per 1,000 rows, {RATE * QUIET_ROWS / 1_000:.0%} of these runs: this project by its "
        f"`false_alarm_rate` (window {WINDOW:,}, a look each {STEP} rows), River's by tuning the parameter on these "
        f"very runs. {version}, fed the holdout's errors first, in units of their mean; a change for the better does "
        "not count."
    )
    head = ("errors", "who", "tuned", "runs with an alarm", "share", "95 % interval")
    yield Table("Beside River: false alarms", note, head, rows)
    rows = []
    for kind, errors in enumerate(KINDS):
        for change in CHANGES:
            for name in names:
                delays = alarmed(kind, name, f"changed_{change}", changed[errors, change])
                rows.append((errors.name, f"+{change:.0%}".replace("%", " %"), name, *_delays(delays)))
    note = (
        f"After {BEFORE:,} rows all errors grow and stay so. Predictions from there to the first alarm, in {runs} runs "
        "a line, tuned as above; alarms before the change do not count."
    )
    head = ("errors", "change", "who", "found in 1,000", "found in 3,000", "median delay", "90 % of delays up to")
    yield Table("Beside River: delay", note, head, rows)


def _ask(
    python: Path, quiet: Sequence[Task], other: Sequence[Task], changed: dict[float, Sequence[Task]]
) -> dict[str, object]:
    """What River says: of each run its first alarm, or None; of changed ones in rows since the change."""
    given: dict[str, np.ndarray] = {}
    for name, tasks in {
        "quiet": quiet,
        "quiet_other": other,
        **{f"changed_{c}": t for c, t in changed.items()},
    }.items():
        pairs = [tuple(np.abs(sample.y_pred) for sample in stream(task)) for task in tasks]
        given[f"holdout_{name}"] = np.array([before / before.mean() for before, _ in pairs])
        given[name] = np.array([live / before.mean() for before, live in pairs])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "errors.npz"
        np.savez(file, **given)
        command = [str(python), "-I", str(HERE / "river_alarms.py"), str(file), str(RATE * QUIET_ROWS / 1_000)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    for answers in said["detectors"].values():
        for name in given.keys() & answers.keys():
            start = BEFORE if name.startswith("changed_") else 0
            answers[name] = [next((row + 1 - start for row in rows if row >= start), None) for rows in answers[name]]
    return said


def _count(first: Sequence[int | None]) -> int:
    return sum(row is not None for row in first)


def _shares(found: int, runs: int) -> tuple[object, ...]:
    return percent(found, runs), interval(found, runs)


def _delays(delays: Sequence[int | None]) -> tuple[object, ...]:
    rows = np.sort([AFTER + 1 if d is None else d for d in delays])
    # A delay that was met, not one between two.
    median, most = (int(rows[int(np.ceil(q * len(rows))) - 1]) for q in (0.5, 0.9))
    shown = (f"over {AFTER:,}" if d > AFTER else f"{d:,}" for d in (median, most))
    return percent(int((rows <= 1_000).sum()), len(rows)), percent(int((rows <= AFTER).sum()), len(rows)), *shown
