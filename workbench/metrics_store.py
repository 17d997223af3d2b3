"""metrics/: what happened, as JSON Lines on disk; many writers, many readers, one pruner.

Six folders of segments: predictions, actuals, refused, service (requests and heartbeats), evaluations, events.
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Callable, Iterable
from datetime import datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
from msgspec import UNSET, UnsetType

from workbench.brief_checks import briefly, from_the_end
from workbench.evaluation import Evaluation
from workbench.line_counts import LineCount
from workbench.moments import utc_now
from workbench.records import (
    Actual,
    Answer,
    Asked,
    Event,
    Heartbeat,
    Prediction,
    Record,
    Refused,
    Request,
    Stamp,
)
from workbench.segments import Writer
from workbench.syncing import Syncer
from workbench.tails import Follower, Tail, Thin

if TYPE_CHECKING:
    from workbench.settings import Settings
    from workbench.shared_records import SharedRecords

KINDS: dict[str, Any] = {
    "predictions": Prediction,
    "actuals": Actual,
    "refused": Refused,
    "service": Request | Heartbeat,
    "evaluations": Evaluation,
    "events": Event,
}
FOLDER_OF: dict[type, str] = {
    Prediction: "predictions",
    Actual: "actuals",
    Refused: "refused",
    Request: "service",
    Heartbeat: "service",
    Evaluation: "evaluations",
    Event: "events",
}


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
    fsync_s : float
        Within how many seconds a write is on the disk, which survives power loss: 0 waits for it; infinite leaves it to
        the kernel, which survives a killed process.
    clock : callable returning an aware datetime
    shared : SharedRecords, optional
        Other machines' records, which are then read as if they lay here; what is written still lies here first.

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
        fsync_s: float = inf,
        clock: Callable[[], datetime] = utc_now,
        shared: SharedRecords | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.shared = shared
        # Makes who reads a folder of records, here and elsewhere.
        self.follow: Callable[..., Any] = Follower if shared is None else shared.follow
        self.window_size = window
        self.history_size = max(history, window)
        self._writers = {
            name: Writer(
                self.folder / name,
                segment_rows=1_000 if name == "evaluations" else segment_rows,
                fsync="always" if fsync_s == 0 else "never" if fsync_s == inf else "later",
                clock=clock,
            )
            for name in KINDS
        }
        # Also of a store that nobody closes: what still waits when its process ends is written, or told to be lost.
        self._ending = weakref.finalize(self, _close, tuple(self._writers.values()))
        self.waits_for_disk = fsync_s == 0
        self._syncer = Syncer(self._sync, every_s=fsync_s) if 0 < fsync_s < inf else None
        self._tails: dict[tuple[Any, ...], Tail[Any]] = {}
        self._lines = LineCount(self.folder / "predictions")

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], datetime] = utc_now) -> MetricsStore:
        """The store that settings describe."""
        return cls(
            settings.metrics_dir,
            window=settings.monitor.window,
            history=settings.monitor.history,
            segment_rows=settings.monitor.segment_rows,
            fsync_s=settings.monitor.fsync_s,
            clock=clock,
            shared=_shared(settings),
        )

    def append(self, *records: Record) -> list[Any]:
        """Write records of one kind; returns them with their ids and times."""
        done = self._writer(type(records[0])).append(records)
        if self.shared is not None and isinstance(records[0], Evaluation | Event):
            self.shared.tell()
        return done

    def tell(self, event: Event) -> Event:
        """Write an event that somebody relies on.

        Raises
        ------
        OSError
            If the disk refuses; the event waits in memory for as long as this process lives.
        """
        told: Event = self.append(event)[0]
        if self._writers["events"].deferred:
            why = self._writers["events"].trouble or "the disk refuses"
            raise OSError(errno.EIO, f"{event.kind}: not written down ({why})", str(self.folder / "events"))
        return told

    def put(self, kind: type[Record], records: Iterable[Record]) -> list[str]:
        """As `append`, for who needs no more than the ids; records are held no longer than it takes to encode them."""
        return self._writer(kind).put(records)

    def _writer(self, kind: type[Record]) -> Writer:
        if self._syncer is not None:
            self._syncer.run_beside()
        return self._writers[FOLDER_OF[kind]]

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

    @property
    def trouble(self) -> str | None:
        """What the disk says where it refuses records, with the folder; None while it takes them."""
        told = (
            f"{self.folder.name}/{name}: {writer.trouble}" for name, writer in self._writers.items() if writer.trouble
        )
        return next(told, None)

    def lost_of(self, kind: type[Record]) -> int:
        """Of them, those of one kind's folder."""
        return self._writers[FOLDER_OF[kind]].lost

    def flush(self) -> bool:
        waiting = [not writer.flush() for writer in self._writers.values()]
        return not any(waiting)

    @property
    def unsynced(self) -> str | None:
        """Why the disk did not take what was to be on it by now; None if it did."""
        return self._syncer.trouble if self._syncer is not None else None

    def _sync(self) -> None:
        for writer in self._writers.values():
            writer.sync()

    def close(self) -> None:
        if self._syncer is not None:
            self._syncer.end()
        _close(self._writers.values())

    def window(self) -> list[Prediction]:
        """The last `window` predictions of all writers, oldest first."""
        return self.two_windows()[-self.window_size :]

    def two_windows(self) -> list[Prediction]:
        """The window and the one before it, oldest first."""
        return self._tail("predictions", Prediction, 2 * self.window_size).read()

    def history(self) -> list[Prediction]:
        """The last `history` predictions of all writers, oldest first."""
        return self._tail("predictions", Prediction, self.history_size).read()

    def last(self, n: int) -> list[Prediction]:
        """The last `n` predictions of all writers, oldest first; up to `history`."""
        return (self.two_windows() if n <= 2 * self.window_size else self.history())[-n:]

    def asked(self, n: int) -> list[Asked]:
        """What the last `n` predictions were asked, oldest first; read anew, and not held afterwards."""
        return self.follow(self.folder / "predictions", Asked).news(n)[1][-n:]

    def prediction_ids(self) -> list[Stamp]:
        """Id and time alone of the last `history` predictions: a fifth of the memory."""
        return self._tail("predictions", Stamp, self.history_size).read()

    def count(self) -> int:
        """Predictions on record, up to `history`: lines, without reading what is in them."""
        here = self._lines.now()
        return min(here, self.history_size) if self.shared is None else self.shared.count(here, self.history_size)

    def answers(self) -> list[Answer]:
        """The last predictions of all writers without their inputs, oldest first: five windows."""
        return self._tail("predictions", Answer, 5 * self.window_size).read()

    def actuals(self, keep: int | None = None) -> list[Actual]:
        """The last `keep` actuals (default: all on disk), oldest first; the first one of a prediction counts."""
        return self._tail("actuals", Actual, keep).read()

    def refused(self) -> list[Refused]:
        """Actuals on disk that were not taken, oldest first; the same value for the same prediction is there once."""
        return self._tail("refused", Refused, None).read()

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

    @property
    def replica(self) -> str | UnsetType:
        """The name of this machine among those that share records; unset where there is one."""
        return UNSET if self.shared is None else self.shared.replica

    def damaged(self) -> int:
        """Lines skipped by this store's readers because they are no valid record."""
        return sum(tail.damaged for tail in self._tails.values())

    def checks(self, keep: int = 500) -> list[Evaluation]:
        """Evaluations as pages hold them: the last ones, that of each version whole, the others brief."""
        return self._tail("evaluations", Evaluation, keep, thin=Thin(from_the_end, briefly)).read()

    def _tail(
        self,
        name: str,
        kind: Any,
        keep: int | None,
        only: type | None = None,
        thin: Thin[Any] | None = None,
    ) -> Tail[Any]:
        key = (name, kind, keep, only, thin)
        if key not in self._tails:
            self._tails[key] = Tail(self.folder / name, kind, keep, only, thin, self.follow)
        return self._tails[key]

    def stamps(self, name: str, keep: int) -> list[Stamp]:
        """Id and time alone of the last records of a folder."""
        return self._tail(name, Stamp, keep).read()

    def pruning_lock(self) -> filelock.BaseFileLock:
        """While somebody holds it, segments only grow; whoever would prune does not wait for it, but tries later."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self.folder / "prune.lock")


def _close(writers: Iterable[Writer]) -> None:
    for writer in writers:
        writer.close()


def _shared(settings: Settings) -> SharedRecords | None:
    """What the settings share with other machines, if anything; without that, no driver is imported."""
    if settings.metrics.url is None:
        return None
    from workbench.database import Database
    from workbench.shared_records import SharedRecords

    database = Database(settings.metrics.url, settings.metrics.schema_name)
    return SharedRecords(settings.metrics_dir, database, labelled=settings.retrain.labelled_rows)
