"""The words of the workbench: one frozen record for everything that is stored.

Times are UTC text with microseconds and `Z`, so that they sort as they read; durations end in `_s`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from workbench.compilation import Compilation
from workbench.show import Shown

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["regression", "classification"]
Kind = Literal["numeric", "boolean", "categorical"]
State = Literal["insufficient", "ok", "possible", "alarm", "drift", "broken"]
# Those of which a person is told.
ALARMING: tuple[State, ...] = ("alarm", "drift", "broken")
Value = float | int | bool | str | None
Label = float | int | bool | str

FORMAT = 1
# Members work in float32, which ends at 3e38; scaling must not carry a value beyond it.
LARGEST = 1e30
METRICS: dict[Task, tuple[str, ...]] = {
    "regression": ("mse", "rmse", "mae", "r2", "bias"),
    "classification": ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier"),
}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the metrics store; its segment's writer fills in `id` and `recorded_at`."""

    id: str = ""
    recorded_at: str = ""


class Stamp(Record, frozen=True, kw_only=True):
    """Any record, read for its id and time alone."""


class Prediction(Record, frozen=True, kw_only=True):
    """One row in, one output."""

    event_time: str
    version: str
    inputs: dict[str, Value]
    output: Label
    probabilities: dict[str, float] | None = None
    response_s: float
    request_id: str = ""
    # Left out of the line where a request told none.
    traceparent: str | msgspec.UnsetType = msgspec.UNSET


class Answer(Record, frozen=True, kw_only=True):
    """A prediction read without its inputs, which are most of its weight."""

    version: str
    output: Label
    probabilities: dict[str, float] | None = None


class Asked(Record, frozen=True, kw_only=True):
    """A prediction, read for what was asked alone."""

    version: str
    inputs: dict[str, Value]


class Actual(Record, frozen=True, kw_only=True):
    """The true value of a prediction."""

    prediction_id: str
    actual: Label


class Refused(Record, frozen=True, kw_only=True):
    """A true value that was not taken: another one was known, or the prediction was beyond `history`."""

    prediction_id: str
    actual: Label
    why: Literal["conflict", "expired"]


class Request(Record, frozen=True, kw_only=True, tag_field="kind", tag="request"):
    """One answered HTTP request: response time to the last byte, latency to the first."""

    path: str
    status: int
    rows: int
    version: str | None
    response_s: float
    latency_s: float
    traceparent: str | msgspec.UnsetType = msgspec.UNSET


class Heartbeat(Record, frozen=True, kw_only=True, tag_field="kind", tag="heartbeat"):
    """A worker saying that it lives, on which version, and what it costs."""

    worker: int
    started_at: str
    every_s: float
    version: str | None
    cpu_share: float
    memory_mb: float
    cpu_s: float = 0.0
    open_files: int | None = None
    deferred: int = 0
    lost: int = 0
    error: str | None = None
    # Of several machines, which; left out of the line where there is one.
    replica: str | msgspec.UnsetType = msgspec.UNSET


class Event(Record, frozen=True, kw_only=True):
    """Something that happened to a model: an alarm, a decision, an attempt, a switch."""

    kind: str
    reason: str
    version: str | None = None
    by: str = "maintainer"
    data: dict[str, Any] = {}


Phase = Literal["steady", "suspected", "training", "gating", "probation", "cooling down", "paused"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy made of the evaluations: the cause, what stands against acting on it, and the phase it is in."""

    action: Literal["retrain", "wait"]
    reason: str
    trigger: str | None = None
    refusal: str | None = None
    phase: Phase = "steady"

    @property
    def sentence(self) -> str:
        return f"{self.reason}; {self.refusal}" if self.refusal else self.reason


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One input of a model.

    `hashed`: the kind of value that is asked, of a feature that is kept and learnt as its hash alone; `kind` is
    "categorical" then. None where values are kept as they are.
    """

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()
    hashed: Kind | None = None

    @property
    def asked(self) -> Kind:
        """The kind of value that is asked."""
        return self.hashed or self.kind


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """What a version takes and what it answers.

    `dropped` may be sent, too, and are not looked at; `hash_key` tells the key of hashed features from others.
    """

    task: Task
    target: str
    time: str | None
    features: tuple[Feature, ...]
    dropped: tuple[str, ...] = ()
    hash_key: str | None = None

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.features]


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of the training data, contiguous in event time; both ends included."""

    rows: int
    start: str | None = None
    end: str | None = None


class TrainingData(msgspec.Struct, frozen=True, kw_only=True):
    sha256: str
    rows: int
    dropped_without_target: int
    labelled_predictions: int
    fit: Block
    select: Block
    gate: Block


Comparison = Literal["better", "not worse", "worse", "cannot tell", "no champion"]


class GateVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Challenger against champion on the same rows; `advantage` is positive where the challenger is better.

    `asked` is what it took to pass, `limits` what stood against the challenger whatever its advantage.
    """

    verdict: Comparison
    metric: str
    rows: int
    sentence: str
    advantage: float | None = None
    low: float | None = None
    high: float | None = None
    asked: Literal["better", "not worse"] = "better"
    limits: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.limits and self.verdict in {"no champion", "better", self.asked}


class Metadata(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is to be known of a version without loading it."""

    format: int = FORMAT
    version_id: str
    created_at: str
    model: str
    trigger: str
    reason: str
    task: Task
    target: str
    features: Schema
    ensemble: str
    recipe: str
    parameters: dict[str, Any]
    seed: int
    training_data: TrainingData
    metrics: dict[str, float | None]
    champion_metrics: dict[str, float | None] = {}
    candidates: dict[str, float | None] = {}
    gate: GateVerdict
    refitted: bool = False
    fit_s: float
    row_ms: float | None = None
    artifact_mb: float | None = None
    compilation: Compilation | None = None
    libraries: dict[str, str]
    parent: str | None = None
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """A row a metric on the rows of its gate: of this version, and of the one that was live there."""
        import pandas as pd

        rows = [(name, value, self.champion_metrics.get(name)) for name, value in self.metrics.items()]
        return pd.DataFrame(rows, columns=("metric", "value", "champion"))


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """Which version is live; the generation grows by one with each switch."""

    version_id: str
    generation: int
    activated_at: str
    previous: str | None = None
    checksum: str = ""


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the promotion log."""

    version_id: str
    previous: str | None
    generation: int
    activated_at: str
    by: str
    reason: str
