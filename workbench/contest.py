"""Candidates compete on *select*; the winner alone meets the champion on *gate*. Answers and actuals in, verdict out.

Pure: who trains or loads the candidates asks them first. Newly trained ones and versions that were live before are
judged alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from sklearn import config_context

from workbench.answers import Answers
from workbench.gate import CONFIDENCE, gate
from workbench.records import GateVerdict, Task
from workbench.scores import Sample, higher_is_better, loss, sample, values
from workbench.sections import RetrainSettings

# A segment with fewer rows on the gate says nothing of itself.
SEGMENT_ROWS = 30
MIB = 1 << 20
# How often answers are dealt to other rows, and how seldom that may do as well.
DEALS, SKILLED = 400, 0.01


@dataclass(frozen=True)
class Speed:
    """What a model costs: milliseconds for one row, MiB on disk."""

    row_ms: float
    artifact_mb: float


@dataclass(frozen=True)
class Contest:
    """The rules: task, deciding metric, limits, and whether the retrain is for speed.

    For speed the challenger need not be better: its loss may be up to `tolerance` (a share of the champion's value),
    and it must answer one row sooner.
    """

    task: Task
    metric: str
    settings: RetrainSettings
    for_speed: bool = False
    tolerance: float = 0.1

    def arrays(self, y: Sequence[object] | np.ndarray, said: Sequence[Answers]) -> list[Sample]:
        """The answers of several models as arrays, of classes that are the same for all: a model that does not know a
        class must not be spared its rows."""
        apart = [sample(self.task, y, s.predictions, s.probabilities) for s in said]
        known = sorted({name for one in apart for name in one.classes})
        if all(len(one.classes) == len(known) for one in apart):
            return apart
        return [sample(self.task, y, s.predictions, s.probabilities, known) for s in said]

    def scores(self, y: np.ndarray, said: Mapping[str, Answers]) -> dict[str, float | None]:
        """The deciding metric of each candidate's answers."""
        told = self.arrays(y, list(said.values()))
        return {name: values(one, (self.metric,))[self.metric] for name, one in zip(said, told, strict=True)}

    def best(self, scores: Mapping[str, float | None]) -> str:
        """The candidate that wins on *select*; the first where nothing tells them apart."""
        sign = 1 if higher_is_better(self.metric) else -1
        told = {name: sign * value for name, value in scores.items() if value is not None}
        return max(told, key=lambda name: told[name]) if told else next(iter(scores))

    def meet(
        self,
        y: np.ndarray,
        ours: Answers,
        theirs: Answers,
        *,
        speeds: tuple[Speed, Speed],
        segments: Sequence[object] = (),
    ) -> GateVerdict:
        """The winner beside the champion on the rows of *gate*.

        Parameters
        ----------
        y : actuals, shape (n,)
        ours, theirs : what challenger and champion say
        speeds : of the two
        segments : of the rows, if there is a column of segments
        """
        our_rows, their_rows = self.arrays(y, [ours, theirs])
        champion = values(their_rows, (self.metric,))[self.metric] if len(y) else None
        verdict = self.compare(
            our_rows,
            their_rows,
            min_rows=self.settings.gate_min_rows,
            margin=self.settings.gate_margin,
            tolerance=self.tolerance * abs(champion or 0.0) if self.for_speed else 0.0,
        )
        against = [*self.costs(*speeds), *self._segments(our_rows, their_rows, segments), *self._skill(our_rows)]
        return self.limited(verdict, against)

    def limited(self, verdict: GateVerdict, against: Sequence[str]) -> GateVerdict:
        """A verdict with what stands against the challenger whatever its advantage."""
        sentence = "; ".join([verdict.sentence, *against])
        asked = "not worse" if self.for_speed else "better"
        return msgspec.structs.replace(verdict, sentence=sentence, asked=asked, limits=tuple(against))

    def compare(
        self,
        ours: Sample,
        theirs: Sample,
        rows: np.ndarray | None = None,
        *,
        min_rows: int,
        margin: float = 0.0,
        tolerance: float = 0.0,
        confidence: float = CONFIDENCE,
    ) -> GateVerdict:
        """Two models' answers to the same rows, or to some of them; as `gate` has it."""
        sign = 1 if higher_is_better(self.metric) else -1
        rows = np.arange(len(ours)) if rows is None else rows

        def advantage(drawn: np.ndarray) -> float:
            chosen = rows[drawn]
            found = [values(part.take(chosen), (self.metric,))[self.metric] for part in (ours, theirs)]
            return float("nan") if found[0] is None or found[1] is None else sign * (found[0] - found[1])

        # The same arrays hundreds of times: scikit-learn would look at them for longer than it computes.
        with config_context(assume_finite=True, skip_parameter_validation=True):
            return gate(
                advantage,
                len(rows),
                metric=self.metric,
                min_rows=min_rows,
                margin=margin,
                tolerance=tolerance,
                confidence=confidence,
                seed=self.settings.seed,
            )

    def _skill(self, ours: Sample) -> list[str]:
        """Whether a challenger knows anything of these rows: where labels have become noise, an answer that is nearly
        constant beats a champion that still believes. A permutation test (Ojala and Garriga 2010): its answers, dealt
        to other rows, do as well."""
        if len(ours) < self.settings.gate_min_rows or len(np.unique(ours.y_true)) < 2:
            return []
        sign = 1 if higher_is_better(self.metric) else -1
        rng = np.random.default_rng(self.settings.seed)
        with config_context(assume_finite=True, skip_parameter_validation=True):
            value = values(ours, (self.metric,))[self.metric]
            dealt = [values(_dealt(ours, rng), (self.metric,))[self.metric] for _ in range(DEALS)]
        known = [sign * other for other in dealt if other is not None]
        if value is None or not known:
            return []
        chance = (1 + sum(other >= sign * value for other in known)) / (1 + len(known))
        if chance <= SKILLED:
            return []
        return [f"it knows no more of these rows than chance does ({self.metric} {value:.4g}, p = {chance:.2g})"]

    def costs(self, ours: Speed, theirs: Speed | None) -> list[str]:
        """What a challenger costs too much; in words."""
        told, limits = [], self.settings
        if limits.max_row_ms is not None and ours.row_ms > limits.max_row_ms:
            told.append(f"one row takes {ours.row_ms:.3g} ms, allowed are {limits.max_row_ms:g}")
        if limits.max_artifact_mb is not None and ours.artifact_mb > limits.max_artifact_mb:
            told.append(f"its file has {ours.artifact_mb:.3g} MiB, allowed are {limits.max_artifact_mb:g}")
        if self.for_speed and theirs is not None and ours.row_ms >= theirs.row_ms:
            told.append(f"one row takes {ours.row_ms:.3g} ms, the live version's takes {theirs.row_ms:.3g}")
        return told

    def _segments(self, ours: Sample, theirs: Sample, segments: Sequence[object]) -> list[str]:
        """The segment that loses most, if that is more than is allowed, and no chance."""
        groups = np.array(["missing" if s is None or s != s else str(s) for s in segments], dtype=object)
        names, counts = np.unique(groups, return_counts=True)
        names = names[counts >= SEGMENT_ROWS]
        worst: tuple[float, str] | None = None
        for name in names:
            rows = np.flatnonzero(groups == name)
            was, is_ = (values(part.take(rows), (self.metric,))[self.metric] for part in (theirs, ours))
            lost = loss(self.metric, is_, was)
            if lost is None or lost <= self.settings.max_segment_loss:
                continue
            confidence = 1 - (1 - CONFIDENCE) / len(names)
            found = self.compare(ours, theirs, rows, min_rows=SEGMENT_ROWS, confidence=confidence)
            if found.verdict == "worse" and (worst is None or lost > worst[0]):
                worst = lost, f"segment {name} is {lost:.0%} worse over {len(rows)} rows"
        return [worst[1]] if worst else []


def _dealt(sample: Sample, rng: np.random.Generator) -> Sample:
    """The answers in another order than their rows."""
    order = rng.permutation(len(sample))
    chances = None if sample.chances is None else sample.chances[order]
    return replace(sample, y_pred=sample.y_pred[order], chances=chances)
