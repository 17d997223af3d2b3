"""What others do to metrics/ beside the service: edit or delete its files, hold its locks, leave segments behind."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from tests.conftest import until
from tests.faults.one_worker import ROWS, lines, one_worker, silence, workspace
from tests.faults.table import Outcome
from workbench import retention
from workbench.doctor import examine
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_text
from workbench.records import Prediction
from workbench.version_store import VersionStore

HOLD = """
import fcntl, sys
held = [open(path, "a") for path in sys.argv[1:]]
for file in held:
    fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def saved_by_an_editor(path: Path, rng: random.Random) -> None:
    old = path.rename(path.with_name(f"{path.name}~"))
    path.write_bytes(old.read_bytes())


def without_its_end(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: -rng.randint(1, 400)])


def with_half_a_line(path: Path, rng: random.Random) -> None:
    with path.open("ab") as file:
        file.write(b'{"id":"half a line that somebody typed')


def overwritten(path: Path, rng: random.Random) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(rng.randrange(size) if size else 0)
        file.write(b"\0" * min(rng.randint(1, 600), size - file.tell()))


def emptied(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def deleted(path: Path, rng: random.Random) -> None:
    path.unlink()


def deleted_with_its_folder(path: Path, rng: random.Random) -> None:
    for other in path.parent.iterdir():
        other.unlink()
    path.parent.rmdir()


ACTS: tuple[Callable[[Path, random.Random], None], ...] = (
    saved_by_an_editor,
    without_its_end,
    with_half_a_line,
    overwritten,
    emptied,
    deleted,
    deleted_with_its_folder,
)


def edited(folder: Path, seed: int, rounds: int) -> Outcome:
    """Of what was there before a hand touched it, all that the hand left; of what comes after, everything, once."""
    rng, checked = random.Random(seed), 0
    settings = workspace(folder / "ws")
    predictions = settings.metrics_dir / "predictions"
    lost = twice = 0
    follower = MetricsStore.of(settings)
    with silence(), one_worker(settings, rng) as worker:
        for number in range(rounds):
            for _ in range(3):
                worker.predict()
            act = ACTS[(number + seed) % len(ACTS)]
            act(rng.choice(sorted(predictions.glob("*.jsonl"))), rng)
            left = lines(predictions)
            worker.predicted = []
            worker.labelled = []
            for _ in range(2):
                worker.predict()
                worker.label(3)
            expected = sorted([*left, *worker.predicted])
            found = sorted(lines(predictions))
            lost += len(set(expected) - set(found))
            twice += len(found) - len(set(found))
            checked += len(expected)
            # Whoever followed the files and whoever opens them now read the same, and no other; but who has read what
            # is overwritten since, holds it.
            if act is overwritten:
                follower = MetricsStore.of(settings)
            followed, anew = ([p.id for p in s.history()] for s in (follower, MetricsStore.of(settings)))
            worker.expect(followed == anew, f"{act.__name__}: two readers differ")
            worker.expect(sorted(anew) == found, f"{act.__name__}: not what is there")
            worker.expect(worker.get("/maintenance/predictions?limit=5").status_code == 200, f"{act.__name__}: unread")
            worker.expect(worker.health() == "", f"{act.__name__}: {worker.health()}")
    worker.say()
    return Outcome(rounds, f"{checked:,} records, {len(ACTS)} kinds of changes", lost, twice + len(worker.wrong))


def locked(folder: Path, seed: int, rounds: int) -> Outcome:
    """A halted process holds all there are: predictions go on, nobody waits for ever, and all goes on after it."""
    rng = random.Random(seed)
    settings = workspace(folder / "ws")
    versions = VersionStore(settings.versions_dir)
    names = [settings.metrics_dir / f"{name}.lock" for name in ("actuals", "prune", "aside", "jobs/start", "backtest")]
    names += [settings.versions_dir / f"{name}.lock" for name in ("switch", "retrain", "prune")]
    (settings.metrics_dir / "jobs").mkdir(parents=True, exist_ok=True)
    with silence(), one_worker(settings, rng) as worker:
        for _ in range(rounds):
            worker.predict()
            worker.label()
            command = [sys.executable, "-c", HOLD, *map(str, names)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
                assert holder.stdout is not None
                assert holder.stdin is not None
                assert holder.stdout.readline() == b"held\n"
                worker.predict()
                ids = [name for name in worker.predicted if name not in worker.labelled][-2:]
                items = {"actuals": [{"prediction_id": name, "actual": 1.0} for name in ids]}
                for _ in range(2):
                    answer = worker.post("/feedback", items)
                    worker.expect(answer.status_code == 503, f"/feedback answers {answer.status_code}")
                    worker.expect("retry-after" in answer.headers, "no Retry-After")
                worker.expect("actuals.lock" in worker.health(), f"/health says {worker.health()!r}")
                worker.predict()
                answer = worker.post("/maintenance/retrain", {"reason": "fault"})
                worker.expect(answer.status_code == 409, f"a retrain: {answer.status_code} {answer.text}")
                worker.expect(retention.prune(worker.store, lambda rows: None) == 0, "pruned under a lock")
                held = {lock.path for lock in examine(settings.root).locks if lock.held and lock.pid == holder.pid}
                worker.expect("metrics/actuals.lock" in held, "the doctor does not tell who holds it")
                target = "second" if worker.live() == "first" else "first"
                switch = threading.Thread(target=versions.activate, args=(target,), kwargs={"by": "t", "reason": ""})
                switch.start()
                worker.predict()
                worker.expect(switch.is_alive() and worker.live() != target, "switched under a lock")
                holder.stdin.close()
                holder.wait()
            switch.join(30)
            worker.expect(worker.live() == target, "the switch was not carried out")
            answer = worker.post("/feedback", items)
            worker.expect(answer.json().get("accepted") == ids, f"afterwards: {answer.text}")
            worker.labelled += ids
            until(lambda target=target: worker.get("/ready").json()["model_version"] == target, timeout_s=20)
            worker.expect(worker.health() == "", f"/health still says {worker.health()!r}")
    return worker.outcome(rounds, settings.metrics_dir, detail=f"{len(names)} locks")


def stale(folder: Path, seed: int, rounds: int) -> Outcome:
    """1,000 segments of writers that are gone: whole, torn, empty, without one valid line."""
    checked = lost = wrong = 0
    for number in range(rounds):
        rng = random.Random(seed * 1_000 + number)
        extra = "\n[monitor]\nwindow = 100\nhistory = 300\nsegment_rows = 50\n"
        settings = workspace(folder / f"ws{number}", extra)
        predictions = settings.metrics_dir / "predictions"
        predictions.mkdir(exist_ok=True)
        told = [(order, name) for i in range(1_000) for order, name in _left_behind(predictions, i, rng)]
        with silence(), one_worker(settings, rng) as worker:
            for _ in range(20):
                worker.predict()
            stamps = zip(lines(predictions, "recorded_at"), lines(predictions), strict=True)
            last = [name for _, name in sorted({*told, *stamps})][-300:]
            worker.expect([p.id for p in worker.store.history()] == last, "another history")
            worker.expect([p.id for p in MetricsStore.of(settings).window()] == last[-100:], "another window")
            gone = retention.prune(worker.store, lambda rows: None)
            left = {path.stem for path in predictions.glob("*.jsonl")}
            needed = {name.rpartition("-")[0] for name in last}
            worker.expect(needed <= left, "the pruner took what the history needs")
            worker.expect(len(left - needed) <= 1, f"{len(left - needed)} stale segments stay")
            worker.expect(gone > 900, f"{gone} pruned")
            worker.expect([p.id for p in worker.store.history()] == last, "another history after the prune")
            lost += len(set(worker.predicted[-300:]) - set(lines(predictions)))
            checked += len(told)
        worker.say()
        wrong += len(worker.wrong)
    return Outcome(rounds, f"{checked:,} records in {rounds * 1_000:,} segments", lost, wrong)


def _left_behind(folder: Path, number: int, rng: random.Random) -> list[tuple[str, str]]:
    """One segment; time and id of the records in it that count."""
    begun = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    segment, kind = f"{begun:%Y%m%dT%H%M%S%fZ}-{rng.randrange(10**5)}-{rng.randrange(16**6):06x}", rng.randrange(10)
    told, written = [], b""
    for line in range(rng.randint(1, 4) if kind > 1 else 0):
        name, stamp = f"{segment}-{line:07d}", utc_text(begun + timedelta(seconds=line))
        record = Prediction(
            id=name, recorded_at=stamp, event_time=stamp, version="first", inputs=ROWS[0], output=1.0, response_s=0.001
        )
        written += msgspec.json.encode(record) + b"\n"
        told.append((stamp, name))
    torn = {1: b"\x00\xff no record\n", 2: b'{"id":"torn', 3: b"{}\n"}
    (folder / f"{segment}.jsonl").write_bytes(written + torn.get(kind, b""))
    return told
