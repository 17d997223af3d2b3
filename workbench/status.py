"""How a workspace is doing now: what is live, what the last check said, where maintenance stands, what was decided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from workbench.errors import CorruptVersion
from workbench.evaluation import Evaluation
from workbench.jobs import Job, Jobs
from workbench.metrics_store import MetricsStore
from workbench.policy import Standing
from workbench.records import Event, Pointer, State
from workbench.settings import Settings
from workbench.show import Shown
from workbench.show.checks import overall, parts
from workbench.show.sheet import Cell, Sheet, Table, clock, many, verdict
from workbench.show.sheets import sheet_of
from workbench.steering import stand
from workbench.version_store import VersionStore

if TYPE_CHECKING:
    import pandas as pd

LATELY = 8


class Status(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A workspace at one moment; `check` is the newest of the live version since it went live, None without one.

    `trouble` says why it cannot be told which version is live, where that is so.
    """

    model: str
    versions: int
    predictions: int
    live: Pointer | None
    check: Evaluation | None
    maintenance: Standing
    decision: Event | None
    job: Job | None
    events: tuple[Event, ...] = ()
    trouble: str = ""

    @property
    def state(self) -> State:
        """The worst of the check's verdicts."""
        if self.trouble:
            return "broken"
        return overall(self.check)[0] if self.check else "insufficient"

    @property
    def sentence(self) -> str:
        if self.trouble:
            return self.trouble
        if self.live is None:
            return "no version is live; train one with `python main.py`"
        if self.check is None:
            return "the live version has not been checked yet"
        return overall(self.check)[1]

    def to_frame(self) -> pd.DataFrame:
        """A row a part of the last check: its verdict and its sentence; without a check, no row."""
        import pandas as pd

        return self.check.to_frame() if self.check else pd.DataFrame(columns=("part", "state", "sentence"))


def status(settings: Settings, metrics: MetricsStore, versions: VersionStore, jobs: Jobs) -> Status:
    """What the files of a workspace say now."""
    trouble, live = "", None
    try:
        live = versions.live()
    except CorruptVersion as error:
        trouble = str(error)
    events, job = metrics.events(), jobs.running()
    newest = metrics.evaluations(1)
    current = [e for e in newest if live and e.version == live.version_id and e.recorded_at >= live.activated_at]
    return Status(
        model=settings.model.name,
        versions=len(versions.ids()),
        predictions=len(metrics.prediction_ids()),
        live=live,
        check=current[-1] if current else None,
        maintenance=stand(settings, metrics, live, running=job is not None, now=jobs.clock()),
        decision=next((e for e in reversed(events) if e.kind == "decision"), None),
        job=job,
        events=tuple(e for e in events if e.kind != "decision")[-LATELY:],
        trouble=trouble,
    )


@sheet_of.register
def _sheet(now: Status) -> Sheet:
    told = verdict(now.state)
    facts: list[tuple[str, Cell]] = [
        ("live", f"{now.live.version_id}, since {clock(now.live.activated_at)}" if now.live else "none"),
        ("on record", f"{many(now.predictions, 'prediction')}, {many(now.versions, 'version')}"),
        ("maintenance", now.maintenance.told),
        ("decision", now.decision.reason if now.decision else "–"),
    ]
    if now.job:
        facts.append(("retrain", f"{now.job.stage} ({now.job.progress}): {now.job.reason}"))
    return Sheet(
        now.model,
        replace(told, text=f"{told.text}: {now.sentence}"),
        facts=facts,
        tables=[
            *([parts(now.check)] if now.check else []),
            Table(
                "lately",
                ["when", "what", "version", "why"],
                [(clock(e.recorded_at), e.kind.replace("_", " "), e.version or "–", e.reason) for e in now.events],
            ),
        ],
    )
