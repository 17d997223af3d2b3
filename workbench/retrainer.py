"""ModelRetrainer: gather rows, fit candidates, select one, let it meet the champion, publish, and make it live or not.

The same path whoever asks: the command line, the maintainer, the service, a notebook.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import filelock
import msgspec
from threadpoolctl import threadpool_limits

from workbench import candidates as candidates_of
from workbench import own_metrics, performance_check
from workbench.candidates import Candidate, refitted
from workbench.contest import Contest
from workbench.ensemble import Answers, Progress, silent
from workbench.errors import Busy, CorruptVersion, SettingsError, UnknownVersion
from workbench.loaded_version import LoadedVersion
from workbench.material import material
from workbench.metrics_store import MetricsStore
from workbench.policy import ATTEMPT, GATING, WENT_BACK
from workbench.publishing import held_out, out_of_fold, publish
from workbench.records import Event, Metadata, Schema, TrainingData, utc_now, utc_text
from workbench.scores import sample, values
from workbench.selection import Selection, select
from workbench.settings import Settings
from workbench.steering import steering
from workbench.training_data import Blocks, Rows, cut, gather, recipes, seen_until
from workbench.training_store import TrainingStore
from workbench.version_ids import check_id
from workbench.version_store import VersionStore, libraries

# A version that is trained for speed has to be at least so much faster.
FASTER = 0.9
Promote = Literal["gate", "always", "never"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a training."""

    version_id: str
    promoted: bool
    sentence: str
    metadata: Metadata


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
                return self._retrain(claimed, version_id is not None, promote, trigger, reason, by, job)
            except BaseException as error:
                # Also on Ctrl-C or SIGTERM: the claim must not outlive the attempt.
                self.versions.release(claimed)
                self._event("retrain_failed", f"{type(error).__name__}: {error}", claimed, by, job)
                raise

    def _retrain(
        self, version_id: str, named: bool, promote: Promote, trigger: str, reason: str, by: str, job: str | None
    ) -> Outcome:
        events = self.metrics.events()
        if job is None:
            # Whoever starts a job writes this itself, so that one that dies at once counts as an attempt, too.
            told = material(self.settings, self.metrics, events)
            data = {"trigger": trigger, "base": told.base, "fingerprint": told.fingerprint}
            self._event(ATTEMPT, reason, version_id, by, job, **data)
        champion, notes = self._champion()
        self.progress("data", 0, 1)
        rows = gather(self.settings, self.metrics, self.training)
        self._check_performance(rows.schema)
        until = seen_until(champion.metadata, events) if champion else None
        blocks = cut(rows, self.settings.retrain, until, several=len(self.settings.ensembles) > 1)
        digest = self.training.save(rows.frame)
        contest = Contest(
            self.settings.model.task,
            self.settings.metric,
            self.settings.retrain,
            for_speed=trigger == "response_time",
            tolerance=self.settings.performance.min_loss,
        )
        begun = time.monotonic()
        with threadpool_limits(self.settings.retrain.threads):
            budget_ms = self._budget_ms(champion, blocks.fit) if contest.for_speed else None
            candidates = candidates_of.trained(blocks, self.settings, self.progress, budget_ms=budget_ms)
            if champion is not None and promote == "gate" and not named:
                # Who names a version wants one made.
                most = self.settings.retrain.past_versions
                candidates += candidates_of.past(self.versions, champion, blocks, events, most=most)
            chosen = select(
                candidates,
                champion,
                blocks,
                contest,
                until,
                segment=self.settings.performance.segment,
                gating=lambda winner: self._gating(winner, version_id, by, job),
            )
        winner = chosen.winner
        if winner.version is not None and champion is not None:
            return self._go_back(version_id, winner.version, chosen, champion, blocks, by, job)
        assert winner.learnt is not None
        metadata = Metadata(
            version_id=version_id,
            created_at=utc_text(self.clock()),
            model=self.settings.model.name,
            trigger=trigger,
            reason=reason,
            task=self.settings.model.task,
            target=self.settings.model.target,
            features=rows.schema,
            ensemble=winner.ensemble,
            recipe=winner.recipe,
            parameters=winner.parameters,
            seed=self.settings.retrain.seed,
            training_data=TrainingData(
                sha256=digest,
                rows=len(rows),
                dropped_without_target=rows.dropped_without_target,
                labelled_predictions=rows.labelled_predictions,
                fit=winner.learnt.block(),
                select=blocks.select.block(),
                gate=blocks.gate.block(),
            ),
            metrics=self._scores(blocks.gate, chosen.said),
            champion_metrics=self._scores(blocks.gate, chosen.theirs) if chosen.theirs else {},
            candidates=chosen.scores,
            gate=chosen.verdict,
            fit_s=time.monotonic() - begun,
            row_ms=chosen.costs.row_ms,
            artifact_mb=chosen.costs.artifact_mb,
            libraries=libraries(),
            parent=champion.id if champion else None,
            notes=(*notes, *winner.notes),
        )
        return self._publish(metadata, winner, winner.learnt, rows, blocks, promote, by, job)

    def _publish(
        self,
        metadata: Metadata,
        winner: Candidate,
        learnt: Rows,
        rows: Rows,
        blocks: Blocks,
        promote: Promote,
        by: str,
        job: str | None,
    ) -> Outcome:
        estimator, retrain = winner.estimator, self.settings.retrain
        with threadpool_limits(retrain.threads):
            if retrain.refit:
                learnt = recipes(rows, retrain).get(winner.recipe, rows)
                held = out_of_fold(lambda part: refitted(winner, part, self.settings, self.progress), learnt)
                estimator = refitted(winner, learnt, self.settings, self.progress)
                note = f"not itself gated: fitted again on all {len(learnt)} rows, measured by its out-of-fold errors"
                metadata = msgspec.structs.replace(metadata, refitted=True, notes=(*metadata.notes, note))
            else:
                held = held_out(estimator, blocks.holdout)
        self.progress("publish", 0, 1)
        publish(self.versions, metadata, estimator, learnt=learnt, held=held, settings=self.settings)
        told = f"trained on {len(learnt)} rows ({winner.name})"
        self._event("published", told, metadata.version_id, by, job)
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

    def _budget_ms(self, champion: LoadedVersion | None, rows: Rows) -> float | None:
        """What one row may take, so that the mean response time would be what is allowed; less than it takes now."""
        if champion is None:
            return None
        took = candidates_of.speed(champion.estimator, champion.schema, rows).row_ms
        checks = [e for e in self.metrics.evaluations() if e.version == champion.id]
        seen = checks[-1].service.by_version.get(champion.id) if checks else None
        mean_s = seen.mean_s if seen and seen.mean_s else self.settings.monitor.max_response_s
        return took * min(FASTER, self.settings.monitor.max_response_s / mean_s)

    def _go_back(
        self,
        claimed: str,
        version: LoadedVersion,
        chosen: Selection,
        champion: LoadedVersion,
        blocks: Blocks,
        by: str,
        job: str | None,
    ) -> Outcome:
        """The best candidate was live before: nothing is published, and it goes live again if the gate lets it."""
        self.versions.release(claimed)
        hold = steering(self.metrics.events(), champion.id).hold
        scores, verdict = chosen.scores, chosen.verdict
        metric, best = self.settings.metric, scores[chosen.winner.name]
        others = [f"{name} {value:.4g}" for name, value in scores.items() if value is not None and value != best]
        told = f"{version.id}, live before, has {metric} {best:.4g} on the newest rows to select by"
        why = f"{told} ({', '.join(others) or 'nothing else'}); {verdict.sentence}"
        data = {"gate": msgspec.to_builtins(verdict), "chosen_until": blocks.gate.block().end, "candidates": scores}
        if not verdict.passed or hold is not None:
            why = "; ".join(filter(None, [why, hold]))
            self._event("kept_out", why, version.id, by, job, **{**data, "chosen_until": None})
            sentence = f"{champion.id} stays live: {why}"
            return Outcome(version_id=version.id, promoted=False, sentence=sentence, metadata=version.metadata)
        reason = f"an old version is the best again: {why}"
        promotion = self.versions.activate(version.id, by=by, reason=reason)
        self._event(WENT_BACK, reason, version.id, by, job, previous=promotion.previous, **data)
        sentence = f"{version.id} is live: {reason}"
        return Outcome(version_id=version.id, promoted=True, sentence=sentence, metadata=version.metadata)

    def _gating(self, winner: Candidate, version_id: str, by: str, job: str | None) -> None:
        self.progress("gate", 0, 1)
        self._event(GATING, f"{winner.name} meets the live version", version_id, by, job)

    def _promote(self, metadata: Metadata, promote: Promote, by: str, job: str | None) -> Outcome:
        version_id, verdict = metadata.version_id, metadata.gate
        hold = steering(self.metrics.events(), metadata.parent).hold
        wanted = {"always": True, "never": False, "gate": verdict.passed and hold is None}[promote]
        data = {"gate": msgspec.to_builtins(verdict), "candidates": metadata.candidates}
        if wanted:
            how = verdict.sentence if promote == "gate" else "promoted by request, without the gate"
            reason = f"{metadata.reason}; {how}"
            promotion = self.versions.activate(version_id, by=by, reason=reason)
            self._event("promoted", reason, version_id, by, job, previous=promotion.previous, **data)
            sentence = f"{version_id} is live: {how}"
        else:
            why = "kept out by request" if promote == "never" else "; ".join(filter(None, [verdict.sentence, hold]))
            self._event("kept_out", why, version_id, by, job, **data)
            sentence = f"{version_id} is published but not live: {why}"
        return Outcome(version_id=version_id, promoted=wanted, sentence=sentence, metadata=metadata)

    def _scores(self, rows: Rows, said: Answers) -> dict[str, float | None]:
        told = sample(self.settings.model.task, rows.y, said.predictions, said.probabilities)
        return values(told, performance_check.names(self.settings))

    def _event(self, kind: str, reason: str, version: str, by: str, job: str | None, **data: Any) -> None:
        self.metrics.append(Event(kind=kind, reason=reason, version=version, by=by, data={"job": job, **data}))
