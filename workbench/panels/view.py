"""What the files of a workspace say at one moment: read once a tick, handed to every panel."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.errors import CorruptVersion
from workbench.evaluation import Evaluation
from workbench.jobs import Job, Jobs
from workbench.metrics_store import MetricsStore
from workbench.panels.answered import Answered
from workbench.policy import Standing
from workbench.records import Event, Metadata, Pointer, Promotion
from workbench.settings import Settings
from workbench.steering import stand
from workbench.version_store import VersionStore


@dataclass(frozen=True)
class View:
    """One moment of a workspace; lists are oldest first. Of `evaluations` the last one of each version is whole."""

    settings: Settings
    evaluations: list[Evaluation] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    versions: list[Metadata] = field(default_factory=list)
    live: Pointer | None = None
    promotions: list[Promotion] = field(default_factory=list)
    trouble: str = ""
    job: Job | None = None
    standing: Standing | None = None
    predictions: int = 0
    answered: Answered = field(default_factory=Answered)
    width: int = 1_180

    @property
    def current(self) -> Evaluation | None:
        """The newest check of the live version since it went live."""
        if self.live is None or not self.evaluations:
            return None
        last = self.evaluations[-1]
        own = last.version == self.live.version_id and last.recorded_at >= self.live.activated_at
        return last if own else None

    @property
    def checked(self) -> tuple[str | None, str | None]:
        """Changes when a check or a switch has happened."""
        return self.evaluations[-1].id if self.evaluations else None, self.live.activated_at if self.live else None

    @property
    def happened(self) -> str | None:
        """Changes when an event has happened."""
        return self.events[-1].id if self.events else None


class Reader:
    """Follows the files of one workspace."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = MetricsStore.of(settings)
        self.versions = VersionStore.of(settings)
        self.jobs = Jobs(settings, self.metrics)
        self.answered = Answered(settings.model.task)

    def read(self, width: int = 1_180) -> View:
        live, trouble = self._live()
        job = self.jobs.running()
        self.answered = self.answered.now(self.metrics)
        return View(
            settings=self.settings,
            evaluations=self.metrics.checks(),
            events=self.metrics.events(),
            versions=self.versions.all(),
            live=live,
            promotions=self.versions.pointer.log(),
            trouble=trouble,
            job=job,
            standing=stand(self.settings, self.metrics, live, running=job is not None, now=self.jobs.clock()),
            predictions=self.metrics.count(),
            answered=self.answered,
            width=width,
        )

    def _live(self) -> tuple[Pointer | None, str]:
        """A damaged pointer must not hide the rest of the page, where it can be mended."""
        try:
            return self.versions.live(), ""
        except CorruptVersion as error:
            return None, str(error)
