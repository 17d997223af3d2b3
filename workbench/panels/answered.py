"""The newest recorded answers beside the actuals that have come: rows of one version, or of all.

Joined when somebody looks, and once while nothing is new.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from workbench.joining import first_of_each
from workbench.metrics_store import MetricsStore
from workbench.records import Actual, Answer, Task
from workbench.scores import Sample, sample

# Windows of actuals that are read beside five of answers: those of answers before them come in among theirs.
ACTUALS_READ = 12


@dataclass(frozen=True)
class Answered:
    """What a store held at one moment; lists are oldest first, and not to be changed."""

    task: Task = "regression"
    answers: list[Answer] = field(default_factory=list)
    actuals: list[Actual] = field(default_factory=list)

    def now(self, metrics: MetricsStore) -> Answered:
        """As the store is now; this very one while nothing is new."""
        answers = metrics.answers()
        actuals = metrics.actuals(ACTUALS_READ * metrics.window_size)
        if answers is self.answers and actuals is self.actuals:
            return self
        return Answered(self.task, answers, actuals)

    @cached_property
    def versions(self) -> list[str]:
        """Versions that gave one of these answers, the one that last did first."""
        return list(dict.fromkeys(answer.version for answer in reversed(self.answers)))

    @cached_property
    def _first(self) -> dict[str, Actual]:
        return first_of_each(self.actuals)

    @cached_property
    def _samples(self) -> dict[str | None, Sample]:
        return {}

    def count(self, version: str | None = None) -> int:
        """Answers of a version, or of all."""
        return sum(version in (None, answer.version) for answer in self.answers)

    def sample(self, version: str | None = None) -> Sample:
        """The answers of a version, or of all, that have their actual; without probabilities where one has none."""
        if version not in self._samples:
            rows = [a for a in self.answers if version in (None, a.version) and a.id in self._first]
            self._samples[version] = sample(
                self.task,
                [self._first[a.id].actual for a in rows],
                [a.output for a in rows],
                [a.probabilities for a in rows],
            )
        return self._samples[version]
