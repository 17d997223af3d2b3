"""Bytes that changed on the disk: named with file and remedy, and the live version goes on."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import until
from tests.faults.artifacts import code, other_release, swapped
from tests.faults.damage import ACTUAL, PREDICTION, damage, flip, is_record
from tests.faults.one_worker import ROWS, command, one_worker, silence, workspace
from tests.faults.table import Fault, Outcome
from workbench import retention
from workbench.doctor import examine
from workbench.ensemble import answer
from workbench.errors import CorruptVersion, UnknownVersion
from workbench.golden import ATOL, RTOL
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.records import Actual, Prediction
from workbench.tails import Tail
from workbench.version_store import VersionStore

REMEDIES = ("restore", "train a new version", "activate")


def versions(folder: Path, seed: int, rounds: int) -> Outcome:
    """A byte of any file of the live version or of another, of its manifest or of the pointer."""
    rng = random.Random(seed)
    settings = workspace(folder / "ws")
    store, named = VersionStore(settings.versions_dir), 0
    expected = answer(store.load("first").estimator, store.metadata("first").features, ROWS).predictions
    files = [store.pointer.path, *(store.files.manifest(name) for name in ("first", "second"))]
    files += [path for name in ("first", "second") for path in sorted(store.files.path(name).iterdir())]
    with silence(), one_worker(settings, rng) as worker:
        for number in range(rounds):
            path = files[(number + seed) % len(files)]
            whole, state = path.read_bytes(), path.stat()
            how = damage(path, rng)
            target = "second" if "second" in str(path) else "first"
            try:
                store.pointer.read()
                store.load(target)
                # Space between words may be another space; an artifact may not.
                worker.expect(path.suffix == ".json" and "models" not in path.parts, f"{how}: not noticed")
            except (CorruptVersion, UnknownVersion) as error:
                named += 1
                told = str(error)
                worker.expect(path.name in told or path.parent.name == "manifests", f"{how}: {told} names no file")
                worker.expect(any(word in told for word in (*REMEDIES, "versions`")), f"{how}: {told} has no remedy")
            worker.expect(_served(store, target, expected), f"{how}: another answer")
            code, said = command(settings, "activate", "second")
            refused = code == 2 and said.startswith("error: ") and "Traceback" not in said
            worker.expect(refused if target == "second" else code == 0, f"{how}: activate says {code} {said}")
            for where in ("versions", "versions/first", "versions/second", "summary"):
                worker.get(f"/maintenance/{where}")
            worker.predict()
            _put_back(path, whole, state)
            code, said = command(settings, "activate", "first")
            worker.expect(code == 0 and worker.live() == "first", f"{how}, mended: {said}")
        until(lambda: worker.health() == "", timeout_s=20)
    return worker.outcome(rounds, settings.metrics_dir, detail=f"{len(files)} files, {named:,} named")


def _put_back(path: Path, whole: bytes, state: os.stat_result) -> None:
    if path.name != "live.json":
        path.write_bytes(whole)
        path.chmod(state.st_mode)


def _served(store: VersionStore, version_id: str, expected: list[Any]) -> bool:
    """Whether a worker that starts now answers right, or does not answer and says why."""
    try:
        said = store.serve(version_id).predictor.answer(ROWS).predictions
    except (CorruptVersion, UnknownVersion):
        return True
    return bool(np.allclose(said, expected, rtol=RTOL, atol=ATOL))


def pointer(folder: Path, seed: int, rounds: int) -> Outcome:
    """The pointer while a worker serves: /health names it, the version stays, `activate` mends it."""
    rng, named = random.Random(seed), 0
    settings = workspace(folder / "ws")
    path = settings.versions_dir / "live.json"
    with silence(), one_worker(settings, rng) as worker:
        store = worker.client.app.state.versions
        for _ in range(rounds):
            before, how = store.live(), damage(path, rng)
            # In the place of the old one, so that the worker looks at it.
            if path.exists():
                path.with_suffix(".new").write_bytes(path.read_bytes())
                path.with_suffix(".new").rename(path)
            try:
                worker.expect(store.live() == before, f"{how}: {store.live()}")
            except CorruptVersion:
                named += 1
                until(lambda: "live.json" in worker.health() and "activate first" in worker.health(), timeout_s=20)
            worker.predict()
            code, said = command(settings, "activate", "first")
            worker.expect(code == 0, f"{how}: {said}")
            until(lambda: worker.health() == "", timeout_s=20)
            generations = [p.generation for p in store.pointer.log()]
            worker.expect(generations == sorted(set(generations)), f"{how}: generations {generations[-3:]}")
    return worker.outcome(rounds, settings.metrics_dir, detail=f"{named:,} named, as many mended")


def records(folder: Path, seed: int, rounds: int) -> Outcome:
    """Bits of records: a line that is none any more is left out and counted, every other one is read as it is."""
    rng = random.Random(seed)
    settings = workspace(folder / "ws")
    checked = skipped = undetected = 0
    with silence(), one_worker(settings, rng) as worker:
        for _ in range(40):
            worker.predict(5)
            worker.label()
        worker.store.close()
        reference = worker.client.app.state.versions.reference("first")
        sound = {line for p in settings.metrics_dir.glob("*/*.jsonl") for line in _lines(p)}
        segments = sorted(settings.metrics_dir.glob("*/*.jsonl"))
        for _ in range(rounds):
            path = rng.choice(segments)
            whole = path.read_bytes()
            changed = whole
            for _ in range(rng.choice((1, 1, 1, 2, 8))):
                changed = flip(changed, rng)
            path.write_bytes(changed)
            for kind, name, rule in ((Prediction, "predictions", PREDICTION), (Actual, "actuals", ACTUAL)):
                there = [line for p in (settings.metrics_dir / name).glob("*.jsonl") for line in _lines(p)]
                right = sum(is_record(line, *rule) for line in there)
                tail = Tail(settings.metrics_dir / name, kind, None)
                told = f"{len(tail.read())} read and {tail.damaged} counted, of {right} and {len(there) - right}"
                worker.expect((len(tail.records), tail.damaged) == (right, len(there) - right), f"{path.name}: {told}")
                checked += len(there)
                skipped += tail.damaged
                undetected += sum(is_record(line, *rule) for line in set(there) - sound)
            # Whoever reads what is left, valid or not what it was, does so to the end.
            monitor = ModelMonitor(MetricsStore.of(settings), settings)
            monitor.check(reference)
            monitor.summary()
            retention.prune(monitor.store, lambda rows: None)
            for where in ("summary", "predictions", "drift", "performance", "evaluations", "events"):
                worker.get(f"/maintenance/{where}")
            examine(settings.root)
            monitor.store.close()
            path.write_bytes(whole)
        worker.predicted, worker.labelled = [], []
    worker.say()
    told = f"{checked:,} lines, {skipped:,} left out and counted, {undetected:,} changed and still records"
    return Outcome(rounds, told, 0, len(worker.wrong))


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


FAULTS = [
    Fault("files of versions", versions, 400, 12),
    Fault("pointer", pointer, 100, 10),
    Fault("records", records, 300, 8),
    Fault("code in an artifact", code, 40, 2),
    Fault("an artifact swapped while it is loaded", swapped, 12, 12),
    Fault("an artifact of another scikit-learn", other_release, 40, 4),
]
