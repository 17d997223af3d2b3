"""The evaluation: one frozen record of one check, which plots, API, alerts and triggers read; none computes its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from workbench.performance_result import EstimateResult, PerformanceResult
from workbench.records import ALARMING, Kind, Record, State
from workbench.show import Shown

if TYPE_CHECKING:
    import pandas as pd


class FeatureProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One feature of the reference, summarised; the moments are of the finite values.

    `cells` are the reference's counts between and beyond the `edges` (numeric) or of the categories in `shares`
    (categorical, most frequent first). `support` and `weights` stand for the reference's distribution where the chance
    of means and variances is computed. A `dependence` of 9 means that nine rows in event time tell as much as one
    independent row; `value_`, `cell_` and `missing_dependence` are of the values, of the cells and of missingness.
    `outermost` counts the lone values at the ends, or the categories seen once: what the reference without that row
    would have called out of range, or unseen; `distinct` all the different values.
    """

    name: str
    kind: Kind
    n: int
    missing_share: float
    mean: float | None = None
    std: float | None = None
    low: float | None = None
    high: float | None = None
    edges: tuple[float, ...] = ()
    cells: tuple[int, ...] = ()
    shares: dict[str, float] = {}
    support: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    outermost: int = 0
    infinite: int = 0
    distinct: int = 0
    in_order: bool = False
    value_dependence: float = 1.0
    cell_dependence: float = 1.0
    missing_dependence: float = 1.0

    @property
    def present(self) -> int:
        """Rows of the reference that have a value."""
        return self.n - round(self.n * self.missing_share)


class OutputProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a version answered on its holdout, and how far its members were apart there."""

    outputs: FeatureProfile
    disagreement: FeatureProfile | None = None


class Channel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One score, and the interval [low, high] that it stays in without drift at this many rows.

    `noise` is how far the score is from none, as a multiple of what 95 of 100 checks without drift stay within;
    `limit` the smallest effect that counts, in units of the score; `p` how probable so large a score is without drift.
    """

    value: float
    low: float
    high: float
    noise: float
    p: float
    limit: float
    state: State


class FeatureDrift(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """One feature's window beside its reference, channel by channel; `channel` names the one that decided.

    `effective` is how many independent rows the window's values are worth. `bins` are the window's shares between and
    beyond the profile's edges; `shares` and `reference_shares` those of the most frequent categories.
    """

    feature: str
    kind: Kind
    state: State
    sentence: str
    n: int
    effective: float = 0.0
    channel: str | None = None
    channels: dict[str, Channel] = {}
    missing_share: float
    reference_missing_share: float
    mean: float | None = None
    std: float | None = None
    reference_mean: float | None = None
    reference_std: float | None = None
    bins: tuple[float, ...] = ()
    shares: dict[str, float] = {}
    reference_shares: dict[str, float] = {}
    accepted: str | None = None
    unit: str | None = None
    mended: tuple[float, ...] = ()
    needed: int | None = None


class DriftResult(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A window beside a reference. `level` is the chance of a false alarm that this one check was allowed."""

    state: State
    sentence: str
    n: int
    level: float = 0.0
    features: tuple[FeatureDrift, ...] = ()

    def feature(self, name: str) -> FeatureDrift:
        """The part of one feature; KeyError if it is not among them."""
        found = next((f for f in self.features if f.feature == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def to_frame(self) -> pd.DataFrame:
        """A row a feature: its verdict, and its figures beside the reference's."""
        import pandas as pd

        names = ("state", "channel", "n", "missing_share", "reference_missing_share", "mean", "reference_mean", "std")
        fields = ("feature", "kind", *names, "reference_std", "sentence")
        return pd.DataFrame([[getattr(f, name) for name in fields] for f in self.features], columns=fields)


class DataResult(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Whether the data are what they claim to be; while they are broken, nothing is learnt from them."""

    state: State
    sentence: str
    features: tuple[str, ...] = ()


class Impact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far the predictions move when one feature gets back values of the reference.

    `moved` is the mean absolute change of a prediction (regression) or of the probabilities (the share of probability
    that changes class), `share` the same in standard deviations of the reference's predictions.
    """

    feature: str
    moved: float
    share: float


class Together(msgspec.Struct, frozen=True, kw_only=True):
    """Can a classifier tell the window's rows from the reference's? `auc` is out of fold, 0.5 without drift; where it
    is remarkable, without what the features show one by one.

    `pairs` are the pairs of features whose rank correlation changed most: (one, other, window, reference).
    """

    auc: Channel
    rows: int
    pairs: tuple[tuple[str, str, float, float], ...] = ()


class ModelView(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Drift as the model sees it: its outputs, its members' disagreement, the features together, their impact."""

    state: State
    sentence: str
    outputs: FeatureDrift | None = None
    disagreement: FeatureDrift | None = None
    together: Together | None = None
    impacts: tuple[Impact, ...] = ()


class Traffic(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Service statistics of some requests; response times of requests that were answered with 2xx.

    Intervals hold with 95 %. Below 20 answered requests there is no p95, only the longest response (`max_s`). A p95
    whose interval ends there has no upper bound. `refused` counts requests whose rows were not what the schema says
    (422).
    """

    requests: int
    rows: int
    refused: int = 0
    requests_per_s: float | None = None
    predictions_per_s: float | None = None
    mean_s: float | None = None
    mean_interval_s: tuple[float, float] | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    p95_interval_s: tuple[float, float] | None = None
    p99_s: float | None = None
    max_s: float | None = None
    latency_mean_s: float | None = None
    share_4xx: float | None = None
    share_5xx: float | None = None
    share_5xx_interval: tuple[float, float] | None = None
    up_s: float | None = None
    cpu_share: float | None = None
    memory_mb: float | None = None


class Uptime(msgspec.Struct, frozen=True, kw_only=True):
    """`up_s` of the time since `since` was answered; `as_of` is the last heartbeat counted."""

    since: str
    as_of: str
    up_s: float
    share: float
    current_s: float


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    worker: int
    version: str | None
    started_at: str
    seen_at: str
    cpu_share: float
    memory_mb: float
    deferred: int
    lost: int
    error: str | None
    replica: str | None = None

    @property
    def name(self) -> str:
        """Its number, behind its machine where there are several."""
        return f"{self.replica}/{self.worker}" if self.replica else str(self.worker)


class ServiceResult(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """The service; `cause` says what it is in alarm for, `last_request` is the id of the newest that was counted."""

    state: State
    sentence: str
    cause: Literal["response_time", "failures"] | None = None
    last_request: str | None = None
    all: Traffic
    by_version: dict[str, Traffic] = {}
    uptime: Uptime | None = None
    workers: tuple[Worker, ...] = ()
    cpu_share: float | None = None
    memory_mb: float | None = None


UNCHECKED = "not checked"
Verdict = DataResult | DriftResult | ModelView | PerformanceResult | EstimateResult | ServiceResult


class Evaluation(Shown, Record, frozen=True, kw_only=True):
    """One check: what was looked at, the figures, the thresholds they met and the verdicts in words.

    `drift` is against what the version was trained on, `previous` against the window before this one: the first says
    whether the model is off its ground, the second whether the world is still moving. Only the first can alarm.
    """

    version: str
    n: int
    first_id: str | None
    last_id: str | None
    first_event_time: str | None
    last_event_time: str | None
    service: ServiceResult
    data: DataResult = DataResult(state="insufficient", sentence=UNCHECKED)
    drift: DriftResult
    previous: DriftResult = DriftResult(state="insufficient", sentence=UNCHECKED, n=0)
    model: ModelView = ModelView(state="insufficient", sentence=UNCHECKED)
    performance: PerformanceResult
    estimate: EstimateResult = EstimateResult(state="insufficient", sentence=UNCHECKED, metric="", n=0)
    thresholds: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, Verdict]:
        return {
            "data": self.data,
            "drift": self.drift,
            "model": self.model,
            "performance": self.performance,
            "estimate": self.estimate,
            "service": self.service,
        }

    def to_frame(self) -> pd.DataFrame:
        """A row a part of the check: its verdict and its sentence."""
        import pandas as pd

        rows = [(name, part.state, part.sentence) for name, part in self.verdicts.items()]
        return pd.DataFrame(rows, columns=("part", "state", "sentence"))

    @property
    def alarms(self) -> dict[str, str]:
        """The sentence of each part that is in alarm, by its name."""
        return {k: v.sentence for k, v in self.verdicts.items() if v.state in ALARMING}
