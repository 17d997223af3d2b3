"""Disks that are full, broken, forbidden or gone: predictions go on; nothing acknowledged is lost, or there twice."""

from __future__ import annotations

import os
import random
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from tests.conftest import until
from tests.faults.disks import Disk, Moved, failing_disk, small_disk
from tests.faults.hands import edited, locked, stale
from tests.faults.nobody import NOBODY, as_nobody
from tests.faults.one_worker import ROWS, Account, command, lines, one_worker, silence, workspace
from tests.faults.table import Fault, Outcome
from workbench.segments import KEPT_IN_MEMORY
from workbench.settings import load_settings


def full(folder: Path, seed: int, rounds: int) -> Outcome:
    return _refusing(small_disk(folder / "disk"), seed, rounds)


def failing(folder: Path, seed: int, rounds: int) -> Outcome:
    return _refusing(failing_disk(folder / "disk"), seed, rounds)


def _refusing(made: AbstractContextManager[Disk], seed: int, rounds: int) -> Outcome:
    """Traffic, labels, a switch and a word to the automation while the disk refuses every new block."""
    rng = random.Random(seed)
    with made as disk, silence():
        settings = workspace(disk.folder / "ws")
        with one_worker(settings, rng) as worker:
            pauses = broken = 0
            for _ in range(rounds):
                worker.predict()
                worker.label()
                other = "second" if worker.live() == "first" else "first"
                disk.break_it()
                try:
                    # The last block of a file has room for some more.
                    # A round in which there was room to the end does not count.
                    waits = any(worker.predict() for _ in range(50))
                    broken += waits
                    worker.predict()
                    worker.label()
                    told = worker.health()
                    worker.expect(not waits or any(word in told for word in disk.says), f"/health says {told!r}")
                    done = {word: _told(worker, word, *more) for word, *more in (("activate", other), ("pause",))}
                finally:
                    disk.mend()
                worker.settled()
                worker.expect(worker.health() == "", f"/health still says {worker.health()!r}")
                worker.expect((worker.live() == other) == done["activate"], f"{done}, and {worker.live()} is live")
                paused = lines(settings.metrics_dir / "events", "kind").count("paused")
                worker.expect(paused == pauses + done["pause"], f"{done}, and {paused} pauses are written down")
                pauses = paused
        return worker.outcome(broken, settings.metrics_dir, detail=disk.kind)


def _told(worker: Account, *words: str) -> bool:
    """Whether a command did what it was told, or, in one line, that the disk refuses."""
    code, said = command(worker.settings, *words)
    worker.expect(code == 0 or (code == 2 and said.startswith("error: ")), f"{words}: {code} {said}")
    worker.expect("Traceback" not in said, f"{words}: {said}")
    return code == 0


def full_for_long(folder: Path, seed: int, rounds: int) -> Outcome:
    """More than is kept in memory: the oldest are lost, and counted to the last one."""
    rng = random.Random(seed)
    lost = wrong = told = 0
    for number in range(rounds):
        with small_disk(folder / f"disk{number}") as disk, silence():
            settings = workspace(disk.folder / "ws")
            with one_worker(settings, rng) as worker:
                disk.break_it()
                try:
                    while len(worker.predicted) < KEPT_IN_MEMORY + rng.randint(500, 3_000):
                        worker.ask(ROWS * rng.randint(5, 20))
                    worker.expect(worker.store.lost > 0, "nothing was counted as lost")
                    worker.expect(f"{worker.store.lost} are lost" in worker.health(), "/health does not tell the loss")
                finally:
                    disk.mend()
                worker.settled()
                gone, twice = worker.check(settings.metrics_dir)
                lost += abs(gone - worker.lost_predictions())
                told += gone
                wrong += twice + len(worker.wrong)
    return Outcome(rounds, f"{told:,} predictions given up, as many counted; {disk.kind}", lost, wrong)


# What is forbidden, with which mode, and what /health says of it: nothing where all can still be written.
FORBIDDEN = (
    ("metrics/predictions", 0o500, "Permission denied"),
    ("versions", 0o000, "the live version cannot be loaded"),
    ("metrics", 0o000, "Permission denied"),
    ("metrics", 0o500, ""),
    (".", 0o500, ""),
)


def forbidden(folder: Path, seed: int, rounds: int) -> Outcome:
    """Folders that their user may not write into, or not even look into."""
    # Not below a folder of root alone.
    with tempfile.TemporaryDirectory(prefix="fault-nobody-") as place, silence():
        os.chmod(place, 0o755)
        settings = workspace(Path(place) / "ws", extra="\n[monitor]\nsegment_rows = 7\n")
        settings = load_settings(settings.root)
        with one_worker(settings, random.Random(seed)) as warm:
            # What is imported only when it is needed is needed now.
            warm.label()
            warm.predict()
            warm.health()

        def rounds_of_it() -> dict[str, object]:
            rng = random.Random(seed)
            with one_worker(settings, rng) as worker:
                worker.predicted += warm.predicted
                for number in range(rounds):
                    name, mode, word = FORBIDDEN[(number + seed) % len(FORBIDDEN)]
                    worker.predict()
                    path = settings.root / name
                    before = path.stat().st_mode
                    path.chmod(mode)
                    try:
                        for _ in range(3):
                            worker.predict()
                        worker.get("/maintenance/summary")
                        until(lambda word=word: word in worker.health(), timeout_s=20)
                    finally:
                        path.chmod(before)
                    worker.settled()
                    until(lambda: worker.health() == "", timeout_s=20)
                lost, twice = worker.check(settings.metrics_dir)
                lost += worker.store.lost
                return {"n": len(worker.predicted), "lost": lost, "twice": twice, "wrong": worker.wrong}

        found = as_nobody(settings.root, rounds_of_it)
    for told in found["wrong"]:
        print(f"  {told}")
    checked = f"{found['n']:,} predictions; as user {os.geteuid() or NOBODY}, {len(FORBIDDEN)} kinds"
    return Outcome(rounds, checked, found["lost"], found["twice"] + len(found["wrong"]))


def vanished(folder: Path, seed: int, rounds: int) -> Outcome:
    """metrics/ or versions/ moved away, and back after a while."""
    rng = random.Random(seed)
    settings = workspace(folder / "ws")
    with silence(), one_worker(settings, rng) as worker:
        for number in range(rounds):
            name = ("metrics", "versions")[(number + seed) % 2]
            disk = Moved(settings.root, name)
            worker.predict()
            disk.break_it()
            for _ in range(3):
                worker.predict()
                worker.label()
            if name == "versions":
                until(lambda: "goes on answering" in worker.health(), timeout_s=20)
            worker.get("/maintenance/summary")
            disk.mend()
            worker.predict()
            worker.settled()
            until(lambda: worker.health() == "", timeout_s=20)
    return worker.outcome(rounds, settings.metrics_dir, detail=Moved.kind)


FAULTS = [
    Fault("full disk", full, 100, 2),
    Fault("disk full for longer than memory lasts", full_for_long, 5, 1),
    Fault("EIO on write", failing, 100, 2),
    Fault("forbidden folders", forbidden, 50, 5),
    Fault("vanished folder", vanished, 50, 2),
    Fault("files edited or deleted by hand", edited, 200, 8),
    Fault("another process holds every lock", locked, 10, 1),
    Fault("1,000 stale segments", stale, 3, 1),
]
