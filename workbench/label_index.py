"""Which of the last `history` predictions have an actual, and what becomes of the next one.

Follows the files of all writers and costs what was appended since, not what is held; holds no more than `history`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Generic, Literal, TypeVar

from workbench.errors import Busy, DatabaseAway
from workbench.pruning import LOOK_AGAIN_S, TURN_S, labels_by_turns
from workbench.records import Actual, Label, Record, Refused, Stamp
from workbench.scores import label_text
from workbench.segments import order, segment_start
from workbench.tails import Follower, Follows, Order, oldest

Fate = Literal["accepted", "duplicate", "conflict", "unknown", "expired"]
R = TypeVar("R", bound=Record)


class LabelIndex:
    """Judges actuals by what is on disk now.

    Parameters
    ----------
    folder : path of metrics/
    history : int
        An actual for a prediction beyond the last so many is expired.
    follow : callable
        Makes who reads, given folder and kind; default: the files of this folder alone.
    """

    def __init__(self, folder: Path, history: int, follow: Callable[..., Follows[Any]] = Follower) -> None:
        self.folder = folder
        self.history = history
        # Why actuals cannot be judged at present.
        self.trouble: str | None = None
        self._follow = follow
        self._lock = RLock()
        self._begin()

    def _begin(self) -> None:
        self._predictions = _Last[Stamp](self._follow(self.folder / "predictions", Stamp), self.history)
        self._refused = _Last[Refused](self._follow(self.folder / "refused", Refused), self.history)
        self._actuals: Follows[Actual] = self._follow(self.folder / "actuals", Actual)
        self._first: dict[str, Actual | None] = {}
        self._known_refused: set[tuple[str, str]] = set()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """What is judged and written inside is so at once: no other thread or process takes an actual meanwhile.

        Raises
        ------
        Busy
            If another process does not let go of the lock; who asks after that is told at once.
        """
        with self._lock:
            # The first look at a long history is long; others need not wait for it.
            self.read()
            with ExitStack() as turn:
                try:
                    turn.enter_context(labels_by_turns(self.folder, TURN_S if self.trouble is None else LOOK_AGAIN_S))
                except Busy as error:
                    self.trouble = str(error)
                    raise
                self.trouble = None
                self.read()
                yield

    def read(self) -> None:
        """Catch up with the files."""
        with self._lock:
            while not self._caught_up():
                self._begin()

    def _caught_up(self) -> bool:
        """Whether this took in what was appended; False if a file went with something that is held."""
        # Actuals before predictions: none is then seen without its prediction.
        lost_actuals, actuals = self._actuals.news()
        lost, came, went = self._predictions.read()
        lost_refused, refused, forgotten = self._refused.read()
        if max(lost, lost_actuals) >= self._predictions.oldest or lost_refused >= self._refused.oldest:
            return False
        self._first.update(dict.fromkeys((stamp.id for stamp in came), None))
        for stamp in went:
            self._first.pop(stamp.id, None)
        self.note(actuals)
        self.note(refused)
        self._known_refused.difference_update(map(_key, forgotten))
        return True

    def note(self, records: Iterable[Actual | Refused]) -> None:
        """Know records from now on: those just written, even if they still wait for the disk."""
        with self._lock:
            for record in records:
                if isinstance(record, Refused):
                    self._known_refused.add(_key(record))
                elif record.prediction_id in self._first:
                    known = self._first[record.prediction_id]
                    if known is None or order(record) < order(known):
                        self._first[record.prediction_id] = record

    def judge(self, actuals: Sequence[tuple[str, Label]]) -> list[Fate]:
        """The fate of each (prediction id, actual), as if one after the other; nothing is written or noted.

        accepted: to be written down; duplicate: known already, equal; conflict: known already, different; unknown: no
        such prediction; expired: it is beyond the last `history`.

        Raises
        ------
        DatabaseAway
            If a prediction that is unknown here may be another machine's, which cannot be asked now.
        """
        with self._lock:
            pending: dict[str, Label] = {}
            return [self._fate(prediction_id, actual, pending) for prediction_id, actual in actuals]

    def _fate(self, prediction_id: str, actual: Label, pending: dict[str, Label]) -> Fate:
        if prediction_id not in self._first:
            # Its segment began before the oldest prediction that counts.
            old = "" < segment_start(prediction_id) <= self._predictions.oldest[0]
            if old and self._predictions.full:
                return "expired"
            if self._predictions.away and segment_start(prediction_id):
                raise DatabaseAway(
                    "some of these predictions are not this machine's, and those of others cannot be looked up while "
                    "the shared database is away; send them again"
                )
            return "unknown"
        known = self._first[prediction_id]
        if known is None and prediction_id not in pending:
            pending[prediction_id] = actual
            return "accepted"
        value = pending[prediction_id] if known is None else known.actual
        return "duplicate" if label_text(value) == label_text(actual) else "conflict"

    def unheard(self, refused: Iterable[Refused]) -> list[Refused]:
        """Those of which no equal one is on record yet, each once."""
        with self._lock:
            fresh = {_key(record): record for record in refused}
            return [record for key, record in fresh.items() if key not in self._known_refused]


class _Last(Generic[R]):
    """The last `keep` records of a folder; unlike a Tail, it tells what came and what fell out."""

    def __init__(self, follower: Follows[R], keep: int) -> None:
        self._follower = follower
        self._keep = keep
        self._held: deque[R] = deque()

    @property
    def away(self) -> bool:
        return self._follower.away

    @property
    def full(self) -> bool:
        return len(self._held) >= self._keep

    @property
    def oldest(self) -> Order:
        return oldest(self._held)

    def read(self) -> tuple[Order, list[R], list[R]]:
        """Up to where records that were read may be gone; what came; what fell out, which may have come just now."""
        lost, came = self._follower.news(self._keep)
        later: list[R] = []
        while came and self._held and order(self._held[-1]) > order(came[0]):
            later.append(self._held.pop())
        self._held.extend(sorted([*later, *came], key=order) if later else came)
        return lost, came, [self._held.popleft() for _ in range(len(self._held) - self._keep)]


def _key(record: Refused) -> tuple[str, str]:
    return record.prediction_id, label_text(record.actual)
