"""A published version: what its checks are measured by, and the version itself in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.evaluation import FeatureProfile, OutputProfile
from workbench.kept_inputs import RAW, Keeper
from workbench.records import Metadata, Schema

if TYPE_CHECKING:
    import pandas as pd

    from workbench.estimate import ErrorModel
    from workbench.holdout import Holdout


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a version is measured by: the profile of its training rows, and what it scored on rows it had not learnt
    (None for one that an older release published)."""

    metadata: Metadata
    profile: tuple[FeatureProfile, ...]
    holdout: Holdout | None

    @property
    def id(self) -> str:
        return self.metadata.version_id

    @property
    def schema(self) -> Schema:
        return self.metadata.features


@dataclass(frozen=True, kw_only=True)
class LoadedVersion(Reference):
    """A version in memory, proven to be what was published.

    `error_model` tells its error without actuals; None where the holdout was too small to learn it. `keeper` makes of
    rows as they are asked what the version takes.
    """

    estimator: Any
    error_model: ErrorModel | None
    outputs: OutputProfile | None
    folder: Path
    keeper: Keeper = RAW

    @cached_property
    def sample(self) -> pd.DataFrame:
        """Rows of the reference, in event time where there is one; inputs only, as `features.align` gives them."""
        # Here, and not above: who only looks at versions does not need pandas.
        import pandas as pd

        from workbench.features import align

        return align(pd.read_parquet(self.folder / "sample.parquet"), self.schema)
