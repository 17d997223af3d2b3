"""Checks for who looks at many of them: of each version the last one whole, of the others what is drawn over time.

Pure. A whole check holds a third of a megabyte in memory, most of it periods, segments and a track record, which the
next check of the same version tells again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from workbench.evaluation import DriftResult, Evaluation, FeatureDrift

LEFT_OUT = "left out"
NOTHING = DriftResult(state="insufficient", sentence=LEFT_OUT, n=0)


def is_brief(check: Evaluation) -> bool:
    return check.previous.sentence == LEFT_OUT


def brief(check: Evaluation) -> Evaluation:
    """Verdicts, metrics with their intervals, scores with their bounds, service statistics; no distributions, periods,
    segments, workers or versions."""
    drift = replace(check.drift, features=tuple(map(_feature, check.drift.features)))
    performance = replace(check.performance, over_time=(), segments=(), by_version=(), newest=None)
    if performance.labels is not None:
        performance = replace(performance, labels=replace(performance.labels, delays=()))
    return replace(
        check,
        drift=drift,
        previous=NOTHING,
        model=replace(check.model, outputs=None, disagreement=None, together=None),
        performance=performance,
        estimate=replace(check.estimate, record=()),
        service=replace(check.service, by_version={}, workers=()),
    )


def _feature(found: FeatureDrift) -> FeatureDrift:
    return replace(found, sentence="", bins=(), shares={}, reference_shares={}, mended=())


def briefly(checks: Sequence[Evaluation]) -> list[Evaluation]:
    """Of each version the last check whole, the others brief; those that are brief already stay as they are."""
    last = {check.version: i for i, check in enumerate(checks)}
    return [check if i == last[check.version] or is_brief(check) else brief(check) for i, check in enumerate(checks)]


def from_the_end() -> Callable[[Evaluation], Evaluation]:
    """For checks that are read the newest first, one by one."""
    seen: set[str] = set()

    def each(check: Evaluation) -> Evaluation:
        told = brief(check) if check.version in seen else check
        seen.add(check.version)
        return told

    return each
