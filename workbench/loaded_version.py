"""A version in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.evaluation import FeatureProfile, OutputProfile
from workbench.features import align
from workbench.records import Metadata, Schema

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LoadedVersion:
    """A version in memory, proven to be what was published."""

    metadata: Metadata
    estimator: Any
    profile: tuple[FeatureProfile, ...]
    outputs: OutputProfile | None
    folder: Path

    @cached_property
    def sample(self) -> pd.DataFrame:
        """Rows of the reference, in event time where there is one; inputs only, as `features.align` gives them."""
        import pandas as pd

        return align(pd.read_parquet(self.folder / "sample.parquet"), self.schema)

    @property
    def id(self) -> str:
        return self.metadata.version_id

    @property
    def schema(self) -> Schema:
        return self.metadata.features
