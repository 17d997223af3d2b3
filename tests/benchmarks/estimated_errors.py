"""How near does the estimate without actuals come, does it cry wolf, and is a target that changed named?

A version's holdout, then its traffic: nothing changes; or the inputs shift, and the error with them; or the target
means something else than was learnt, which no input shows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from tests.benchmarks.judged_errors import MIN_LOSS, at_once
from tests.benchmarks.shifting_errors import (
    ACCURACY,
    F1,
    LOG_LOSS,
    MAE,
    MAE_REMEMBERING,
    RECALL,
    RMSE,
    Stream,
    schema_of,
)
from tests.benchmarks.tables import RATE, Table, interval, percent
from workbench.checkup import PART, PARTS
from workbench.drift_rules import LOOKS
from workbench.error_model import ErrorModel
from workbench.estimate import judge, learn
from workbench.performance_result import EstimateResult
from workbench.scores import Sample, values
from workbench.sections import BUDGET

STREAMS = (MAE, RMSE, MAE_REMEMBERING, F1, RECALL, LOG_LOSS, ACCURACY)
HOLDOUT, WINDOW = 1_300, 1_000
BLOCK = WINDOW // PART
# Actuals come so many predictions later.
LAG = 250
OF_ESTIMATE = RATE * BUDGET["estimate"]
# At the shipped rate nothing would be seen of a threshold that is too low.
OFTEN = 0.05
NEAR = 0.1
TRUTH = 100_000
SHIFTED_RUNS, DRIFTED_RUNS, QUIET_RUNS = 200, 60, 60
WINDOWS, LOOKS_A_WINDOW, STEP = 3, 10, 100
Rows = tuple[pd.DataFrame, Sample]
Task = tuple[Stream, list[int]]


def learnt(stream: Stream, rng: np.random.Generator, n: int = HOLDOUT) -> ErrorModel:
    """The error model of a version with a holdout of its own."""
    frame, said = stream.draw(rng, n)
    model = learn(frame, said, stream.metric, schema_of(frame, said.task))
    assert model is not None
    return model


def one_after_the_other(parts: Sequence[Rows]) -> Rows:
    samples = [said for _, said in parts]
    chances = None if samples[0].chances is None else np.vstack([s.chances for s in samples])
    true, said = (np.concatenate([getattr(s, name) for s in samples]) for name in ("y_true", "y_pred"))
    frame = pd.concat([frame for frame, _ in parts], ignore_index=True)
    return frame, Sample(samples[0].task, true, said, samples[0].classes, chances)


def look(
    model: ErrorModel, rows: Rows, end: int, *, rate: float = OF_ESTIMATE, min_loss: float = MIN_LOSS, lag: int = LAG
) -> EstimateResult:
    """What a check after `end` predictions says, as the monitor makes it."""
    frame, said = rows
    now = np.arange(max(end - WINDOW, 0), end)
    past = np.arange(max(end - lag - PARTS * BLOCK, 0), max(end - lag, 0))
    return judge(
        model,
        (frame.iloc[now], said.take(now)),
        (frame.iloc[past], said.take(past), [f"{row:08d}" for row in past]),
        metric=model.metric,
        baseline=model.baseline,
        level=rate / LOOKS,
        min_loss=min_loss,
        block=BLOCK,
    )


def shifted_run(task: Task) -> tuple[float, float, bool, bool, bool]:
    """Estimated, realised, whether the interval holds that; whether it alarms, before any actual of the shift, and
    whether it is trusted then."""
    stream, seed = task
    rng = np.random.default_rng(seed)
    model = learnt(stream, rng)
    rows = one_after_the_other([stream.draw(rng, 2 * WINDOW), stream.draw(rng, WINDOW, stream.shift)])
    found = look(model, rows, 3 * WINDOW, lag=WINDOW)
    realised = values(rows[1].take(np.arange(2 * WINDOW, 3 * WINDOW)), (stream.metric,))[stream.metric]
    assert realised is not None
    assert found.value is not None
    within = (found.low or 0.0) <= realised <= (found.high or 0.0)
    return found.value, realised, within, found.state == "alarm", bool(found.trusted)


def drifted_run(task: Task) -> tuple[int | None, bool]:
    """Predictions from the change of the target to the first named gap, if that is within two windows; and whether the
    estimate alarmed by then."""
    stream, seed = task
    rng = np.random.default_rng(seed)
    model, start = learnt(stream, rng), 2 * WINDOW
    rows = one_after_the_other([stream.draw(rng, start), stream.draw(rng, 2 * WINDOW, 0.0, stream.drift)])
    alarmed = False
    for end in range(start + LAG + STEP, start + 2 * WINDOW + 1, STEP):
        found = look(model, rows, end)
        alarmed |= found.state == "alarm"
        if found.gap is not None:
            return end - start, alarmed
    return None, alarmed


def quiet_run(task: Task) -> tuple[bool, bool, bool, bool]:
    """Whether anything alarms, or a gap is named, in three windows without a change: at the rate that is so high that
    it shows, and no smallest loss; and as shipped."""
    stream, seed = task
    rng = np.random.default_rng(seed)
    model, rows = learnt(stream, rng), stream.draw(rng, (WINDOWS + 1) * WINDOW)
    found = np.zeros(4, dtype=bool)
    for end in range(WINDOW, len(rows[1]) + 1, WINDOW // LOOKS_A_WINDOW):
        told = look(model, rows, end, rate=OFTEN, min_loss=0.0)
        # What is well at the higher rate is well at the lower.
        if told.state != "ok":
            shipped = look(model, rows, end)
            found |= [told.state == "alarm", told.gap is not None, shipped.state == "alarm", shipped.gap is not None]
    return tuple(found.tolist())


def tables(*, quick: bool, seed: int) -> Iterator[Table]:
    shifted, drifted, quiet = (10, 10, 5) if quick else (SHIFTED_RUNS, DRIFTED_RUNS, QUIET_RUNS)
    yield _shift(_done(shifted_run, shifted, [seed, 30], "estimate: covariate shift"), seed)
    yield _drift(_done(drifted_run, drifted, [seed, 31], "estimate: concept drift"))
    yield _quiet(_done(quiet_run, quiet, [seed, 32], "estimate: false alarms"))


def _done(work, runs: int, seed: list[int], what: str) -> dict[Stream, list]:
    tasks = [(stream, [*seed, kind, i]) for kind, stream in enumerate(STREAMS) for i in range(runs)]
    done = at_once(work, tasks, what)
    return {stream: done[kind * runs : (kind + 1) * runs] for kind, stream in enumerate(STREAMS)}


def _shift(done: dict[Stream, list], seed: int) -> Table:
    rows = []
    for kind, (stream, runs) in enumerate(done.items()):
        rng = np.random.default_rng([seed, 33, kind])
        before, after = (
            values(stream.draw(rng, TRUTH, shift)[1], (stream.metric,))[stream.metric] for shift in (0.0, stream.shift)
        )
        told, came = (np.array([run[i] for run in runs]) for i in (0, 1))
        trusted, alarms = sum(run[4] for run in runs), sum(run[3] for run in runs)
        off = f"{told.mean() / after - 1:+.1%}".replace("%", " %")
        near = [percent(int((abs(told / real - 1) <= NEAR).sum()), len(runs)) for real in (came, after)]
        held = percent(sum(run[2] for run in runs), len(runs))
        shown = (f"{before:.3f}", f"{after:.3f}", f"{told.mean():.3f}", off, *near, held)
        rows.append((stream.name, *shown, percent(trusted, len(runs)), percent(alarms, len(runs))))
    note = (
        f"The inputs shift, and with them the error; what they mean for the target stays. A holdout of {HOLDOUT:,}, "
        f"then two windows of {WINDOW:,} as it is, with their actuals, and one that has shifted, without; "
        f"{len(next(iter(done.values())))} runs a line. Holdout and realised: over {TRUTH:,} rows. Within "
        f"{NEAR:.0%}".replace("%", " %")
        + ": of the realised metric of the very window (which has its own luck), and "
        "of that of all rows."
    )
    head = ("metric", "holdout", "realised", "estimated, mean", "off", "within 10 % of the window's", "of all rows'")
    return Table(
        "Estimate: covariate shift", note, (*head, "95 % interval holds the window's", "record good", "alarm"), rows
    )


def _drift(done: dict[Stream, list]) -> Table:
    rows = []
    for stream, runs in done.items():
        delays = sorted(2 * WINDOW + 1 if delay is None else delay for delay, _ in runs)
        found = sum(delay <= 2 * WINDOW for delay in delays)
        shown = [delays[int(np.ceil(q * len(delays))) - 1] for q in (0.5, 0.9)]
        told = [f"over {2 * WINDOW:,}" if d > 2 * WINDOW else f"{d:,}" for d in shown]
        rows.append(
            (stream.name, percent(found, len(runs)), interval(found, len(runs)), *told, sum(alarm for _, alarm in runs))
        )
    note = (
        f"The target means something else than was learnt, and no input shows it. Predictions from there to the first "
        f'"possible concept drift", a look each {STEP}; actuals come {LAG} predictions late, which counts. '
        f"{len(next(iter(done.values())))} runs a line. Alarms are the estimate's own, which sees nothing of this."
    )
    head = ("metric", "named within two windows", "95 % interval", "median delay", "90 % of delays up to", "alarms")
    return Table("Estimate: concept drift", note, head, rows)


def _quiet(done: dict[Stream, list]) -> Table:
    rows = [(stream.name, *_quiet_cells(runs)) for stream, runs in done.items()]
    rows.append(("all", *_quiet_cells([run for runs in done.values() for run in runs])))
    note = (
        f"Nothing has changed. {len(next(iter(done.values())))} runs a line, each with a holdout of its own and "
        f"{WINDOWS} full windows of new rows, looked at {LOOKS_A_WINDOW} times a window. Runs with an alarm, or a gap: "
        f"at {OFTEN:.0%} a window and without a smallest loss, so that a threshold that is too low shows; and as "
        f"shipped ({OF_ESTIMATE:.2%} a window, {MIN_LOSS:.0%}).".replace("%", " %")
    )
    head = ("metric", "alarms at 5 %", "gaps at 5 %", "either", "expected at most", "as shipped: alarms", "gaps")
    return Table("Estimate: false alarms", note, head, rows)


def _quiet_cells(runs: list) -> tuple[object, ...]:
    alarms, gaps, shipped, shipped_gaps = (sum(run[i] for run in runs) for i in range(4))
    either = sum(run[0] or run[1] for run in runs)
    return alarms, gaps, either, f"{WINDOWS * len(runs) * OFTEN:.1f}", shipped, shipped_gaps
