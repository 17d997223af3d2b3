"""ModelRetrainer: gather rows, fit candidates, select one, let it meet the champion, publish, and make it live or not.

The same path whoever asks: the command line, the maintainer, the service, a notebook.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import filelock
import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from workbench import own_metrics
from workbench.ensemble import (
    Answers,
    Progress,
    answer_frame,
    build,
    fit,
    parameters,
    silent,
)
from workbench.errors import Busy, CorruptVersion, SettingsError, UnknownVersion
from workbench.loaded_version import LoadedVersion
from workbench.metrics_store import MetricsStore
from workbench.policy import ATTEMPT, gate
from workbench.publishing import publish
from workbench.records import Event, GateVerdict, Metadata, Schema, TrainingData, utc_now, utc_text
from workbench.scores import higher_is_better, scores
from workbench.settings import Settings
from workbench.steering import steering
from workbench.training_data import Blocks, Rows, cut, gather, learnt_until, recipes
from workbench.training_store import TrainingStore
from workbench.version_ids import check_id
from workbench.version_store import VersionStore, libraries

Promote = Literal["gate", "always", "never"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a training."""

    version_id: str
    promoted: bool
    sentence: str
    metadata: Metadata


@dataclass(frozen=True)
class Candidate:
    recipe: str
    rows: Rows
    estimator: Any
    score: float | None
    parameters: dict[str, Any]


class ModelRetrainer:
    """Trains versions of one workspace.

    Parameters
    ----------
    settings : Settings
    versions : VersionStore
    metrics : MetricsStore
        For the labelled predictions, and for the events that tell what was done.
    clock : callable returning an aware datetime
    progress : callable (stage, done, total)
    """

    def __init__(
        self,
        settings: Settings,
        versions: VersionStore,
        metrics: MetricsStore,
        *,
        clock: Callable[[], datetime] = utc_now,
        progress: Progress = silent,
    ) -> None:
        self.settings = settings
        self.versions = versions
        self.metrics = metrics
        self.training = TrainingStore(settings.versions_dir, clock=clock)
        self.clock = clock
        self.progress = progress

    def retrain(
        self,
        version_id: str | None = None,
        *,
        promote: Promote = "gate",
        trigger: str = "manual",
        reason: str = "by request",
        by: str = "command line",
        job: str | None = None,
    ) -> Outcome:
        """Train a version, publish it, and make it live if it may.

        Parameters
        ----------
        version_id : str, optional
            Default: the time, which two trainings cannot share.
        promote : "gate", "always" or "never"
            "gate": live if it beats the live version, or if none is live.
        trigger, reason, by : str
            Kept in the metadata and in the events.
        job : str, optional
            Kept in the events, so that a training that died can be told from one that ended.

        Raises
        ------
        WorkbenchError
            Of a kind that says why; nothing is published then, and the id is free again.
        """
        if version_id is not None:
            check_id(version_id)
        try:
            lock = self.versions.retrain_lock().acquire(timeout=2)
        except filelock.Timeout as error:
            raise Busy("a retrain is under way; wait for it, or cancel it") from error
        with lock:
            self.versions.sweep()
            claimed = self.versions.claim(version_id)
            try:
                return self._retrain(claimed, promote, trigger, reason, by, job)
            except BaseException as error:
                # Also on Ctrl-C or SIGTERM: the claim must not outlive the attempt.
                self.versions.release(claimed)
                self._event("retrain_failed", f"{type(error).__name__}: {error}", claimed, by, job)
                raise

    def _retrain(
        self, version_id: str, promote: Promote, trigger: str, reason: str, by: str, job: str | None
    ) -> Outcome:
        if job is None:
            # Whoever starts a job writes this itself, so that one that dies at once counts as an attempt, too.
            self._event(ATTEMPT, reason, version_id, by, job, trigger=trigger)
        champion, notes = self._champion()
        self.progress("data", 0, 1)
        rows = gather(self.settings, self.metrics, self.training)
        self._check_performance(rows.schema)
        blocks = cut(rows, self.settings.retrain, champion.metadata if champion else None)
        digest = self.training.save(rows.frame)
        begun = time.monotonic()
        with threadpool_limits(self.settings.retrain.threads):
            candidates = self._candidates(blocks)
        winner = self._best(candidates)
        fit_s = time.monotonic() - begun
        said = self._answers(winner.estimator, blocks.gate)
        verdict = self._gate(blocks, said, champion)
        metadata = Metadata(
            version_id=version_id,
            created_at=utc_text(self.clock()),
            model=self.settings.model.name,
            trigger=trigger,
            reason=reason,
            task=self.settings.model.task,
            target=self.settings.model.target,
            features=rows.schema,
            ensemble=self.settings.model.ensemble,
            recipe=winner.recipe,
            parameters=winner.parameters,
            seed=self.settings.retrain.seed,
            training_data=TrainingData(
                sha256=digest,
                rows=len(rows),
                dropped_without_target=rows.dropped_without_target,
                labelled_predictions=rows.labelled_predictions,
                fit=winner.rows.block(),
                select=blocks.select.block(),
                gate=blocks.gate.block(),
            ),
            metrics=self._scores(blocks.gate, said),
            champion_metrics=self._champion_scores(blocks.gate, champion),
            candidates={c.recipe: c.score for c in candidates},
            gate=verdict,
            fit_s=fit_s,
            libraries=libraries(),
            parent=champion.id if champion else None,
            notes=notes,
        )
        self.progress("publish", 0, 1)
        publish(self.versions, metadata, winner.estimator, learnt=winner.rows, blocks=blocks, settings=self.settings)
        self._event("published", f"trained on {len(winner.rows)} rows ({winner.recipe})", version_id, by, job)
        return self._promote(metadata, promote, by, job)

    def _check_performance(self, schema: Schema) -> None:
        """Before an hour of training, not after it."""
        told = self.settings.performance
        for name in told.own:
            own_metrics.resolve(name)
        texts = [f.name for f in schema.features if f.kind != "numeric"]
        if told.segment is not None and told.segment not in texts:
            there = ", ".join(texts) or "none"
            raise SettingsError(f"[performance] segment = {told.segment!r} is no categorical feature; they are {there}")

    def _champion(self) -> tuple[LoadedVersion | None, tuple[str, ...]]:
        try:
            live = self.versions.live()
            return (self.versions.load(live.version_id) if live else None), ()
        except (CorruptVersion, UnknownVersion) as error:
            return None, (f"no champion to compare with: {error}",)

    def _candidates(self, blocks: Blocks) -> list[Candidate]:
        chosen = recipes(blocks.fit, self.settings.retrain)
        if not len(blocks.select):
            # Nothing to choose by: only the first recipe is worth its fit.
            chosen = dict(list(chosen.items())[:1])
        candidates = []
        for done, (recipe, rows) in enumerate(chosen.items()):

            def step(member: str, k: int, of: int, done: int = done, recipe: str = recipe) -> None:
                self.progress(f"{recipe}: {member}", done * of + k, len(chosen) * of)

            estimator = build(
                self.settings.model.ensemble,
                rows.schema,
                seed=self.settings.retrain.seed,
                threads=self.settings.retrain.threads,
            )
            fitted = fit(estimator, rows.X, rows.y, step)
            score = None
            if len(blocks.select):
                score = self._scores(blocks.select, self._answers(fitted, blocks.select))[self.settings.metric]
            candidates.append(Candidate(recipe, rows, fitted, score, parameters(estimator)))
        return candidates

    def _best(self, candidates: list[Candidate]) -> Candidate:
        sign = 1 if higher_is_better(self.settings.metric) else -1
        judged = [c for c in candidates if c.score is not None]
        return max(judged, key=lambda c: sign * (c.score or 0.0)) if judged else candidates[0]

    def _gate(self, blocks: Blocks, said: Answers, champion: LoadedVersion | None) -> GateVerdict:
        metric = self.settings.metric
        if champion is None:
            sentence = "no champion: no version was live"
            return GateVerdict(verdict="no champion", metric=metric, rows=len(blocks.gate), sentence=sentence)
        start = blocks.gate.block().start or ""
        if start <= learnt_until(champion.metadata):
            sentence = "cannot tell: no row is newer than what the live version has learnt or been chosen from"
            return GateVerdict(verdict="cannot tell", metric=metric, rows=0, sentence=sentence)
        if not _comparable(champion, blocks.gate):
            sentence = "cannot tell: the live version has another target or takes inputs that are no longer there"
            return GateVerdict(verdict="cannot tell", metric=metric, rows=0, sentence=sentence)
        theirs = self._answers(champion.estimator, blocks.gate, champion)
        y = blocks.gate.y
        sign = 1 if higher_is_better(metric) else -1

        def advantage(rows: np.ndarray) -> float:
            ours = _metric(self.settings.model.task, metric, y, said, rows)
            others = _metric(self.settings.model.task, metric, y, theirs, rows)
            return sign * (ours - others)

        return gate(
            advantage,
            len(blocks.gate),
            metric=metric,
            min_rows=self.settings.retrain.gate_min_rows,
            margin=self.settings.retrain.gate_margin,
            seed=self.settings.retrain.seed,
        )

    def _promote(self, metadata: Metadata, promote: Promote, by: str, job: str | None) -> Outcome:
        version_id, verdict = metadata.version_id, metadata.gate
        hold = steering(self.metrics.events(), metadata.parent).hold
        wanted = {"always": True, "never": False, "gate": verdict.passed and hold is None}[promote]
        if wanted:
            how = verdict.sentence if promote == "gate" else "promoted by request, without the gate"
            reason = f"{metadata.reason}; {how}"
            promotion = self.versions.activate(version_id, by=by, reason=reason)
            self._event("promoted", reason, version_id, by, job, previous=promotion.previous)
            sentence = f"{version_id} is live: {how}"
        else:
            why = "kept out by request" if promote == "never" else "; ".join(filter(None, [verdict.sentence, hold]))
            self._event("kept_out", why, version_id, by, job)
            sentence = f"{version_id} is published but not live: {why}"
        return Outcome(version_id=version_id, promoted=wanted, sentence=sentence, metadata=metadata)

    def _answers(self, estimator: Any, rows: Rows, version: LoadedVersion | None = None) -> Answers:
        schema = version.schema if version else rows.schema
        return answer_frame(estimator, schema, rows.frame[schema.names])

    def _champion_scores(self, rows: Rows, champion: LoadedVersion | None) -> dict[str, float | None]:
        if champion is None or not _comparable(champion, rows):
            return {}
        return self._scores(rows, self._answers(champion.estimator, rows, champion))

    def _scores(self, rows: Rows, said: Answers) -> dict[str, float | None]:
        return scores(self.settings.model.task, rows.y, said.predictions, said.probabilities)

    def _event(self, kind: str, reason: str, version: str, by: str, job: str | None, **data: Any) -> None:
        self.metrics.append(Event(kind=kind, reason=reason, version=version, by=by, data={"job": job, **data}))


def _comparable(champion: LoadedVersion, rows: Rows) -> bool:
    theirs, ours = champion.schema, rows.schema
    same_question = (theirs.task, theirs.target) == (ours.task, ours.target)
    return same_question and {(f.name, f.kind) for f in theirs.features} <= {(f.name, f.kind) for f in ours.features}


def _metric(task: Any, metric: str, y: np.ndarray, said: Answers, rows: np.ndarray) -> float:
    chances = [said.probabilities[i] for i in rows] if said.probabilities else None
    value = scores(task, y[rows], [said.predictions[i] for i in rows], chances, only=metric)[metric]
    return float("nan") if value is None else value
