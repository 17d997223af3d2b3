"""Who competes for going live: recipes x ensembles, newly trained, and versions that were live before.

When an old concept returns, an old version knows it best. One that lost at a gate or on probation is not among them.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd

from workbench import members
from workbench.answers import Answers
from workbench.bars import Progress
from workbench.blocks import Blocks, recipes, seen_until, weights
from workbench.compiling import fastest
from workbench.contest import MIB, Speed
from workbench.ensemble import Fit, answer_frame, build, parameters, takes_weights
from workbench.errors import CorruptVersion, DataError, UnknownVersion
from workbench.features import comparable, to_rows
from workbench.loaded_version import LoadedVersion
from workbench.policy import lost_on_probation
from workbench.records import Event, Schema
from workbench.settings import Settings
from workbench.training_data import Rows
from workbench.version_store import VersionStore

TIMED_ROWS = 15


@dataclass(frozen=True)
class Candidate:
    """A model that competes; `learnt` is None for a version that was live before, `version` for a new one.

    `row_ms` is what one row took where that had a budget.
    """

    name: str
    estimator: Any
    schema: Schema
    recipe: str
    ensemble: str
    parameters: dict[str, Any]
    learnt: Rows | None = None
    version: LoadedVersion | None = None
    notes: tuple[str, ...] = ()
    row_ms: float | None = None

    def say(self, frame: pd.DataFrame) -> Answers:
        return answer_frame(self.estimator, self.schema, frame[self.schema.names])


def trained(
    blocks: Blocks, settings: Settings, progress: Progress, *, fit: Fit, budget_ms: float | None = None
) -> list[Candidate]:
    """Each recipe x ensemble, fitted; only the first where there are no rows to choose by.

    Parameters
    ----------
    fit : as `ensemble.fit`
    budget_ms : float, optional
        What one row may take: an ensemble that takes longer is fitted again with half its trees, until it fits or
        nothing is left to halve.

    Raises
    ------
    DataError
        If no recipe suits any ensemble.
    """
    plans, notes = _plans(blocks, settings)
    made = []
    for done, (recipe, ensemble, rows, estimator) in enumerate(plans):
        name = recipe if len(settings.ensembles) == 1 else f"{recipe}, {ensemble}"

        def step(member: str, k: int, of: int, done: int = done, name: str = name) -> None:
            progress(f"{name}: {member}", done * of + k, len(plans) * of)

        counts = weights(recipe, rows, settings.retrain)
        fitted, halved = fit(estimator, rows.X, rows.y, step, counts), 0
        took = None if budget_ms is None else row_ms(fitted, rows)
        while budget_ms is not None and took is not None and took > budget_ms:
            less = members.smaller(estimator)
            if less is None:
                break
            estimator, halved = less, halved + 1
            fitted = fit(estimator, rows.X, rows.y, step, counts)
            took = row_ms(fitted, rows)
        told = (f"halved {halved} times to answer a row within {budget_ms:.3g} ms",) if halved else ()
        made.append(
            Candidate(
                name,
                fitted,
                rows.schema,
                recipe,
                ensemble,
                parameters(estimator),
                learnt=rows,
                notes=(*notes, *told),
                row_ms=took,
            )
        )
    return made


def _plans(blocks: Blocks, settings: Settings) -> tuple[list[tuple[str, str, Rows, Any]], tuple[str, ...]]:
    plans, notes = [], []
    for ensemble in settings.ensembles:
        for recipe, rows in recipes(blocks.fit, settings.retrain).items():
            estimator = _built(ensemble, rows, settings)
            if recipe == "decay" and not takes_weights(estimator):
                notes.append(f"recipe decay is left out: {ensemble} takes no weights of rows")
            else:
                plans.append((recipe, ensemble, rows, estimator))
    if not plans:
        raise DataError(f"no recipe is left to train: {'; '.join(notes)}; see [retrain] recipes and [model] ensemble")
    return (plans if len(blocks.select) else plans[:1]), tuple(notes)


def refitted(winner: Candidate, rows: Rows, settings: Settings, progress: Progress, fit: Fit) -> Any:
    """The winner's kind of model, as large as it was, fitted on other rows."""
    estimator = _built(winner.ensemble, rows, settings)
    sizes = {name: value for name, value in winner.parameters.items() if name.endswith(members.SIZES)}
    return fit(estimator.set_params(**sizes), rows.X, rows.y, progress, weights(winner.recipe, rows, settings.retrain))


def _built(ensemble: str, rows: Rows, settings: Settings) -> Any:
    told, model = settings.retrain, settings.model
    return build(ensemble, rows.schema, names=model.members, seed=told.seed, threads=told.threads, size=model.size)


def past(
    versions: VersionStore,
    champion: LoadedVersion,
    blocks: Blocks,
    events: Sequence[Event],
    *,
    most: int,
) -> Iterator[Candidate]:
    """Versions that were live before, the latest first, and have seen nothing of *select* or *gate*."""
    start = blocks.select.block().start
    lost = lost_on_probation(events)
    names = dict.fromkeys(p.version_id for p in reversed(versions.pointer.log()))
    found = 0
    for name in names:
        if found == most or start is None:
            return
        if name == champion.id or name in lost:
            continue
        try:
            metadata = versions.metadata(name)
            if seen_until(metadata, events) >= start or not comparable(metadata.features, blocks.select.schema):
                continue
            version = versions.load(name)
        except (CorruptVersion, UnknownVersion):
            continue  # pruned or damaged: `show` names what is wrong with it
        found += 1
        yield Candidate(
            f"version {name}",
            version.estimator,
            version.schema,
            metadata.recipe,
            metadata.ensemble,
            metadata.parameters,
            version=version,
        )


def speed(estimator: Any, schema: Schema, rows: Rows) -> Speed:
    """What a model costs, measured here and now."""
    size = _Counter()
    joblib.dump(estimator, size)
    return Speed(row_ms=_row_ms(estimator, schema, rows.frame[schema.names]), artifact_mb=size.bytes / MIB)


def row_ms(estimator: Any, rows: Rows) -> float:
    """As `timed`, of the first of some rows."""
    return _row_ms(estimator, rows.schema, rows.X)


def _row_ms(estimator: Any, schema: Schema, frame: pd.DataFrame) -> float:
    return timed(estimator, schema, to_rows(frame.iloc[np.arange(TIMED_ROWS) % len(frame)]))


def timed(estimator: Any, schema: Schema, rows: Sequence[Mapping[str, Any]]) -> float:
    """The shortest time, in milliseconds, to answer one of these rows, as the service asks it.

    The shortest, and not a mean: what else goes on here makes times longer, never shorter.
    """
    ask = fastest(estimator, schema)
    taken = []
    for row in rows:
        begun = time.perf_counter()
        ask([row])
        taken.append(time.perf_counter() - begun)
    return min(taken) * 1e3


class _Counter(io.RawIOBase):
    """A file that only counts."""

    bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.bytes += size
        return size
