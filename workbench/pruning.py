"""What of metrics/ may go: whole segments that nothing held refers to, and no label before it has been archived."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from workbench.errors import Busy
from workbench.evaluation import Evaluation
from workbench.files import replace_whole
from workbench.records import Actual, Prediction, Stamp
from workbench.segment_file import closed_segment
from workbench.segments import order, read_line, segment_start
from workbench.tails import AFTER_ALL, Follower, Order

Pairs = list[tuple[Prediction, Actual]]
MayGo = Callable[[Path], bool]


def always(path: Path) -> bool:
    """Of a segment: nothing but this machine has a say."""
    return True


# Nobody needs his turn for longer than some tenths of a second.
TURN_S, LOOK_AGAIN_S = 3.0, 0.002


@contextmanager
def labels_by_turns(folder: Path, wait_s: float = TURN_S) -> Iterator[None]:
    """One at a time of all threads and processes: those that judge actuals and write them, and the pruner.

    So that of two different actuals for one prediction one is taken, and none for a prediction that is just going.

    Raises
    ------
    Busy
        If somebody has held the lock for `wait_s`: a process that was halted, or a stranger.
    """
    fd = None
    # A disk that refuses this refuses the actuals too: they wait in memory and are counted.
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / "actuals.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fd is not None:
            _lock(fd, folder, wait_s)
        yield
    finally:
        if fd is not None:
            os.close(fd)


def _lock(fd: int, folder: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise Busy(
                    f"another process has held {folder.name}/actuals.lock for {wait_s:g} s and takes no actuals in; "
                    f"`python main.py doctor` tells which one"
                ) from error
            time.sleep(LOOK_AGAIN_S)


def prune_predictions(
    folder: Path,
    kept: Sequence[Stamp],
    labelled: Callable[[Iterable[Prediction]], Pairs],
    archive: Callable[[Pairs], None],
    may_go: MayGo = always,
) -> int:
    """Delete the segments of predictions and actuals that `kept` does not need; returns how many.

    Parameters
    ----------
    folder : path of metrics/
    kept : the predictions that stay, oldest first; not empty
    labelled : joins predictions to the actuals now on disk
    archive : takes labelled predictions that are about to lose their records
    may_go : of a segment, once nobody writes to it any more
    """
    gone, limit = 0, order(kept[0])
    for path in finished(folder / "predictions", limit):
        with closed_segment(path) as closed:
            if closed and may_go(path):
                # The long look at the actuals first; workers need not wait for that.
                labelled(())
                with labels_by_turns(folder):
                    archive(labelled(records(path, Prediction)))
                    path.unlink()
                gone += 1
    old_actuals = finished(folder / "actuals", limit)
    if old_actuals:
        within = {stamp.id for stamp in kept}
        beyond = _beyond(folder / "predictions", limit)
        for path in old_actuals:
            gone += _prune_actuals(path, within, beyond, labelled, archive, may_go)
    return gone


def _prune_actuals(
    path: Path,
    within: set[str],
    beyond: dict[str, Prediction],
    labelled: Callable[[Iterable[Prediction]], Pairs],
    archive: Callable[[Pairs], None],
    may_go: MayGo,
) -> bool:
    """Delete a segment of actuals; those of predictions that a segment in use still holds are archived first."""
    with closed_segment(path) as closed:
        named = {actual.prediction_id for actual in records(path, Actual)}
        # A clock that was set back can make an actual look older than its prediction.
        gone = closed and may_go(path) and not named & within
        if gone:
            archive(labelled(prediction for name, prediction in beyond.items() if name in named))
            path.unlink()
    return gone


def _beyond(folder: Path, limit: Order) -> dict[str, Prediction]:
    """Predictions before `limit` in segments that also hold later ones, or that a writer has open."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        for prediction in records(path, Prediction):
            if order(prediction) >= limit:
                break
            found[prediction.id] = prediction
    return found


def delete(folder: Path, limit: Order, may_go: MayGo = always) -> int:
    """Delete the segments whose every record comes before `limit`."""
    gone = 0
    for path in finished(folder, limit):
        with closed_segment(path) as closed:
            if closed and may_go(path):
                path.unlink()
                gone += 1
    return gone


def thin_evaluations(folder: Path, limit: Order, may_go: MayGo = always) -> int:
    """Of evaluations before `limit`, keep the first of each hour and of each run of alarms."""
    gone = 0
    for path in finished(folder, limit):
        with closed_segment(path) as closed:
            if closed and may_go(path):
                gone += _thin(path)
    return gone


def finished(folder: Path, limit: Order) -> list[Path]:
    """Segments whose every record comes before `limit`, oldest first; those without one, if they were begun before."""
    paths = []
    follower = Follower[Stamp](folder, Stamp)
    for path in sorted(folder.glob("*.jsonl")):
        last = follower.last(path.name)
        if (order(last) if last else (segment_start(path.stem) or AFTER_ALL[0], "")) < limit:
            paths.append(path)
    return paths


def records(path: Path, kind: Any) -> Iterator[Any]:
    """The records of a segment, line by line; damaged lines are skipped."""
    decoder = msgspec.json.Decoder(kind)
    with open(path, "rb") as lines:
        for line in lines:
            try:
                record = read_line(decoder, line)
            except ValueError:
                continue
            if line.endswith(b"\n"):
                yield record


def thinned(rows: Sequence[Evaluation]) -> list[Evaluation]:
    """Of evaluations in order, the first of each hour and of each run of alarms."""
    rest: list[Evaluation] = []
    hours: set[str] = set()
    alarmed = False
    for row in rows:
        # Beside the row before, kept or not: a second run of alarms within the hour is one of its own.
        if row.recorded_at[:13] not in hours or (row.alarms and not alarmed):
            rest.append(row)
        hours.add(row.recorded_at[:13])
        alarmed = bool(row.alarms)
    return rest


def _thin(path: Path) -> bool:
    rows: list[Evaluation] = list(records(path, Evaluation))
    rest = thinned(rows)
    if len(rest) < len(rows):
        replace_whole(path, b"".join(msgspec.json.encode(r) + b"\n" for r in rest))
    return len(rest) < len(rows)
