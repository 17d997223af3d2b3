"""What a version is published with: what its checks measure it by, and what proves that it is itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from workbench import estimate, parity, performance_check, profiles
from workbench.answers import Answers
from workbench.ensemble import answer_frame, disagreement, output_column
from workbench.errors import DataError
from workbench.features import to_rows
from workbench.golden import Golden
from workbench.holdout import measure
from workbench.records import Metadata
from workbench.scores import sample
from workbench.settings import Settings
from workbench.training_data import PREDICTION_ID, Rows
from workbench.version_store import VersionStore

GOLDEN_ROWS = 20
SAMPLE_ROWS = 2_000
FOLDS = 5


@dataclass(frozen=True)
class Held:
    """Rows that were answered by a model which had not learnt them, and how far its members were apart there."""

    rows: Rows
    said: Answers
    apart: np.ndarray | None


def held_out(estimator: Any, rows: Rows) -> Held:
    """What a version answers to rows it has not learnt."""
    return Held(rows, answer_frame(estimator, rows.schema, rows.X), disagreement(estimator, rows.X))


def out_of_fold(fitted: Callable[[Rows], Any], rows: Rows) -> Held:
    """The same for a version that learns all rows: each fold of event time is answered by a fit on the others.

    A fold without which all rows would be of one class is left out.

    Raises
    ------
    DataError
        If that is so of every fold.
    """
    parts = [
        (Rows(rows.frame.iloc[rest], rows.schema), Rows(rows.frame.iloc[fold], rows.schema))
        for rest, fold in KFold(FOLDS).split(rows.frame)
    ]
    parts = [(rest, part) for rest, part in parts if len(pd.unique(rest.y)) > 1]
    if not parts:
        raise DataError("[retrain] refit: without any one stretch of the rows there is but one class left to learn")
    held = [held_out(fitted(rest), part) for rest, part in parts]
    chances = [h.said.probabilities for h in held]
    apart = [h.apart for h in held if h.apart is not None]
    return Held(
        Rows(pd.concat([h.rows.frame for h in held]), rows.schema),
        Answers(
            [label for h in held for label in h.said.predictions],
            [row for table in chances for row in table or ()] if all(chances) else None,
        ),
        np.concatenate(apart) if len(apart) == len(held) else None,
    )


def publish(
    versions: VersionStore,
    metadata: Metadata,
    estimator: Any,
    *,
    learnt: Rows,
    held: Held,
    settings: Settings,
    snapshot: Rows | None = None,
) -> None:
    """Summarise what a version learnt and what it answers to rows it has not learnt, and write it all down.

    Parameters
    ----------
    metadata : of a claimed version
    learnt : the rows it was fitted on
    held : what its quality and its outputs are measured by
    snapshot : all rows that it could have learnt; its compiled form is proven on them
        None for a version that no service will answer from: it is not compiled.
    """
    task, schema = metadata.task, metadata.features
    in_order, segment = settings.model.time is not None, settings.performance.segment
    rng = np.random.default_rng(metadata.seed)
    pick = np.sort(rng.choice(len(learnt), min(SAMPLE_ROWS, len(learnt)), replace=False))
    shown = held.rows.X.iloc[:: max(1, len(held.rows) // GOLDEN_ROWS)].head(GOLDEN_ROWS)
    with threadpool_limits(settings.retrain.threads):
        proof = answer_frame(estimator, schema, shown)
        scored = sample(task, held.rows.y, held.said.predictions, held.said.probabilities)
        error_model = estimate.learn(held.rows.X, scored, estimate.estimated(task, settings.metric), schema)
        compiled = None
        if snapshot is not None:
            compiled, told = parity.compiled_and_proven(estimator, schema, snapshot.X, metadata.seed)
            metadata = msgspec.structs.replace(metadata, compilation=told)
    column = output_column(task, held.said.predictions, held.said.probabilities)
    versions.publish(
        metadata,
        estimator,
        profile=profiles.profile(learnt.X, schema, in_order=in_order),
        outputs=profiles.of_outputs(column, held.apart, in_order),
        holdout=measure(
            scored,
            performance_check.names(settings),
            times=held.rows.stamps,
            in_order=in_order,
            segment=segment,
            groups=[] if segment is None else held.rows.X[segment].tolist(),
        ),
        error_model=error_model,
        sample=learnt.frame.iloc[pick].drop(columns=PREDICTION_ID),
        golden=Golden(rows=to_rows(shown), predictions=proof.predictions, probabilities=proof.probabilities),
        compiled=compiled,
    )
