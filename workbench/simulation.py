"""A policy's life over a history: the very maintainer, retrainer and stores, with a clock that follows the rows.

Predictions are recorded at the moments of their rows, actuals when they are known; every so many rows the maintainer
looks. A retrain that it starts is done at once, in the same moment of simulated time.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from workbench.answers import Answers
from workbench.ensemble import answer_frame
from workbench.features import to_rows
from workbench.labelled_history import NEVER, History
from workbench.loaded_version import LoadedVersion
from workbench.maintainer import Maintainer
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_text
from workbench.monitor import ModelMonitor
from workbench.records import Actual, Decision, Prediction, Schema
from workbench.retrainer import ModelRetrainer
from workbench.said import Said
from workbench.settings import Settings
from workbench.shared_fits import SharedFits
from workbench.version_store import VersionStore

log = logging.getLogger(__name__)
FIRST = "first"
BY = "backtest"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Without a row for so long, the maintainer looks at what came meanwhile.
QUIET = timedelta(days=1) // timedelta(microseconds=1)
MOST_LOOKS = 2_000
SAVE_EVERY_S = 20.0
STATE = "state.json"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How far a play has come: rows that were asked, actuals that were delivered, seconds of fitting."""

    row: int
    delivered: int
    fit_s: float = 0.0
    fits: int = 0


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=int(micros))


class Simulation:
    """One policy over one history.

    Parameters
    ----------
    settings : Settings
        Of the policy; its root and base data are replaced.
    history : History
    folder : Path
        Of this play alone; one that was cut off goes on from the last state that was saved there.
    fits : SharedFits
    chances : bool
        Whether the probabilities of answers are kept.
    """

    def __init__(
        self, settings: Settings, history: History, folder: Path, fits: SharedFits, *, chances: bool = False
    ) -> None:
        self.history = history
        self.folder = folder
        self.fits = fits
        self.said = Said(folder / "said", history, chances=chances)
        self.settings = simulated(settings, history, folder / "workspace")
        self.state = self._resume()
        self.now = moment(history.times[max(self.state.row - 1, history.told.start - 1)])
        self.metrics = MetricsStore.of(self.settings, self._clock)
        self.versions = VersionStore(self.settings.versions_dir, clock=self._clock)
        self.monitor = ModelMonitor(self.metrics, self.settings, clock=self._clock)
        self.maintainer = Maintainer(
            self.settings,
            self.monitor,
            self.versions,
            start=self._retrain,
            running=lambda: False,
            clock=self._clock,
        )
        # Rows of traffic in the order in which their actuals come; those that never come are last.
        self._order = history.told.start + np.argsort(history.due[history.told.start :], kind="stable")
        self._ids: dict[int, str] = {}
        self._loaded: LoadedVersion | None = None
        self._saved_at = time.monotonic()

    def _clock(self) -> datetime:
        return self.now

    def play(self, progress: Callable[[int], None] = lambda row: None) -> None:
        """Play the rest of the history; `progress` hears of each row number up to which it is done."""
        self.begin()
        for start, end in self._stretches():
            self._answer(start, end)
            self.maintainer.tend()
            self._keep(end)
            progress(end)
        self.said.flush()
        self._save()

    def begin(self) -> LoadedVersion:
        """Train the first version, if none is live yet; returns the live one."""
        if self.versions.live() is None:
            ModelRetrainer(
                self.settings, self.versions, self.metrics, clock=self._clock, fit=self.fits, served=False
            ).retrain(FIRST, trigger="first", reason="the first version", by=BY)
        self._await()
        return self._live()

    def _live(self) -> LoadedVersion:
        live = self.versions.live_id()
        assert live is not None
        if self._loaded is None or self._loaded.id != live:
            self._loaded = self.versions.load(live)
        return self._loaded

    def _await(self) -> None:
        """Predictions that still wait for their actuals, as the stores know them."""
        self._ids = {int(p.request_id): p.id for p in self.metrics.history()}
        for row in self._order[: self.state.delivered]:
            self._ids.pop(int(row), None)

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Rows from look to look: so many, or fewer where nothing came for a while after them."""
        n, begun = self.history.told.rows, self.state.row
        every = look_rows(self.settings, n - self.history.told.start)
        times = self.history.times
        while begun < n:
            end = min(begun + every, n)
            quiet = np.flatnonzero(np.diff(times[begun : end + 1]) > QUIET)
            end = begun + int(quiet[0]) + 1 if len(quiet) else end
            yield begun, end
            begun = end

    def _answer(self, start: int, end: int) -> None:
        """The live version answers rows; predictions and actuals are recorded as time goes by."""
        version = self._live()
        frame = self.history.frame(start, end)
        able, said = answered(version.estimator, version.schema, frame, version.id)
        self.said.write(start + able, said, version.id)
        inputs = to_rows(frame)
        for k, i in enumerate(able):
            row = start + int(i)
            self._deliver(int(self.history.times[row]))
            self.now = moment(self.history.times[row])
            recorded = self.metrics.append(
                Prediction(
                    event_time=utc_text(self.now),
                    version=version.id,
                    inputs=inputs[i],
                    output=said.predictions[k],
                    probabilities=said.probabilities[k] if said.probabilities else None,
                    response_s=0.0,
                    request_id=str(row),
                )
            )[0]
            if self.history.due[row] != NEVER:
                self._ids[row] = recorded.id
        # What came in a quiet time is there when the maintainer looks.
        last = int(self.history.times[end - 1])
        following = int(self.history.times[end]) if end < self.history.told.rows else last
        self._deliver(following if following - last > QUIET else last)

    def _deliver(self, until: int) -> None:
        """Actuals that are known by then."""
        while self.state.delivered < len(self._order):
            row = int(self._order[self.state.delivered])
            due = int(self.history.due[row])
            # One that is known in the moment of its row comes after the prediction.
            if due > until or (due == until and row not in self._ids) or due == NEVER:
                return
            self.state = msgspec.structs.replace(self.state, delivered=self.state.delivered + 1)
            prediction_id = self._ids.pop(row, None)
            if prediction_id is not None:
                self.now = max(self.now, moment(due))
                self.metrics.append(Actual(prediction_id=prediction_id, actual=self.history.actual(row)))

    def _retrain(self, decision: Decision) -> None:
        retrainer = ModelRetrainer(
            self.settings, self.versions, self.metrics, clock=self._clock, fit=self.fits, served=False
        )
        try:
            retrainer.retrain(trigger=decision.trigger or "manual", reason=decision.reason, by="maintainer")
        except Exception:
            # In a process of its own it would end alone, too; the retrainer has told why.
            log.exception("a simulated retrain failed")

    def _keep(self, row: int) -> None:
        self.state = msgspec.structs.replace(self.state, row=row, fit_s=self.fits.spent_s, fits=self.fits.asked)
        if time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self._save()

    def _save(self) -> None:
        """Keep the workspace as it is now, beside the one that goes on: files never change once their writer is
        closed, so links do. Two slots, so that one is whole at any time."""
        self.metrics.close()
        self.said.flush()
        slots = [self.folder / "saved-a", self.folder / "saved-b"]
        slot = min(slots, key=_row)
        shutil.rmtree(slot, ignore_errors=True)
        shutil.copytree(self.settings.root, slot, copy_function=_linked)
        (slot / STATE).write_bytes(msgspec.json.encode(self.state))
        self._saved_at = time.monotonic()

    def _resume(self) -> State:
        """The last saved state, with its workspace; the beginning, if there is none."""
        slot = max((self.folder / "saved-a", self.folder / "saved-b"), key=_row)
        workspace = self.settings.root
        shutil.rmtree(workspace, ignore_errors=True)
        if _row(slot) < 0:
            workspace.mkdir(parents=True)
            return State(row=self.history.told.start, delivered=0)
        shutil.copytree(slot, workspace, copy_function=_linked, ignore=shutil.ignore_patterns(STATE))
        state = msgspec.json.decode((slot / STATE).read_bytes(), type=State)
        self.fits.spent_s, self.fits.asked = state.fit_s, state.fits
        return state


def simulated(settings: Settings, history: History, workspace: Path) -> Settings:
    """A policy's settings for a play: its own workspace, the history's base data, members as small as was asked.

    The history is as it is kept already.
    """
    schema = history.schema
    model = settings.model.model_copy(
        update={
            "data": str(history.reference),
            "features": tuple(schema.names),
            "size": settings.model.size * settings.backtest.ensemble,
        }
    )
    return settings.alone_in(workspace).model_copy(update={"model": model, "store": {}})


def look_rows(settings: Settings, rows: int) -> int:
    """Rows between two looks."""
    return settings.backtest.look_rows or max(settings.monitor.window // 5, -(-rows // MOST_LOOKS), 1)


def answered(estimator: Any, schema: Schema, frame: pd.DataFrame, name: str) -> tuple[np.ndarray, Answers]:
    """What a model says, and to which of the rows: one of somebody's own may fail on some."""
    try:
        return np.arange(len(frame)), answer_frame(estimator, schema, frame)
    except Exception:
        log.exception("%s fails on some of %d rows", name, len(frame))
    if len(frame) == 1:
        return np.zeros(0, dtype=int), Answers([])
    parts = [answered(estimator, schema, frame.iloc[i : i + 1], name)[1] for i in range(len(frame))]
    able = [i for i, part in enumerate(parts) if part.predictions]
    chances = [row for i in able for row in parts[i].probabilities or ()]
    return np.array(able, dtype=int), Answers([parts[i].predictions[0] for i in able], chances or None)


def _row(slot: Path) -> int:
    """How far a saved state is; -1 for none."""
    try:
        return msgspec.json.decode((slot / STATE).read_bytes(), type=State).row
    except (FileNotFoundError, msgspec.DecodeError):
        return -1


def _linked(source: str, target: str) -> None:
    """A link where the file is never written to again; the pointer's log grows, and is copied."""
    if source.endswith(("promotions.jsonl", ".lock")):
        shutil.copy2(source, target)
    else:
        os.link(source, target)
