"""Workbench: one folder's settings, stores, monitor and panels in one object, for notebooks and scripts."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from workbench import switching
from workbench.bars import AT_ONCE_S, Bar
from workbench.errors import UnknownVersion, WorkbenchError
from workbench.jobs import OPEN, Job, Jobs
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now
from workbench.records import Promotion
from workbench.settings import Settings, load_settings
from workbench.version_store import VersionStore

if TYPE_CHECKING:
    import pandas as pd

    from workbench.backtest_result import BacktestResult
    from workbench.comparison_result import Comparison
    from workbench.drill_result import Drill
    from workbench.evaluation import Evaluation
    from workbench.findings import Examination
    from workbench.housekeeping import Pruning
    from workbench.monitor import ModelMonitor
    from workbench.panels.base import Panel
    from workbench.panels.dashboard import Dashboard
    from workbench.panels.explore import Explore
    from workbench.panels.page import Page
    from workbench.panels.places import Places
    from workbench.records import Metadata, Pointer
    from workbench.shifts import Kind
    from workbench.status import Status
    from workbench.transfer import Exported
    from workbench.whatif_result import SideBySide, WhatIf

LOOK_EVERY_S = 0.2


class Workbench:
    """A workspace.

    Examples
    --------
    >>> Workbench.open("examples/late").settings.model.task
    'classification'
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = MetricsStore.of(settings)
        self.versions = VersionStore.of(settings)
        self.jobs = Jobs(settings, self.metrics)

    @classmethod
    def open(cls, root: Path | str | None = None) -> Workbench:
        """The workspace in `root`; else in `WORKBENCH_ROOT`, else in the current folder."""
        return cls(load_settings(root))

    @cached_property
    def monitor(self) -> ModelMonitor:
        """Records predictions and actuals, and checks them."""
        # Here, and not above: who only looks, as the kernel of a dashboard does, needs neither pandas nor scipy.
        from workbench.monitor import ModelMonitor

        return ModelMonitor(self.metrics, self.settings)

    def dashboard(self) -> Dashboard:
        """The dashboard, live; display it in a cell."""
        from workbench.panels.dashboard import Dashboard

        return Dashboard(self.settings)

    def places(self) -> Places:
        """Links to the dashboard, the service's docs and the notebooks."""
        from workbench.panels.places import Places

        return Places(self.settings)

    def health_panel(self) -> Page:
        """The service: rate, response times, errors, workers; live, in a cell of its own."""
        from workbench.panels.health import Health

        return self._page(Health)

    def drift_panel(self) -> Page:
        """Drift of the inputs, one of them more closely, other thresholds, the fire drill; live, in its own cell."""
        from workbench.panels.drift import Drift

        return self._page(Drift)

    def performance_panel(self) -> Page:
        """The error over time and every metric beside the holdout; live, in a cell of its own."""
        from workbench.panels.performance import Performance

        return self._page(Performance)

    def retrain_panel(self) -> Page:
        """Start, follow and stop a retrain; in a cell of its own."""
        from workbench.panels.retrain import Retrain

        return self._page(Retrain)

    def versions_panel(self) -> Page:
        """All versions, and the way to another of them; in a cell of its own."""
        from workbench.panels.versions import Versions

        return self._page(Versions)

    def backtest_panel(self) -> Page:
        """Try other thresholds on a labelled history, and look at what came of earlier tries; in a cell of its own."""
        from workbench.panels.backtest import Backtest

        return self._page(Backtest)

    def explore(self, frame: pd.DataFrame) -> Explore:
        """Any input of a table, month by month, beside what the live version was trained on; in a cell of its own."""
        from workbench.kept_inputs import asked_kinds, of_version
        from workbench.panels.explore import Explore

        version = self.versions.reference(self._live().version_id)
        keeper = of_version(version.schema, self.settings.root)
        return Explore(keeper.frame(frame, asked_kinds(version.schema)), version, self.settings)

    def _page(self, panel: type[Panel]) -> Page:
        from workbench.panels.page import Page

        return Page(self.settings, panel)

    def to_html(self, path: Path | str) -> Path:
        """Write the report, one page that can be mailed, of what the files say now; returns where it is."""
        from workbench.panels.report import write

        return write(self.settings, path, utc_now())

    def _repr_html_(self) -> str:
        return self.status()._repr_html_()

    def status(self) -> Status:
        """What is live, what the last check said, and where maintenance stands; nothing is run."""
        from workbench.status import status

        return status(self.settings, self.metrics, self.versions, self.jobs)

    def version(self, version_id: str | None = None) -> Metadata:
        """All that is to be known of a version without loading it; default: the live one."""
        return self.versions.metadata(version_id or self._live().version_id)

    def evaluation(self) -> Evaluation:
        """The newest check on record; `check()` looks now."""
        found = self.metrics.evaluations(1)
        if not found:
            raise WorkbenchError("no check is on record yet; check() looks now")
        return found[-1]

    def check(self) -> Evaluation:
        """Look at the live version's window now, and write the evaluation down."""
        live = self._live()
        with Bar(f"loading {live.version_id}", delay=AT_ONCE_S) as bar:
            return self.monitor.check(self.versions.load(live.version_id), live.activated_at, bar.step)

    def _live(self) -> Pointer:
        live = self.versions.live()
        if live is None:
            raise UnknownVersion("no version is live; train one with `python main.py`")
        return live

    def retrain(self, reason: str = "by request", **options: Any) -> Job:
        """Start a retrain in a process of its own and follow it to its end.

        Parameters
        ----------
        reason, **options
            As `workbench.jobs.Jobs.start` takes them: version_id, recipe, promote.

        Returns
        -------
        Job
            `state` "done" with what came of it in `sentence`, or how else it ended. Who stops waiting (Ctrl-C) does not
            stop the retrain: `jobs.cancel` does.
        """
        job = self.jobs.start(reason=reason, by="notebook", **options)
        with Bar("retrain") as bar:
            while job.state in OPEN:
                bar.step(job.stage or "starting", job.done, job.total)
                time.sleep(LOOK_EVERY_S)
                job = self.jobs.read(job.id)
        return job

    def activate(self, version_id: str, reason: str = "by request") -> Promotion:
        """Make a version live, once it has been loaded and has answered as it did when it was published."""
        return switching.activate(self.versions, self.metrics, version_id, by="notebook", reason=reason)

    def rollback(self, reason: str = "by request") -> Promotion:
        """Go back to the version that was live before."""
        return switching.rollback(self.versions, self.metrics, by="notebook", reason=reason)

    def drill(self, feature: str, *, kind: Kind | None = None, size: float | None = None, **options: Any) -> Drill:
        """The fire drill: would a shift of this kind and size in a copy of the window raise the alarm?

        Parameters
        ----------
        feature, kind, size, **options
            As `workbench.drill.drill` takes them.
        """
        from workbench.drill import rehearse

        with Bar("stretches of the reference") as bar:
            options.setdefault("progress", bar.to)
            return rehearse(self.settings, self.metrics, self.versions, feature, kind=kind, size=size, **options)

    def backtest(self, *, data: str | None = None, **options: Any) -> BacktestResult:
        """Had these settings been on over a labelled history: what would have been done, and would it have helped?

        Parameters
        ----------
        data, **options
            As `workbench.backtest.Backtest` and its `run` take them.
        """
        from workbench.backtest import Backtest

        fresh = options.pop("fresh", False)
        with Bar("backtest", unit=" rows") as bar:
            progress = options.pop("progress", bar.to)
            return Backtest(self.settings, data=data, **options).run(progress, fresh=fresh)

    @overload
    def compare(self) -> Comparison: ...

    @overload
    def compare(self, a: str, b: str, n: int | None = None) -> SideBySide: ...

    def compare(self, a: str | None = None, b: str | None = None, n: int | None = None) -> Comparison | SideBySide:
        """Every version over the traffic it served, as one record; `compare().to_frame()` is its table.

        With two versions these side by side: where they differ, what each scored and served, and what both say to the
        last `n` recorded inputs (default: a window).
        """
        if a is None and b is None and n is None:
            from workbench.comparison import compare

            return compare(self.settings, self.metrics, self.versions, now=utc_now())
        if a is None or b is None:
            raise WorkbenchError("name two versions to compare, or none for all of them")
        from workbench.side_by_side import side_by_side

        with Bar(delay=AT_ONCE_S) as bar:
            return side_by_side(self.settings, self.metrics, self.versions, a, b, n=n, now=utc_now(), progress=bar.step)

    def whatif(self, version_id: str, n: int | None = None, *, most: int = 10) -> WhatIf:
        """What a version would have said to the last `n` recorded inputs (default: a window).

        `whatif(...).to_frame()` has the `most` rows that change most.
        """
        from workbench.whatif import whatif

        with Bar(delay=AT_ONCE_S) as bar:
            return whatif(self.settings, self.metrics, self.versions, version_id, n=n, most=most, progress=bar.step)

    def doctor(self) -> Examination:
        """Look over everything in the workspace: what is wrong, where, and what to do; nothing is written."""
        from workbench.doctor import examine

        with Bar(unit="B", unit_scale=True) as bar:
            return examine(self.settings.root, progress=bar.step)

    def prune(self, *, keep: int | None = None, yes: bool = False, damaged: bool = False) -> Pruning:
        """Delete what has had its time: old versions, unused training rows, records beyond `history`.

        Parameters
        ----------
        yes : bool
            Without it nothing is deleted; the answer tells what would be.
        keep, damaged
            As `workbench.housekeeping.prune` takes them.
        """
        from workbench.housekeeping import prune

        return prune(self.settings, self.versions, self.metrics, keep=keep, yes=yes, damaged=damaged, by="workspace")

    def export(self, path: Path | str, *, records: bool = True, data_mb: float = 100.0) -> Exported:
        """Write the workspace into one .tar.gz file; see `workbench.transfer.export`."""
        from workbench.transfer import export

        with Bar(unit="B", unit_scale=True) as bar:
            return export(self.settings, path, records=records, data_mb=data_mb, progress=bar.step)

    @classmethod
    def import_(cls, path: Path | str, root: Path | str) -> Workbench:
        """The workspace that an export makes in an empty folder; see `workbench.importing.import_workspace`."""
        from workbench.importing import import_workspace

        with Bar(unit="B", unit_scale=True) as bar:
            return cls.open(import_workspace(path, root, progress=bar.step).root)

    def __repr__(self) -> str:
        live = self.versions.live()
        return (
            f"Workbench({self.settings.model.name!r}, {self.settings.model.task} of {self.settings.model.target!r}, "
            f"live: {live.version_id if live else 'none'}, {len(self.versions.ids())} versions)"
        )
