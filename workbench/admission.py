"""Who goes live after the gate, and what is told of it: promoted, gone back to, or kept out, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from workbench.errors import Busy
from workbench.loaded_version import LoadedVersion
from workbench.metrics_store import MetricsStore
from workbench.policy import GOING_BACK, WENT_BACK
from workbench.records import Event, Metadata, Promotion
from workbench.selection import Selection
from workbench.steering import steering
from workbench.version_store import VersionStore

Promote = Literal["gate", "always", "never"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a training."""

    version_id: str
    promoted: bool
    sentence: str
    metadata: Metadata


@dataclass(frozen=True)
class Admission:
    """Of one attempt.

    Parameters
    ----------
    by, job : kept in the events
    generation : int, optional
        Of the live pointer that the challenger was compared with (0: nothing was live). Where it has moved meanwhile,
        the gate's verdict is of another version, and nothing goes live by it.
    """

    versions: VersionStore
    metrics: MetricsStore
    by: str
    job: str | None
    generation: int | None = None

    def tell(self, kind: str, reason: str, version: str, **data: Any) -> None:
        self.metrics.append(
            Event(kind=kind, reason=reason, version=version, by=self.by, data={"job": self.job, **data})
        )

    def promote(self, metadata: Metadata, promote: Promote, unrestored: Mapping[str, Any]) -> Outcome:
        """Make a published version live, if it may.

        Parameters
        ----------
        unrestored : mapping
            Kept in the event: the level that was held before and that it has not won back, if there is one.
        """
        version_id, verdict = metadata.version_id, metadata.gate
        data = {"gate": msgspec.to_builtins(verdict), "candidates": metadata.candidates}
        if promote == "never":
            return self._kept(metadata, "kept out by request", data)
        if promote == "gate":
            against = self._hold(metadata.parent) if verdict.passed else None
            if against is not None or not verdict.passed:
                return self._kept(metadata, "; ".join(filter(None, [verdict.sentence, against])), data)
        how = verdict.sentence if promote == "gate" else "promoted by request, without the gate"
        reason = f"{metadata.reason}; {how}"
        try:
            promotion = self._activate(version_id, reason, self.generation if promote == "gate" else None)
        except Busy as error:
            return self._kept(metadata, f"{verdict.sentence}; {error}", data)
        self.tell("promoted", reason, version_id, previous=promotion.previous, **data, **unrestored)
        return Outcome(version_id=version_id, promoted=True, sentence=f"{version_id} is live: {how}", metadata=metadata)

    def go_back(
        self, version: LoadedVersion, chosen: Selection, champion: str, *, metric: str, chosen_until: str | None
    ) -> Outcome:
        """Make a version live again that was live before and is the best candidate, if the gate lets it.

        Parameters
        ----------
        champion : id of the live version
        chosen_until : ISO text
            The event time of the newest row it was chosen by.
        """
        scores, verdict = chosen.scores, chosen.verdict
        best = scores[chosen.winner.name]
        others = [f"{name} {value:.4g}" for name, value in scores.items() if value is not None and value != best]
        told = f"{version.id}, live before, has {metric} {best:.4g} on the newest rows to select by"
        why = f"{told} ({', '.join(others) or 'nothing else'}); {verdict.sentence}"
        data = {"gate": msgspec.to_builtins(verdict), "candidates": scores}
        hold = self._hold(champion)
        if not verdict.passed or hold is not None:
            return self._stays(version, champion, "; ".join(filter(None, [why, hold])), data)
        reason = f"an old version is the best again: {why}"
        # Written first: a version that was chosen by these rows stays so, whatever becomes of this process.
        self.tell(GOING_BACK, why, version.id, chosen_until=chosen_until)
        try:
            promotion = self._activate(version.id, reason, self.generation)
        except Busy as error:
            return self._stays(version, champion, f"{why}; {error}", data)
        self.tell(WENT_BACK, reason, version.id, previous=promotion.previous, **data)
        sentence = f"{version.id} is live: {reason}"
        return Outcome(version_id=version.id, promoted=True, sentence=sentence, metadata=version.metadata)

    def _activate(self, version_id: str, reason: str, generation: int | None) -> Promotion:
        return self.versions.activate(version_id, by=self.by, reason=reason, generation=generation)

    def _hold(self, live: str | None) -> str | None:
        return steering(self.metrics.events(), live).hold

    def _kept(self, metadata: Metadata, why: str, data: dict[str, Any]) -> Outcome:
        self.tell("kept_out", why, metadata.version_id, **data)
        sentence = f"{metadata.version_id} is published but not live: {why}"
        return Outcome(version_id=metadata.version_id, promoted=False, sentence=sentence, metadata=metadata)

    def _stays(self, version: LoadedVersion, champion: str, why: str, data: dict[str, Any]) -> Outcome:
        self.tell("kept_out", why, version.id, **data)
        sentence = f"{champion} stays live: {why}"
        return Outcome(version_id=version.id, promoted=False, sentence=sentence, metadata=version.metadata)
