"""Watches a switch: gathers what the new version did since, and asks the version before about the same rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
from pandas.api.types import is_numeric_dtype
from threadpoolctl import threadpool_limits

from workbench import probation
from workbench.answers import Answers
from workbench.contest import Contest
from workbench.ensemble import answer, output_column
from workbench.errors import CorruptVersion
from workbench.evaluation import Traffic
from workbench.features import comparable, to_rows
from workbench.joining import first_of_each
from workbench.loaded_version import LoadedVersion
from workbench.metrics_store import MetricsStore
from workbench.moments import parse_utc
from workbench.probation import Apart, Evidence, Probation
from workbench.records import Actual, GateVerdict, Label, Pointer, Prediction, Request, Value
from workbench.scores import values
from workbench.settings import Settings
from workbench.traffic import PREDICTING
from workbench.training_data import between
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore

log = logging.getLogger(__name__)


class SwitchWatch:
    """Of one workspace.

    Parameters
    ----------
    load : callable (version id) -> LoadedVersion or None
        None for a version that cannot be asked: its outputs and errors are then not compared.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: MetricsStore,
        versions: VersionStore,
        load: Callable[[str], LoadedVersion | None],
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.versions = versions
        self.load = load
        self._expected: tuple[int, Apart | None] = (0, None)
        self._before: tuple[int, Traffic] = (0, Traffic(requests=0, rows=0))

    def look(self, live: Pointer, *, now: datetime) -> Probation:
        """Judge the live version, which went live by a switch from another one."""
        return probation.judge(
            self._evidence(live, now),
            self.settings.probation,
            activated_at=parse_utc(live.activated_at),
            now=now,
            max_response_s=self.settings.monitor.max_response_s,
            min_loss=self.settings.performance.min_loss,
        )

    def _evidence(self, live: Pointer, now: datetime) -> Evidence:
        asked = [r for r in self.metrics.requests() if r.path in PREDICTING]
        since = [r for r in asked if r.version == live.version_id and r.recorded_at >= live.activated_at]
        served = [
            p for p in self.metrics.history() if p.version == live.version_id and p.recorded_at >= live.activated_at
        ][: self.settings.probation.rows]
        traffics = probation.traffic_of(since, now), self._traffic_before(live, asked, now)
        seen = Evidence(since=traffics[0], before=traffics[1], rows=len(served), known_good=self._known_good(live))
        new, old = self.load(live.version_id), self.load(live.previous or "")
        if old is None or new is None or not served or not comparable(old.schema, new.schema):
            return seen
        theirs = self._ask(old, [p.inputs for p in served])
        if theirs is None:
            return seen
        ours = Answers([p.output for p in served], _whole([p.probabilities for p in served]))
        actuals = first_of_each(self.metrics.actuals())
        errors, lost = self._errors(served, ours, theirs, actuals)
        return msgspec.structs.replace(
            seen,
            apart=self._apart(ours, theirs),
            expected=self._usual(live, new, old, actuals),
            errors=errors,
            lost=lost,
        )

    def _known_good(self, live: Pointer) -> bool:
        """Whether the version was live before; if it had lost then, only a person can have brought it back."""
        log = self.versions.pointer.log()
        return any(p.version_id == live.version_id and p.generation < live.generation for p in log)

    def _traffic_before(self, live: Pointer, asked: Sequence[Request], now: datetime) -> Traffic:
        """Of the version before; as it was first seen, since newer requests push its own off the record."""
        generation, known = self._before
        told = [r for r in asked if r.version == live.previous and r.recorded_at < live.activated_at]
        if generation != live.generation or len(told) > known.requests:
            self._before = live.generation, probation.traffic_of(told, now)
        return self._before[1]

    def _usual(self, live: Pointer, new: LoadedVersion, old: LoadedVersion, actuals: dict[str, Actual]) -> Apart | None:
        """How far the two were apart on the newest rows before the switch, if actuals bore the new one out there."""
        generation, found = self._expected
        if generation != live.generation:
            gate = new.metadata.gate
            met = new.metadata.parent == old.id and gate.verdict in ("better", "not worse")
            found = self._at_the_gate(new, old) if met else self._before_the_switch(live, new, old, actuals)
            self._expected = live.generation, found
        return found

    def _at_the_gate(self, new: LoadedVersion, old: LoadedVersion) -> Apart | None:
        """On the rows by which the new version beat the old."""
        data = new.metadata.training_data
        try:
            rows = between(TrainingStore(self.settings.versions_dir).load(data.sha256), data.gate)
        except CorruptVersion as error:
            log.warning("%s", error)
            return None
        said = [self._ask(version, to_rows(rows[version.schema.names])) for version in (new, old)]
        return None if said[0] is None or said[1] is None else self._apart(said[0], said[1])

    def _before_the_switch(
        self, live: Pointer, new: LoadedVersion, old: LoadedVersion, actuals: dict[str, Actual]
    ) -> Apart | None:
        """On labelled predictions that the new version has not learnt."""
        data = new.metadata.training_data
        learnt = (data.gate if new.metadata.refitted else data.fit).end or ""
        known = [
            p
            for p in self.metrics.history()
            if p.id in actuals and p.recorded_at < live.activated_at and p.event_time > learnt
        ][-self.settings.retrain.gate_rows :]
        ours, theirs = (self._ask(version, [p.inputs for p in known]) if known else None for version in (new, old))
        if ours is None or theirs is None:
            return None
        verdict, _ = self._errors(known, ours, theirs, actuals)
        borne_out = verdict is not None and verdict.verdict in ("better", "not worse")
        return self._apart(ours, theirs) if borne_out else None

    def _apart(self, ours: Answers, theirs: Answers) -> Apart | None:
        task = self.settings.model.task
        columns = [output_column(task, said.predictions, said.probabilities) for said in (ours, theirs)]
        if is_numeric_dtype(columns[0]) != is_numeric_dtype(columns[1]):
            # A probability and a class cannot be compared: what is said in the end can.
            columns = [output_column(task, said.predictions, None) for said in (ours, theirs)]
        return probation.apart(*columns)

    def _ask(self, version: LoadedVersion, rows: Sequence[Mapping[str, Value]]) -> Answers | None:
        """What a version says to rows; None where it fails on them, as a model of somebody's own may."""
        try:
            with threadpool_limits(1):
                return answer(version.estimator, version.schema, rows)
        except Exception:
            log.exception("%s cannot be asked about the rows since the switch", version.id)
            return None

    def _errors(
        self, rows: Sequence[Prediction], ours: Answers, theirs: Answers, actuals: dict[str, Actual]
    ) -> tuple[GateVerdict | None, float]:
        """The two versions on the rows whose actuals have come, and by how much the new one is worse."""
        known = [i for i, p in enumerate(rows) if p.id in actuals]
        if not known:
            return None, 0.0
        contest = Contest(self.settings.model.task, self.settings.metric, self.settings.retrain)
        y = [actuals[rows[i].id].actual for i in known]
        first, second = contest.arrays(y, [_taken(ours, known), _taken(theirs, known)])
        verdict = contest.compare(first, second, min_rows=probation.LEAST_ROWS, confidence=probation.CONFIDENCE)
        return verdict, probation.lost_share(verdict, values(second, (contest.metric,))[contest.metric])


def _taken(said: Answers, rows: Sequence[int]) -> Answers:
    predictions: list[Label] = [said.predictions[i] for i in rows]
    return Answers(predictions, [said.probabilities[i] for i in rows] if said.probabilities else None)


def _whole(probabilities: Sequence[dict[str, float] | None]) -> list[dict[str, float]] | None:
    known = [p for p in probabilities if p is not None]
    return known if len(known) == len(probabilities) else None
