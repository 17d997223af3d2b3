"""metrics/: what happened, as JSON Lines on disk; many writers, many readers, one pruner.

Five folders of segments: predictions, actuals, service (requests and heartbeats), evaluations, events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import msgspec

from workbench.evaluation import Evaluation
from workbench.files import replace_whole
from workbench.records import (
    Actual,
    Event,
    Heartbeat,
    Prediction,
    Record,
    Request,
    Stamp,
    utc_now,
)
from workbench.segments import Writer, closed_segment, order
from workbench.tails import Tail

if TYPE_CHECKING:
    from workbench.settings import Settings

KINDS: dict[str, Any] = {
    "predictions": Prediction,
    "actuals": Actual,
    "service": Request | Heartbeat,
    "evaluations": Evaluation,
    "events": Event,
}
FOLDER_OF: dict[type, str] = {
    Prediction: "predictions",
    Actual: "actuals",
    Request: "service",
    Heartbeat: "service",
    Evaluation: "evaluations",
    Event: "events",
}
EVALUATIONS_KEPT_WHOLE = 5_000


class MetricsStore:
    """The JSON metrics store of one workspace.

    Parameters
    ----------
    folder : path
        `metrics/` of the workspace; made when first written.
    window : int
        How many predictions every statistic looks at.
    history : int
        How many predictions at least stay on disk.
    segment_rows : int
        Lines a segment; whole segments are pruned, so up to this many predictions a writer stay beyond `history`.
    fsync : bool
        Whether a write waits for the disk (survives power loss) or for the kernel alone (survives a killed process).
    clock : callable returning an aware datetime

    Examples
    --------
    >>> import tempfile
    >>> store = MetricsStore(tempfile.mkdtemp(), window=2)
    >>> for km in (10.0, 20.0, 30.0):
    ...     _ = store.append(Prediction(event_time="", version="v", inputs={"km": km}, output=1.0, response_s=0.01))
    >>> [p.inputs["km"] for p in store.window()]
    [20.0, 30.0]
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        window: int = 1000,
        history: int = 100_000,
        segment_rows: int = 5_000,
        fsync: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.folder = Path(folder)
        self.window_size = window
        self.history_size = max(history, window)
        self._writers = {
            name: Writer(
                self.folder / name,
                segment_rows=1_000 if name == "evaluations" else segment_rows,
                fsync=fsync,
                clock=clock,
            )
            for name in KINDS
        }
        self._tails: dict[tuple[str, Any, int | None, type | None], Tail[Any]] = {}

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], datetime] = utc_now) -> MetricsStore:
        """The store that settings describe."""
        return cls(
            settings.metrics_dir,
            window=settings.monitor.window,
            history=settings.monitor.history,
            segment_rows=settings.monitor.segment_rows,
            fsync=settings.monitor.fsync == "always",
            clock=clock,
        )

    def append(self, *records: Record) -> list[Any]:
        """Write records of one kind; returns them with their ids and times."""
        return self._writers[FOLDER_OF[type(records[0])]].append(records)

    @property
    def deferred(self) -> int:
        """Records that wait in memory because the disk refused them."""
        return sum(writer.deferred for writer in self._writers.values())

    def deferred_predictions(self) -> int:
        """Predictions that wait in memory because the disk refused them."""
        return self._writers["predictions"].deferred

    @property
    def lost(self) -> int:
        """Records given up because too many waited."""
        return sum(writer.lost for writer in self._writers.values())

    def flush(self) -> bool:
        waiting = [not writer.flush() for writer in self._writers.values()]
        return not any(waiting)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def window(self) -> list[Prediction]:
        """The last `window` predictions of all writers, oldest first."""
        return self.two_windows()[-self.window_size :]

    def two_windows(self) -> list[Prediction]:
        """The window and the one before it, oldest first."""
        return self._tail("predictions", Prediction, 2 * self.window_size).read()

    def history(self) -> list[Prediction]:
        """The last `history` predictions of all writers, oldest first."""
        return self._tail("predictions", Prediction, self.history_size).read()

    def prediction_ids(self) -> list[Stamp]:
        """Id and time alone of the last `history` predictions: a fifth of the memory."""
        return self._tail("predictions", Stamp, self.history_size).read()

    def actuals(self) -> list[Actual]:
        """All actuals on disk, oldest first; the first one of a prediction is the one that counts."""
        return self._tail("actuals", Actual, None).read()

    def requests(self) -> list[Request]:
        """The last answered requests: ten windows, since not each is for predictions."""
        return self._tail("service", KINDS["service"], 10 * self.window_size, Request).read()

    def heartbeats(self, keep: int = 20_000) -> list[Heartbeat]:
        return self._tail("service", KINDS["service"], keep, Heartbeat).read()

    def evaluations(self, keep: int = 1_000) -> list[Evaluation]:
        return self._tail("evaluations", Evaluation, keep).read()

    def events(self, keep: int | None = None) -> list[Event]:
        """All events, oldest first: what is in force is folded from them."""
        return self._tail("events", Event, keep).read()

    def damaged(self) -> int:
        """Lines skipped by this store's readers because they are no valid record."""
        return sum(tail.damaged for tail in self._tails.values())

    def _tail(self, name: str, kind: Any, keep: int | None, only: type | None = None) -> Tail[Any]:
        key = (name, kind, keep, only)
        if key not in self._tails:
            self._tails[key] = Tail(self.folder / name, kind, keep, only)
        return self._tails[key]

    def prune(self, archive: Callable[[list[tuple[Prediction, Actual]]], None]) -> int:
        """Delete the oldest segments that `history` does not need; one process at a time.

        Parameters
        ----------
        archive : callable
            Given the labelled predictions of the segments about to go; they go only after it has returned.

        Returns
        -------
        int
            Number of files deleted; 0 if another process is pruning.
        """
        try:
            with filelock.FileLock(self.folder / "prune.lock", blocking=False):
                return self._prune(archive)
        except filelock.Timeout:
            return 0

    def _prune(self, archive: Callable[[list[tuple[Prediction, Actual]]], None]) -> int:
        gone = 0
        kept = self.prediction_ids()
        if len(kept) >= self.history_size:
            limit = order(kept[0])
            actuals = {a.prediction_id: a for a in reversed(self.actuals())}

            def keep_labelled(path: Path) -> None:
                rows: Iterable[Prediction] = _records(path, Prediction)
                archive([(p, actuals[p.id]) for p in rows if p.id in actuals])

            gone += self._delete("predictions", limit, keep_labelled)
            # An actual follows its prediction, so one recorded before the oldest prediction kept has none left.
            gone += self._delete("actuals", limit)
        service = self._tail("service", Stamp, self.history_size).read()
        if len(service) >= self.history_size:
            gone += self._delete("service", order(service[0]))
        return gone + self._thin_evaluations()

    def _delete(self, name: str, limit: tuple[str, str], first: Callable[[Path], None] = lambda path: None) -> int:
        """Delete the segments whose every record comes before `limit`, each after `first` has seen it."""
        gone = 0
        for path in self._finished(name, limit):
            with closed_segment(path) as closed:
                if closed:
                    first(path)
                    path.unlink()
                    gone += 1
        return gone

    def _thin_evaluations(self) -> int:
        """Of evaluations that are no longer kept whole, keep the first of each hour and of each run of alarms."""
        kept = self._tail("evaluations", Stamp, EVALUATIONS_KEPT_WHOLE).read()
        thinned = 0
        for path in self._finished("evaluations", order(kept[0]) if kept else ("", "")):
            with closed_segment(path) as closed:
                if closed:
                    thinned += _thin(path)
        return thinned

    def _finished(self, name: str, limit: tuple[str, str]) -> list[Path]:
        """Segments whose every record comes before `limit`, oldest first."""
        paths = []
        for path in sorted((self.folder / name).glob("*.jsonl")):
            last = Tail[Stamp](path.parent, Stamp, 1)._last_records(path.name, path.stat().st_size, 1)[0]
            if last and order(last[-1]) < limit:
                paths.append(path)
        return paths


def _thin(path: Path) -> bool:
    rows: list[Evaluation] = list(_records(path, Evaluation))
    rest: list[Evaluation] = []
    hours: set[str] = set()
    for row in rows:
        if row.recorded_at[:13] not in hours or (row.alarms and not rest[-1].alarms):
            rest.append(row)
        hours.add(row.recorded_at[:13])
    if len(rest) < len(rows):
        replace_whole(path, b"".join(msgspec.json.encode(r) + b"\n" for r in rest))
    return len(rest) < len(rows)


def _records(path: Path, kind: Any) -> Iterator[Any]:
    decoder = msgspec.json.Decoder(kind)
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def join(predictions: Sequence[Prediction], actuals: Iterable[Actual]) -> list[tuple[Prediction, Actual]]:
    """Predictions with their actuals, in the order of the predictions; an id's first actual counts."""
    first: dict[str, Actual] = {}
    for actual in actuals:
        first.setdefault(actual.prediction_id, actual)
    return [(p, first[p.id]) for p in predictions if p.id in first]
