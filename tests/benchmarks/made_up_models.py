"""Models whose errors are made up: the real selection, on what is known beforehand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from workbench.blocks import Blocks
from workbench.candidates import Candidate
from workbench.contest import Contest
from workbench.features import infer_schema
from workbench.loaded_version import LoadedVersion
from workbench.records import Block, GateVerdict, Metadata, Schema, TrainingData
from workbench.sections import RetrainSettings
from workbench.selection import Selection, select
from workbench.training_data import PREDICTION_ID, TIME, Rows

FIT, SELECT, GATE = 60, 300, 500
RULES = RetrainSettings()
START = pd.Timestamp("2026-01-01", tz="UTC")


@dataclass(frozen=True)
class Known:
    """Answers row number `x` with what was written down for it."""

    said: np.ndarray

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return self.said[frame["x"].to_numpy(dtype=int)]


@dataclass(frozen=True)
class World:
    """What no model can know has a standard deviation of 1 and remembers the row before by `rho`; what a model adds of
    its own has `own`, so that the errors of two models go together as those of real ones do."""

    name: str
    rho: float = 0.0
    own: float = 0.3

    def select(self, smaller: float, rng: np.random.Generator, candidates: int = 6) -> Selection:
        """A whole selection; the first candidate's MAE is smaller, by this share, than that of all others."""
        n = FIT + SELECT + GATE
        noise = self._series(n, rng)
        others = np.sqrt((1 + self.own**2) / (1 - smaller) ** 2 - 1)

        def model(own: float) -> Known:
            return Known(noise + own * self._series(n, rng))

        frame = pd.DataFrame({"x": np.arange(n, dtype=float), "y": np.zeros(n)})
        schema = infer_schema(frame, task="regression", target="y")
        frame[TIME], frame[PREDICTION_ID] = START + pd.to_timedelta(np.arange(n), unit="h"), None
        rows = Rows(frame, schema)
        blocks = Blocks(rows.part(0, FIT), rows.part(FIT, FIT + SELECT), rows.part(FIT + SELECT, n))
        compete = [
            Candidate(str(i), model(self.own if i == 0 else others), schema, "everything", "voting", {})
            for i in range(candidates)
        ]
        champion = _version(model(others), schema, blocks)
        until = blocks.fit.block().end
        return select(compete, champion, blocks, Contest("regression", "mae", RULES), until)

    def _series(self, n: int, rng: np.random.Generator) -> np.ndarray:
        drawn = rng.normal(size=n + 100)
        return np.asarray(lfilter([np.sqrt(1 - self.rho**2)], [1, -self.rho], drawn))[100:]


INDEPENDENT, REMEMBERING = World("independent"), World("AR(1), rho 0.5", rho=0.5)


def _version(estimator: Known, schema: Schema, blocks: Blocks) -> LoadedVersion:
    data = TrainingData(
        sha256="",
        rows=FIT,
        dropped_without_target=0,
        labelled_predictions=0,
        fit=blocks.fit.block(),
        select=Block(rows=0),
        gate=Block(rows=0),
    )
    metadata = Metadata(
        version_id="champion",
        created_at="",
        model="made up",
        trigger="manual",
        reason="",
        task="regression",
        target="y",
        features=schema,
        ensemble="voting",
        recipe="everything",
        parameters={},
        seed=0,
        training_data=data,
        metrics={},
        gate=GateVerdict(verdict="no champion", metric="mae", rows=0, sentence=""),
        fit_s=0.0,
        libraries={},
    )
    return LoadedVersion(
        metadata=metadata,
        profile=(),
        holdout=None,
        estimator=estimator,
        error_model=None,
        outputs=None,
        folder=Path(),
    )
