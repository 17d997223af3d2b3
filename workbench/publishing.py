"""What a version is published with: what its checks measure it by, and what proves that it is itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from workbench import estimate, performance_check, profiles
from workbench.ensemble import answer_frame, output_profile
from workbench.features import to_rows
from workbench.golden import Golden
from workbench.holdout import measure
from workbench.records import Metadata
from workbench.scores import sample
from workbench.settings import Settings
from workbench.training_data import PREDICTION_ID, Blocks, Rows
from workbench.version_store import VersionStore

GOLDEN_ROWS = 20
SAMPLE_ROWS = 2_000


def publish(
    versions: VersionStore, metadata: Metadata, estimator: Any, *, learnt: Rows, blocks: Blocks, settings: Settings
) -> None:
    """Summarise what a version learnt and what it answers to rows it has not learnt, and write it all down.

    Parameters
    ----------
    metadata : of a claimed version
    learnt : the rows it was fitted on
    blocks : whose holdout it was not fitted on
    """
    task, schema, holdout = metadata.task, metadata.features, blocks.holdout
    in_order, segment = settings.model.time is not None, settings.performance.segment
    rng = np.random.default_rng(metadata.seed)
    pick = np.sort(rng.choice(len(learnt), min(SAMPLE_ROWS, len(learnt)), replace=False))
    shown = blocks.gate.X.iloc[:: max(1, len(blocks.gate) // GOLDEN_ROWS)].head(GOLDEN_ROWS)
    with threadpool_limits(settings.retrain.threads):
        proof = answer_frame(estimator, schema, shown)
        said = answer_frame(estimator, schema, holdout.X)
        scored = sample(task, holdout.y, said.predictions, said.probabilities)
        error_model = estimate.learn(holdout.X, scored, estimate.estimated(task, settings.metric), schema)
        outputs = output_profile(estimator, schema, holdout.X, in_order)
    versions.publish(
        metadata,
        estimator,
        profile=profiles.profile(learnt.X, schema, in_order=in_order),
        outputs=outputs,
        holdout=measure(
            scored,
            performance_check.names(settings),
            times=holdout.stamps,
            in_order=in_order,
            segment=segment,
            groups=[] if segment is None else holdout.X[segment].tolist(),
        ),
        error_model=error_model,
        sample=learnt.frame.iloc[pick].drop(columns=PREDICTION_ID),
        golden=Golden(rows=to_rows(shown), predictions=proof.predictions, probabilities=proof.probabilities),
    )
