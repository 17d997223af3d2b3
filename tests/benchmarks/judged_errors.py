"""Errors as models make them, with a change or without, and what is said of them while the rows come in.

A loss below `min_loss` never alarms, however sure, so only the looks at which some stretch has lost as much are taken:
that changes no verdict, and saves two thirds of the time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import sklearn
from scipy.signal import lfilter
from scipy.special import ndtr
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from tests.benchmarks.tables import RATE
from workbench.holdout import Holdout, measure
from workbench.performance import SHORTEST, Rules, judge_stream, judge_window
from workbench.row_losses import row_losses
from workbench.scores import Sample, higher_is_better
from workbench.sections import BUDGET

OF_PERFORMANCE = RATE * BUDGET["performance"]
MIN_LOSS = 0.1
RHO = 0.8
# Of the classifiers: how many rows are positive, how many of those are hit, how many others are not left alone; and
# how often the one that is judged by its accuracy is wrong.
BASE_RATE, HIT, FALSE_HIT, WRONG = 0.2, 0.75, 0.08, 0.12


def normal(worse: np.ndarray, rng: np.random.Generator) -> Sample:
    return _regression(rng.normal(size=len(worse)) * (1 + worse))


def exponential(worse: np.ndarray, rng: np.random.Generator) -> Sample:
    return _regression(rng.laplace(size=len(worse)) * (1 + worse))


def remembering(worse: np.ndarray, rng: np.random.Generator) -> Sample:
    return _regression(_ar1(len(worse), rng) * (1 + worse))


def wrong(worse: np.ndarray, rng: np.random.Generator) -> Sample:
    return _flipped(rng.random(len(worse)) < WRONG * (1 + worse), rng)


def wrong_remembering(worse: np.ndarray, rng: np.random.Generator) -> Sample:
    return _flipped(ndtr(_ar1(len(worse), rng)) < WRONG * (1 + worse), rng)


def missed(worse: np.ndarray, rng: np.random.Generator) -> Sample:
    true = rng.random(len(worse)) < BASE_RATE
    said = rng.random(len(worse)) < np.where(true, HIT * (1 - worse), FALSE_HIT)
    return _classes(true, said)


def _regression(errors: np.ndarray) -> Sample:
    return Sample("regression", np.zeros(len(errors)), errors)


def _classes(true: np.ndarray, said: np.ndarray) -> Sample:
    return Sample("classification", true.astype(int), said.astype(int), ("0", "1"))


def _flipped(wrong: np.ndarray, rng: np.random.Generator) -> Sample:
    true = rng.random(len(wrong)) < BASE_RATE
    return _classes(true, true ^ wrong)


def _ar1(n: int, rng: np.random.Generator) -> np.ndarray:
    """Normal, sd 1; each row remembers the one before."""
    return lfilter([np.sqrt(1 - RHO**2)], [1, -RHO], rng.normal(size=n + 200))[200:]


@dataclass(frozen=True)
class Errors:
    """`draw` makes len(worse) rows, each as much worse than the holdout as `worse` says: 0.25 is an error 25 % larger,
    or a quarter of the hits missed."""

    name: str
    draw: Callable[[np.ndarray, np.random.Generator], Sample]
    metric: str
    watch: tuple[str, ...] = ()

    def rules(self, rate: float = OF_PERFORMANCE) -> Rules:
        return Rules(self.metric, self.watch, MIN_LOSS, rate)

    def holdout(self, n: int, rng: np.random.Generator, *, in_order: bool = True) -> Holdout:
        sample = self.draw(np.zeros(n), rng)
        return measure(sample, (self.metric, *self.watch), times=[], in_order=in_order)


NORMAL = Errors("MAE, normal", normal, "mae")
EXPONENTIAL = Errors("MAE, exponential", exponential, "mae")
REMEMBERING = Errors(f"MAE, AR(1), rho {RHO}", remembering, "mae")
ACCURACY = Errors("accuracy", wrong, "accuracy")
ACCURACY_REMEMBERING = Errors(f"accuracy, AR(1), rho {RHO}", wrong_remembering, "accuracy")
RECALL = Errors("recall", missed, "recall")
F1 = Errors("F1, precision, recall", missed, "f1", ("precision", "recall"))


@dataclass(frozen=True)
class Look:
    """What a check after `end` rows says: whether the window alarms, whether its newest stretches do, and whether so
    few rows tell nothing though the window is full."""

    end: int
    window: bool
    stream: bool
    unsure: bool = False


def follow(live: Sample, holdout: Holdout, rules: Rules, size: int, ends: Sequence[int]) -> Iterator[Look]:
    """Check after check of the last `size` rows, as the monitor makes them; without those that cannot alarm, except
    where a window has just been filled anew."""
    stretches = [size // 2**k for k in range(1, 40) if size // 2**k >= SHORTEST]
    of_window = _lost_enough(live, holdout, rules, [size], ends)
    of_stream = _lost_enough(live, holdout, rules, stretches, ends)
    for end, look_at_window, look_at_stream in zip(ends, of_window, of_stream, strict=True):
        filled = end % size == 0
        if not (look_at_window or look_at_stream or filled):
            continue
        sample = live.take(np.arange(max(end - size, 0), end))
        judged = judge_window(sample, holdout, rules) if look_at_window or filled else ()
        stream = judge_stream(sample, holdout, rules, size) if look_at_stream else None
        yield Look(
            end,
            window=any(j.state == "alarm" for j in judged),
            stream=stream is not None and stream.rows < len(sample) and stream.state == "alarm",
            unsure=filled and judged[0].state == "insufficient",
        )


def _lost_enough(
    live: Sample, holdout: Holdout, rules: Rules, lengths: Sequence[int], ends: Sequence[int]
) -> np.ndarray:
    """At which ends one of the metrics has lost `min_loss` in one of the last so many rows."""
    until, found = np.asarray(ends), np.zeros(len(ends), dtype=bool)
    for name in (rules.metric, *rules.watch):
        yard = holdout.yardsticks[name]
        # The losses of a share have mean 0 where it is what the constants say, so they say the share that would alarm.
        at = {c: (share * (1 - rules.min_loss), below) for c, (share, below) in yard.at.items()}
        least = 0.0 if at else yard.value * (1 + rules.min_loss)
        if higher_is_better(name) and not at:
            least = 1 - yard.value * (1 - rules.min_loss)
        losses = row_losses(live, name, at)
        assert losses is not None, name
        sums = np.concatenate([[0.0], np.cumsum(losses)])
        for length in lengths:
            rows = np.minimum(length, until)
            found |= (sums[until] - sums[until - rows]) / rows >= least - 1e-9
    return found


def at_once(work: Callable, tasks: Sequence, what: str, workers: int = 2) -> list:
    """`work` on each task, in the order of the tasks; on two cores, if there is more than a little to do."""
    bar = tqdm(total=len(tasks), desc=what, mininterval=1)
    with ProcessPoolExecutor(workers, initializer=_in_a_hurry) as pool:
        done = []
        for result in pool.map(work, tasks, chunksize=max(1, min(20, len(tasks) // (4 * workers)))):
            done.append(result)
            bar.update()
    bar.close()
    return done


def _in_a_hurry() -> None:
    # scikit-learn looks at its arguments for longer than it computes; that changes no value.
    sklearn.set_config(assume_finite=True, skip_parameter_validation=True)
    threadpool_limits(1)
