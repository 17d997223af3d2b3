"""Had this policy been on, would it have helped? A labelled history through the very maintainer.

Beside it, over the same rows: never retraining, and retraining every period on everything and on the recent span. The
courses run side by side in processes of their own; their fits are shared, and what was cut off goes on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import joblib
import msgspec
import numpy as np
import pandas as pd

from workbench import backtest_records, backtest_score, history_source, labels
from workbench.backtest_result import BacktestResult
from workbench.courses import Plan, Played, play, row_of, said
from workbench.errors import DataError, SettingsError, WorkbenchError
from workbench.files import replace_whole, sha256
from workbench.history_writer import KNOWN_AT
from workbench.joining import first_of_each
from workbench.labelled_history import History
from workbench.libraries import libraries
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now, utc_text
from workbench.said import OF_CLASSES
from workbench.settings import Settings
from workbench.simulation import look_rows
from workbench.training_store import TrainingStore

NEVER, EVERYTHING, RECENT = "never retrain", "always, everything", "always, recent"
PERIODS = 10
POLL_S = 0.5
# (rows done, rows in all, over all courses)
Progress = Callable[[int, int], None]


class Backtest:
    """A policy, or several, over a labelled history.

    Parameters
    ----------
    settings : Settings
        Of the workspace, and the policy, unless `policies` are given.
    data : str, optional
        CSV or Parquet file with the whole history; else as [backtest] data says.
    policies : mapping of name to Settings, optional
        To set side by side; they have to be of the same model.
    folder : path, optional
        Where results are kept; default: metrics/backtests/ of the workspace.
    jobs : int, optional
        Processes; default: one a core.

    Examples
    --------
    >>> from workbench import load_settings
    >>> [plan.name for plan in Backtest(load_settings()).plans]
    ['policy', 'always, everything', 'always, recent', 'never retrain']
    """

    def __init__(
        self,
        settings: Settings,
        *,
        data: str | None = None,
        policies: Mapping[str, Settings] | None = None,
        folder: Path | str | None = None,
        jobs: int | None = None,
    ) -> None:
        if data is not None:
            told = settings.backtest.model_copy(update={"data": str(Path(data).resolve())})
            settings = settings.model_copy(update={"backtest": told})
        self.settings = settings
        self.policies = dict(policies or {"policy": settings})
        self.folder = Path(folder) if folder is not None else backtest_records.folder(settings)
        self.jobs = jobs or os.cpu_count() or 1
        for name, policy in self.policies.items():
            _check_alike(name, policy, settings)
        self._work = self.folder / f"unfinished-{self._settings_key()}"

    @property
    def plans(self) -> list[Plan]:
        """What will be played."""
        here, own = self._work, self.settings
        # The longest first, so that no core waits for it in the end.
        return [
            *(Plan(name, "policy", told, here / f"policy-{i}") for i, (name, told) in enumerate(self.policies.items())),
            Plan(EVERYTHING, "always", own, here / "everything", "everything"),
            Plan(RECENT, "always", own, here / "recent", "recent"),
            Plan(NEVER, "never", own, here / "never"),
        ]

    def run(
        self, progress: Progress = lambda done, total: None, *, fresh: bool = False, alone: bool = False
    ) -> BacktestResult:
        """Play all courses and score them; one that was stopped goes on where it was.

        Parameters
        ----------
        fresh : bool
            Begin anew, whatever lies there unfinished.
        alone : bool
            This process does nothing else, so that a page may end it.

        Raises
        ------
        DataError, SettingsError
            If the history or the settings cannot be used.
        """
        with self._alone():
            if fresh:
                shutil.rmtree(self._work, ignore_errors=True)
            try:
                with backtest_records.telling(self.folder, tuple(self.policies), alone=alone) as tell:

                    def told(done: int, total: int) -> None:
                        tell(done, total)
                        progress(done, total)

                    return self._run(told)
            except (DataError, SettingsError):
                # Where nothing could be played, there is nothing to go on with.
                if not any(row_of(plan) for plan in self.plans):
                    shutil.rmtree(self._work, ignore_errors=True)
                raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two that go on with the same unfinished courses would write into each other's workspaces."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / "backtest.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise WorkbenchError(f"another backtest is running over {self.folder}; wait for it or stop it") from error
        try:
            yield
        finally:
            lock.release()

    def _run(self, progress: Progress) -> BacktestResult:
        begun = time.monotonic()
        history = self._history()
        plans, edges = self.plans, self._edges(history)
        chances = self.settings.metric not in OF_CLASSES
        self._play(plans, history, edges, chances, progress)
        played = [play(plan, history, self._work / "fits", edges, chances=chances) for plan in plans]
        result = backtest_score.scored(
            [(plan, done, said(plan, history, chances)) for plan, done in zip(plans, played, strict=True)],
            history,
            edges,
            settings=self.settings,
            about={
                "id": f"{utc_now():%Y%m%dT%H%M%S}-{self._work.name[-8:]}",
                "made_at": utc_text(utc_now()),
                "look_rows": look_rows(self.settings, history.told.rows - history.told.start),
                "took_s": time.monotonic() - begun,
            },
        )
        replace_whole(self.folder / f"{result.id}.json", msgspec.json.format(msgspec.json.encode(result), indent=1))
        shutil.rmtree(self._work, ignore_errors=True)
        return result

    def _play(
        self, plans: Sequence[Plan], history: History, edges: np.ndarray, chances: bool, progress: Progress
    ) -> None:
        n = history.told.rows - history.told.start
        total = n * len(plans)

        def told() -> None:
            progress(sum(max(0, row_of(plan) - history.told.start) for plan in plans), total)

        fits = self._work / "fits"
        if self.jobs == 1:
            for plan in plans:
                play(plan, history, fits, edges, chances=chances, progress=lambda row: told())
            return
        over = threading.Event()

        def watch() -> None:
            while not over.wait(POLL_S):
                told()

        watcher = threading.Thread(target=watch, name="backtest progress", daemon=True)
        watcher.start()
        try:
            work = (
                joblib.delayed(_play_for)(os.getpid(), plan, history, fits, edges, chances=chances) for plan in plans
            )
            joblib.Parallel(n_jobs=min(self.jobs, len(plans)), batch_size=1, pre_dispatch="all")(work)
        finally:
            over.set()
            watcher.join()
        told()

    def _history(self) -> History:
        """The history, prepared anew; what was played over another one is no use."""
        folder = self._work / "history"
        shutil.rmtree(folder, ignore_errors=True)
        history = history_source.prepare(
            folder,
            self.settings,
            recorded=lambda: recorded(self.settings),
            curve=lambda: observed_delays(self.settings),
        )
        digest = "".join(sha256(folder / name) for name in ("rows.parquet", "times.npy", "due.npy", "y.npy"))
        mark = self._work / "history.sha256"
        if mark.exists() and mark.read_text() != digest:
            for path in self._work.glob("*/"):
                if path != folder and path.name != "fits":
                    shutil.rmtree(path)
        mark.write_text(digest)
        return history

    def _edges(self, history: History) -> np.ndarray:
        """Where periods of event time begin, and where the last one ends; microseconds."""
        first, last = int(history.times[history.told.start]), int(history.times[-1]) + 1
        period = self.settings.backtest.period
        length = pd.Timedelta(period).value // 1000 if period else -(-(last - first) // PERIODS)
        return np.append(np.arange(first, last, max(length, 1)), last)

    def _settings_key(self) -> str:
        told = [self.settings, *self.policies.values()]
        names = (*self.policies, libraries())
        text = repr((names, [s.model_dump(mode="json", exclude={"alerts", "service", "pages"}) for s in told]))
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def _play_for(caller: int, *plan: Any, **options: Any) -> Played:
    """Play in a process that ends with the one that asked, even one that was killed: nobody else would stop it."""

    def watch() -> None:
        while os.getppid() == caller:
            time.sleep(POLL_S)
        os._exit(1)

    if os.getpid() != caller:
        threading.Thread(target=watch, name="backtest caller", daemon=True).start()
    return play(*plan, **options)


def _check_alike(name: str, policy: Settings, settings: Settings) -> None:
    if policy.backtest.model_copy(update={"data": None}) != settings.backtest.model_copy(update={"data": None}):
        raise SettingsError(
            f"policy {name!r}: its [backtest] is another one; policies are played over one history, alike"
        )
    for key in ("task", "target", "time", "features", "size"):
        ours, theirs = getattr(policy.model, key), getattr(settings.model, key)
        if ours != theirs:
            raise SettingsError(
                f"policy {name!r}: [model] {key} is {ours!r}, beside {theirs!r}; policies are compared "
                f"on one history of one model"
            )
    if policy.metric != settings.metric:
        raise SettingsError(f"policy {name!r}: its metric is {policy.metric}, beside {settings.metric}; they need one")


def recorded(settings: Settings) -> pd.DataFrame:
    """The labelled predictions of a workspace: inputs, actual, event time, and when the actual was known."""
    metrics = MetricsStore.of(settings)
    actuals = first_of_each(metrics.actuals())
    model = settings.model
    held = [(p, actuals.get(p.id)) for p in metrics.history()]
    rows: list[dict[str, Any]] = [
        {**p.inputs, model.target: a.actual if a else None, KNOWN_AT: a.recorded_at if a else None}
        | ({model.time: p.event_time} if model.time else {})
        for p, a in held
    ]
    known = {p.id for p, _ in held}
    archived: list[dict[str, Any]] = [
        {**inputs, model.target: actual, KNOWN_AT: None} | ({model.time: event_time} if model.time else {})
        for name, event_time, inputs, actual in TrainingStore(settings.versions_dir).labelled()
        if name not in known
    ]
    return pd.DataFrame([*archived, *rows])


def observed_delays(settings: Settings) -> labels.Curve:
    """How long labels took in a workspace."""
    metrics = MetricsStore.of(settings)
    return labels.delay_curve(metrics.history(), first_of_each(metrics.actuals()), now=utc_text(utc_now()))
