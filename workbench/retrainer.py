"""ModelRetrainer: gather rows, fit candidates, select one, let it meet the champion, publish, and make it live or not.

The same path whoever asks: the command line, the maintainer, the service, a notebook.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import filelock
import msgspec
from threadpoolctl import threadpool_limits

from workbench import candidates as candidates_of
from workbench import level, own_metrics, performance_check
from workbench.admission import Admission, Outcome, Promote
from workbench.bars import Progress, silent
from workbench.blocks import Blocks, cut, recipes, seen_until
from workbench.candidates import Candidate, refitted
from workbench.contest import Contest
from workbench.ensemble import Fit, fit
from workbench.errors import Busy, CorruptVersion, SettingsError, UnknownVersion
from workbench.libraries import libraries
from workbench.loaded_version import LoadedVersion
from workbench.material import material
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now, utc_text
from workbench.policy import ATTEMPT, GATING
from workbench.publishing import held_out, out_of_fold, publish
from workbench.records import Metadata, Schema, TrainingData
from workbench.scores import values
from workbench.selection import Selection, select
from workbench.settings import Settings
from workbench.training_data import Rows, gather
from workbench.training_store import TrainingStore
from workbench.version_ids import check_id
from workbench.version_store import VersionStore

# A version that is trained for speed has to be at least so much faster.
FASTER = 0.9


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
    fit : as `ensemble.fit`
        A backtest shares fits between policies.
    served : bool
        Whether a service may answer from its versions: they are compiled then.
    """

    def __init__(
        self,
        settings: Settings,
        versions: VersionStore,
        metrics: MetricsStore,
        *,
        clock: Callable[[], datetime] = utc_now,
        progress: Progress = silent,
        fit: Fit = fit,
        served: bool = True,
    ) -> None:
        self.settings = settings
        self.versions = versions
        self.metrics = metrics
        self.training = TrainingStore(settings.versions_dir, clock=clock)
        self.clock = clock
        self.progress = progress
        self.fit = fit
        self.served = served

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
            admission = Admission(self.versions, self.metrics, by, job)
            try:
                return self._retrain(claimed, version_id is not None, promote, trigger, reason, admission)
            except BaseException as error:
                # Also on Ctrl-C or SIGTERM: the claim must not outlive the attempt.
                self.versions.release(claimed)
                told = f"{type(error).__name__}: {error}"
                if self.versions.live_id() == claimed:
                    admission.tell("promoted", f"{reason}; cut off after the switch ({told})", claimed)
                else:
                    admission.tell("retrain_failed", told, claimed)
                raise

    def _retrain(
        self, version_id: str, named: bool, promote: Promote, trigger: str, reason: str, admission: Admission
    ) -> Outcome:
        events = self.metrics.events()
        if admission.job is None:
            # Whoever starts a job writes this itself, so that one that dies at once counts as an attempt, too.
            told = material(self.settings, self.metrics, events)
            data = {"trigger": trigger, "base": told.base, "fingerprint": told.fingerprint}
            admission.tell(ATTEMPT, reason, version_id, **data)
        champion, generation, notes = self._champion()
        admission = replace(admission, generation=generation)
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
            candidates = candidates_of.trained(blocks, self.settings, self.progress, fit=self.fit, budget_ms=budget_ms)
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
                budget_ms=budget_ms,
                segment=self.settings.performance.segment,
                gating=lambda winner: self._gating(winner, version_id, admission),
            )
        winner = chosen.winner
        if winner.version is not None and champion is not None:
            self.versions.release(version_id)
            until = blocks.gate.block().end
            return admission.go_back(
                winner.version, chosen, champion.id, metric=self.settings.metric, chosen_until=until
            )
        assert winner.learnt is not None
        ours, theirs = self._scores(contest, blocks.gate, chosen)
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
            metrics=ours,
            champion_metrics=theirs,
            candidates=chosen.scores,
            gate=chosen.verdict,
            fit_s=time.monotonic() - begun,
            row_ms=chosen.costs.row_ms,
            artifact_mb=chosen.costs.artifact_mb,
            libraries=libraries(),
            parent=champion.id if champion else None,
            notes=(*notes, *rows.notes, *chosen.notes, *winner.notes),
        )
        return self._publish(metadata, winner, winner.learnt, rows, blocks, promote, admission, champion)

    def _publish(
        self,
        metadata: Metadata,
        winner: Candidate,
        learnt: Rows,
        rows: Rows,
        blocks: Blocks,
        promote: Promote,
        admission: Admission,
        champion: LoadedVersion | None,
    ) -> Outcome:
        estimator, retrain = winner.estimator, self.settings.retrain
        with threadpool_limits(retrain.threads):
            if retrain.refit:
                learnt = recipes(rows, retrain).get(winner.recipe, rows)
                held = out_of_fold(lambda part: self._refitted(winner, part), learnt)
                estimator = self._refitted(winner, learnt)
                note = f"not itself gated: fitted again on all {len(learnt)} rows, measured by its out-of-fold errors"
                metadata = msgspec.structs.replace(metadata, refitted=True, notes=(*metadata.notes, note))
            else:
                held = held_out(estimator, blocks.holdout)
        self.progress("publish", 0, 1)
        snapshot = rows if self.served else None
        publish(self.versions, metadata, estimator, learnt=learnt, held=held, settings=self.settings, snapshot=snapshot)
        told = f"trained on {len(learnt)} rows ({winner.name})"
        admission.tell("published", told, metadata.version_id)
        return admission.promote(metadata, promote, self._unrestored(metadata.version_id, champion))

    def _unrestored(self, version_id: str, champion: LoadedVersion | None) -> dict[str, Any]:
        """The level that was held before, and why the new version has not won it back; empty if it has."""
        metric = self.settings.metric
        now = level.own_level(version_id, self.versions.reference(version_id).holdout, metric)
        theirs = level.own_level(champion.id, champion.holdout, metric) if champion else None
        before = level.held_before(theirs, self.metrics.events())
        told = level.not_won_back(now, before, self.settings.retrain.max_level_loss)
        return {"level": msgspec.to_builtins(before), "unrestored": told} if told else {}

    def _refitted(self, winner: Candidate, rows: Rows) -> Any:
        return refitted(winner, rows, self.settings, self.progress, self.fit)

    def _check_performance(self, schema: Schema) -> None:
        """Before an hour of training, not after it."""
        told = self.settings.performance
        for name in told.own:
            own_metrics.resolve(name)
        texts = [f.name for f in schema.features if f.kind != "numeric"]
        if told.segment is not None and told.segment not in texts:
            there = ", ".join(texts) or "none"
            raise SettingsError(f"[performance] segment = {told.segment!r} is no categorical feature; they are {there}")

    def _champion(self) -> tuple[LoadedVersion | None, int | None, tuple[str, ...]]:
        """The live version and its generation (0: none is live; None: that cannot be told), and what is wrong."""
        generation = None
        try:
            live = self.versions.live()
            generation = live.generation if live else 0
            return (self.versions.load(live.version_id) if live else None), generation, ()
        except (CorruptVersion, UnknownVersion) as error:
            return None, generation, (f"no champion to compare with: {error}",)

    def _gating(self, winner: Candidate, version_id: str, admission: Admission) -> None:
        self.progress("gate", 0, 1)
        admission.tell(GATING, f"{winner.name} meets the live version", version_id)

    def _budget_ms(self, champion: LoadedVersion | None, rows: Rows) -> float | None:
        """What one row may take, so that the mean response time would be what is allowed; less than it takes now."""
        if champion is None:
            return None
        took = candidates_of.speed(champion.estimator, champion.schema, rows).row_ms
        checks = [e for e in self.metrics.evaluations() if e.version == champion.id]
        seen = checks[-1].service.by_version.get(champion.id) if checks else None
        mean_s = seen.mean_s if seen and seen.mean_s else self.settings.monitor.max_response_s
        return took * min(FASTER, self.settings.monitor.max_response_s / mean_s)

    def _scores(
        self, contest: Contest, rows: Rows, chosen: Selection
    ) -> tuple[dict[str, float | None], dict[str, float | None]]:
        """All metrics of winner and champion on the rows of *gate*; none of a champion that was not asked."""
        said = [chosen.said, *([chosen.theirs] if chosen.theirs else [])]
        told = [values(one, performance_check.names(self.settings)) for one in contest.arrays(rows.y, said)]
        return told[0], told[1] if len(told) > 1 else {}
