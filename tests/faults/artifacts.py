"""Artifacts that are not what was published: with code in them, swapped while they are read, of another library."""

from __future__ import annotations

import os
import pickle
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn.base
from sklearn.exceptions import InconsistentVersionWarning

from tests.faults.one_worker import command, one_worker, silence, workspace
from tests.faults.table import Outcome
from tests.kept import seal
from workbench.doctor import examine
from workbench.ensemble import answer
from workbench.errors import CorruptVersion
from workbench.golden import ATOL, RTOL, Golden
from workbench.version_store import VersionStore


class Payload:
    """Unpickling one makes a folder: whoever finds it has run a stranger's code."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def code(folder: Path, seed: int, rounds: int) -> Outcome:
    """An artifact that does something when it is unpickled, in the place of one that the manifest knows."""
    rng = random.Random(seed)
    settings = workspace(folder / "ws")
    store, armed = VersionStore(settings.versions_dir), 0
    with silence(), one_worker(settings, rng) as worker:
        for number in range(rounds):
            mark = folder / f"mark{number}"
            name = rng.choice(("first", "second"))
            path = rng.choice([p for p in sorted(store.files.path(name).iterdir()) if p.suffix in (".joblib", ".npy")])
            target = path.name
            whole = path.read_bytes()
            path.write_bytes(_armed(Payload(mark), target))
            for look in (store.load, store.serve, lambda name: store.serve(name).predictor.estimator()):
                try:
                    look(name)
                except CorruptVersion as error:
                    worker.expect(target in str(error), f"{target}: {error}")
            for words in (f"activate {name}", f"show {name}", f"whatif {name}", "compare first second", "check"):
                command(settings, *words.split())
            examine(settings.root)
            worker.predict()
            worker.expect(not mark.exists(), f"{target} of {name} was run")
            # And it would have been: the trap is a trap.
            _spring(path, target)
            armed += mark.is_dir()
            path.write_bytes(whole)
    return worker.outcome(armed, settings.metrics_dir, detail=f"{armed:,} traps, each sprung afterwards")


def _armed(payload: Payload, target: str) -> bytes:
    if target.endswith(".npy"):
        array = np.empty(1, object)
        array[0] = payload
        place = payload.mark.with_suffix(".npy")
        np.save(place, array, allow_pickle=True)
    else:
        place = payload.mark.with_suffix(".joblib")
        joblib.dump(payload, place)
    return place.read_bytes()


def _spring(path: Path, target: str) -> None:
    if target.endswith(".npy"):
        np.load(path, allow_pickle=True)
    else:
        joblib.load(path)


def swapped(folder: Path, seed: int, rounds: int) -> Outcome:
    """The same, put there just before the file is opened for the first, second, ... time: between hash and read."""
    settings = workspace(folder / "ws")
    store, mark = VersionStore(settings.versions_dir), folder / "mark"
    path = store.files.path("first", "model.joblib")
    whole, trap = path.read_bytes(), pickle.dumps(Payload(mark))
    swaps = wrong = 0
    for number in range(rounds):
        look = (store.load, lambda name: store.serve(name).predictor.estimator())[number % 2]
        with _before_opening(path, 1 + number // 2, lambda: path.write_bytes(trap)) as done:
            try:
                look("first")
            except CorruptVersion as error:
                wrong += path.name not in str(error)
        swaps += bool(done)
        path.write_bytes(whole)
        wrong += mark.exists()
    return Outcome(swaps, f"{rounds} loads, {swaps} of them with a swap", 0, wrong)


@contextmanager
def _before_opening(path: Path, time: int, deed: Callable[[], object]) -> Iterator[list[bool]]:
    """Do something just before a file is opened for the n-th time; the list is not empty once it is done."""
    done: list[bool] = []
    left, watching = time, True

    def watch(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if watching and event == "open" and str(args[0]) == str(path) and left > 0:
            left -= 1
            if left == 0:
                deed()
                done.append(True)

    # There is no way to take a hook back; it does nothing after the block.
    sys.addaudithook(watch)
    try:
        yield done
    finally:
        watching = False


def other_release(folder: Path, seed: int, rounds: int) -> Outcome:
    """An artifact that another scikit-learn wrote, and that answers a little otherwise here; its hash is right."""
    rng = random.Random(seed)
    settings = workspace(folder / "ws")
    store = VersionStore(settings.versions_dir)
    path, refused, wrong = store.files.path("second", "model.joblib"), 0, 0
    golden, schema = store.files.read("first", "golden.json", Golden), store.metadata("first").features
    for number in range(rounds):
        estimator = store.load("first").estimator
        if number % 4:
            learnt = rng.choice(list(_fitted(estimator)))
            learnt *= 1 + 10.0 ** -rng.randint(2, 7)
        said = answer(estimator, schema, golden.rows).predictions
        differs = not np.allclose(said, golden.predictions, rtol=RTOL, atol=ATOL)
        here, sklearn.base.__version__ = sklearn.base.__version__, "0.99.0"
        try:
            joblib.dump(estimator, path)
        finally:
            sklearn.base.__version__ = here
        seal(store, "second")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", InconsistentVersionWarning)
            code, words = command(settings, "activate", "second")
            wrong += store.live_id() != ("first" if differs else "second")
            wrong += command(settings, "activate", "first")[0] != 0
        # It was written by another one indeed.
        wrong += not any(issubclass(warning.category, InconsistentVersionWarning) for warning in told)
        wrong += (code == 2 and "answers its golden inputs otherwise" in words) != differs
        refused += differs
    counts = f"{refused:,} that answer otherwise refused, {rounds - refused:,} equal ones taken"
    return Outcome(rounds, counts, 0, wrong)


def _fitted(found: Any, seen: set[int] | None = None) -> Iterator[np.ndarray]:
    """Arrays of numbers that an estimator and its parts have learnt."""
    seen = set() if seen is None else seen
    if id(found) in seen:
        return
    seen.add(id(found))
    if isinstance(found, list | tuple):
        for part in found:
            yield from _fitted(part, seen)
    elif hasattr(found, "get_params"):
        for name, value in vars(found).items():
            if isinstance(value, np.ndarray) and name.endswith("_") and value.dtype.kind == "f" and value.size:
                yield value
            else:
                yield from _fitted(value, seen)
