"""Watches a switch: gathers what the new version did since, and asks the version before about the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from threadpoolctl import threadpool_limits

from workbench import probation
from workbench.contest import Contest
from workbench.ensemble import Answers, answer, output_column
from workbench.evaluation import Traffic
from workbench.loaded_version import LoadedVersion
from workbench.metrics_store import MetricsStore, first_of_each
from workbench.probation import Apart, Evidence, Probation
from workbench.records import Actual, GateVerdict, Label, Pointer, Prediction, Request, parse_utc
from workbench.scores import values
from workbench.settings import Settings
from workbench.traffic import PREDICT


class SwitchWatch:
    """Of one workspace.

    Parameters
    ----------
    load : callable (version id) -> LoadedVersion or None
        None for a version that cannot be asked: its outputs and errors are then not compared.
    """

    def __init__(self, settings: Settings, metrics: MetricsStore, load: Callable[[str], LoadedVersion | None]) -> None:
        self.settings = settings
        self.metrics = metrics
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
        asked = [r for r in self.metrics.requests() if r.path == PREDICT]
        since = [r for r in asked if r.version == live.version_id and r.recorded_at >= live.activated_at]
        served = [
            p for p in self.metrics.history() if p.version == live.version_id and p.recorded_at >= live.activated_at
        ][: self.settings.probation.rows]
        traffics = probation.traffic_of(since, now), self._traffic_before(live, asked, now)
        new, old = self.load(live.version_id), self.load(live.previous or "")
        if old is None or new is None or not served:
            return Evidence(since=traffics[0], before=traffics[1], rows=len(served))
        ours = [p.output for p in served], [p.probabilities for p in served]
        theirs = self._ask(old, served)
        actuals = first_of_each(self.metrics.actuals())
        errors, lost = self._errors(served, Answers(ours[0], _whole(ours[1])), theirs, actuals)
        task = self.settings.model.task
        return Evidence(
            since=traffics[0],
            before=traffics[1],
            rows=len(served),
            apart=probation.apart(
                output_column(task, *ours), output_column(task, theirs.predictions, theirs.probabilities)
            ),
            expected=self._usual(live, new, old, actuals),
            errors=errors,
            lost=lost,
        )

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
            learnt = new.metadata.training_data.fit.end or ""
            known = [
                p
                for p in self.metrics.history()
                if p.id in actuals and p.recorded_at < live.activated_at and p.event_time > learnt
            ][-self.settings.retrain.gate_rows :]
            found = self._borne_out(known, new, old, actuals) if known else None
            self._expected = live.generation, found
        return found

    def _borne_out(
        self, known: Sequence[Prediction], new: LoadedVersion, old: LoadedVersion, actuals: dict[str, Actual]
    ) -> Apart | None:
        ours, theirs = self._ask(new, known), self._ask(old, known)
        verdict, _ = self._errors(known, ours, theirs, actuals)
        if verdict is None or verdict.verdict not in ("better", "not worse"):
            return None
        task = self.settings.model.task
        return probation.apart(*(output_column(task, said.predictions, said.probabilities) for said in (ours, theirs)))

    def _ask(self, version: LoadedVersion, rows: Sequence[Prediction]) -> Answers:
        with threadpool_limits(1):
            return answer(version.estimator, version.schema, [p.inputs for p in rows])

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
