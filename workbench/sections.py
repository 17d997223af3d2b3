"""The sections of workbench.toml: each key with its default and what it may be."""

from __future__ import annotations

import re
from math import inf
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from workbench.records import Task

Store = Literal["raw", "hashed", "none"]
Recipe = Literal["everything", "recent", "decay"]
Trigger = Literal["performance", "estimate", "drift", "model", "response_time", "failures", "recovery"]
# Of `false_alarm_rate`: drift of the inputs, the model's view of it, quality with and without actuals.
BUDGET = {"drift": 0.6, "model": 0.1, "performance": 0.25, "estimate": 0.05}
TRIGGERS: tuple[Trigger, ...] = ("performance", "estimate", "drift", "model", "response_time", "failures", "recovery")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(Section):
    """What is predicted from what, and by whom; `size` is the share of their trees and steps that members have."""

    name: str = Field("model", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    task: Task
    target: str
    data: str
    time: str | None = None
    features: tuple[str, ...] | None = None
    key: tuple[str, ...] = ()
    ensemble: str = "voting"
    members: tuple[str, ...] = Field(("linear", "forest", "boosting"), min_length=1)
    size: float = Field(1.0, gt=0, le=1)


class MonitorSettings(Section):
    """What is kept, and how often it is looked at.

    `fsync` is what a power loss may take: with "never" what the kernel has not written by itself, with "always" nothing
    that was answered, with a time such as "1s" what is younger than that.
    """

    window: int = Field(1000, ge=1, le=1_000_000)
    history: int = Field(100_000, ge=1)
    segment_rows: int = Field(5_000, ge=1)
    fsync: str = Field("never", pattern=r"^(never|always|[1-9]\d*(ms|s))$")
    check_every_s: float = Field(30.0, gt=0)
    period: str = Field("7D", pattern=r"^[1-9]\d*[Dh]$")
    max_response_s: float = Field(1.0, gt=0)
    max_failed: float = Field(0.05, gt=0, le=1)
    false_alarm_rate: float = Field(0.01, gt=0, lt=1)

    @property
    def fsync_s(self) -> float:
        """Within how many seconds what is recorded is on the disk.

        >>> [MonitorSettings(fsync=text).fsync_s for text in ("never", "always", "250ms", "2s")]
        [inf, 0.0, 0.25, 2.0]
        """
        if self.fsync in ("never", "always"):
            return inf if self.fsync == "never" else 0.0
        return float(self.fsync[:-2]) / 1000 if self.fsync.endswith("ms") else float(self.fsync[:-1])


class MetricsSettings(Section):
    """Where records are shared by several machines: a PostgreSQL database. Without a `url` they lie in metrics/ alone.

    The password comes from `PGPASSWORD`, libpq's passfile, or a `url` in the environment; it is never shown.
    `ship_every_s` is how often what was recorded here goes there; `schema_name` keeps workspaces of one database apart.
    """

    url: str | None = Field(None, repr=False)
    schema_name: str = Field("workbench", pattern=r"^[a-z_][a-z0-9_]{0,50}$")
    ship_every_s: float = Field(0.5, ge=0.05, le=60)

    @field_validator("url")
    @classmethod
    def _a_database(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"postgres(ql)?://", url):
            # It is not shown: a password may stand in it.
            raise ValueError("'metrics.url' is no address that begins with postgresql://")
        return url


class DriftSettings(Section):
    """The smallest moves of an input that matter; smaller ones are no drift, however sure."""

    min_mean_shift: float = Field(0.1, ge=0)
    min_std_ratio: float = Field(1.15, ge=1)
    min_distance: float = Field(0.1, ge=0, le=1)
    min_missing_shift: float = Field(0.05, ge=0, le=1)
    min_outside_share: float = Field(0.02, ge=0, le=1)
    min_auc: float = Field(0.6, ge=0.5, le=1)
    min_impact: float = Field(0.01, ge=0)
    min_refused_share: float = Field(0.05, ge=0, le=1)


class PerformanceSettings(Section):
    """Which metric decides, which are watched beside it, and the smallest loss that counts, as a share of the holdout's
    value (`min_estimated_loss` where it is estimated without actuals). `own` metrics are named as scikit-learn's
    scorers are, or as module:function."""

    metric: str | None = None
    watch: tuple[str, ...] | None = None
    own: tuple[str, ...] = ()
    min_loss: float = Field(0.1, ge=0)
    min_estimated_loss: float = Field(0.1, ge=0)
    mature_quantile: float = Field(0.95, gt=0, le=1)
    segment: str | None = None


class RetrainSettings(Section):
    """When a new version is trained, on what, and how it is admitted.

    `triggers` are the alarms that start a retrain ("recovery": the live version went live worse by `max_level_loss`
    than what was held before; tried again at twice the new rows each time), `every_days` does so without one;
    `virtual_drift` is whether drift of the inputs does although the actuals of the same window show no loss (Gama et
    al. 2014). Candidates are `recipes` (which rows) x `ensembles` (default: that of [model]) and up to `past_versions`
    that were live before. Lost performance is reason enough once it has cost as much as `attempt_cost` predictions with
    twice the holdout's error: as many as a gate asks for its verdict. A challenger must win by `gate_margin`, in units
    of the metric; the limits (`max_...`) no advantage outweighs. `prune` spares the newest `keep_versions`.
    """

    automatic: bool = True
    triggers: tuple[Trigger, ...] = TRIGGERS
    virtual_drift: bool = True
    every_days: float | None = Field(None, gt=0)
    checks_in_a_row: int = Field(2, ge=1)
    cooldown_s: float = Field(6 * 3600, ge=0)
    max_attempts_a_day: int = Field(4, ge=1)
    min_new_rows: int = Field(700, ge=1)
    attempt_cost: float = Field(400, ge=0)
    recipes: tuple[Recipe, ...] = Field(("recent", "everything"), min_length=1)
    recent_days: float = Field(60, gt=0)
    half_life_days: float = Field(30, gt=0)
    ensembles: tuple[str, ...] = ()
    past_versions: int = Field(8, ge=0)
    keep_versions: int = Field(20, ge=0)
    holdout_share: float = Field(0.2, gt=0, lt=0.5)
    select_rows: int = Field(300, ge=1)
    gate_rows: int = Field(400, ge=1)
    gate_min_rows: int = Field(300, ge=2)
    gate_margin: float = Field(0.0, ge=0)
    max_row_ms: float | None = Field(None, gt=0)
    max_artifact_mb: float | None = Field(None, gt=0)
    max_segment_loss: float = Field(0.25, gt=0)
    max_level_loss: float = Field(0.25, gt=0)
    refit: bool = False
    labelled_rows: int = Field(1_000_000, ge=1)
    seed: int = 0
    threads: int = Field(1, ge=1)


class ProbationSettings(Section):
    """How long a switch is watched, and what is worse enough to go back by itself."""

    rows: int = Field(500, ge=1)
    minutes: float = Field(60.0, gt=0)
    max_failed: float = Field(0.02, ge=0, le=1)
    max_slowdown: float = Field(2.0, ge=1)
    max_shift: float = Field(1.0, gt=0)


class AlertsSettings(Section):
    """Whom to tell of alarms, besides the log, and how patiently."""

    webhook: str | None = Field(None, repr=False)
    timeout_s: float = Field(10.0, gt=0)
    give_up_after_s: float = Field(3600.0, ge=0)

    @field_validator("webhook")
    @classmethod
    def _an_address(cls, webhook: str | None) -> str | None:
        if webhook is not None and not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", webhook):
            # It is not shown: who has the address can write to whom it leads.
            raise ValueError("'alerts.webhook' is no address that begins with http:// or https:// and names a host")
        return webhook


class ServiceSettings(Section):
    """Where the service answers, and whom; how much it takes at once, and how long it waits for it.

    `allow_open`: other machines may ask without a token. `proxies`: whose X-Forwarded-For is believed.
    `max_busy`: requests under way in a worker; more are told to come again. `token_failures`: a minute and address.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    workers: int = Field(1, ge=1, le=64)
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    allow_open: bool = False
    proxies: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    predict_token_file: str | None = None
    token_failures: int = Field(10, ge=1, le=1000)
    max_rows: int = Field(10_000, ge=1)
    max_body_mb: float = Field(32.0, gt=0, le=1024)
    max_text: int = Field(1000, ge=1, le=1_000_000)
    max_depth: int = Field(20, ge=3, le=200)
    max_headers: int = Field(100, ge=10, le=1000)
    max_head_kb: int = Field(32, ge=1, le=1024)
    head_timeout_s: float = Field(10.0, gt=0, le=600)
    body_timeout_s: float = Field(30.0, gt=0, le=600)
    max_connections: int = Field(800, ge=1, le=100_000)
    max_busy: int = Field(64, ge=1, le=10_000)
    drain_s: float = Field(10.0, gt=0, le=600)
    aside_limit_s: float = Field(300.0, gt=0)
    heartbeat_s: float = Field(5.0, gt=0)
    log: Literal["text", "json"] = "text"
    access_log: bool = False

    @model_validator(mode="after")
    def _a_certificate_has_a_key(self) -> ServiceSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("[service] tls_cert and tls_key come together: the certificate, and its key")
        return self


class PagesSettings(Section):
    """Where the dashboard and JupyterLab answer."""

    host: str = "127.0.0.1"
    dashboard_port: int = Field(8866, ge=1, le=65535)
    lab_port: int = Field(8888, ge=1, le=65535)
    refresh_s: float = Field(2.0, gt=0)


class BacktestSettings(Section):
    """The history that a policy is tried on, and how it is played.

    `data` is one file: its rows before `start`, or the first `reference_share` of them, train the first version.
    Without it that is [model] data, and the traffic is [replay] data or else the labelled predictions on record.
    `delay`: a duration, "observed" (the curve of the records), or a column of moments at which actuals were known.
    `period`: of the figures, and of those who always retrain; default: a tenth of the traffic's time.
    `look_rows`: predictions between two looks of the maintainer; default: a fifth of the window, at most 2,000 looks.
    `ensemble`: the share of trees and steps that members keep, to be quicker.
    """

    data: str | None = None
    start: str | None = None
    reference_share: float = Field(0.2, gt=0, lt=1)
    delay: str = "1D"
    period: str | None = Field(None, pattern=r"^[1-9]\d*[Dh]$")
    look_rows: int | None = Field(None, ge=1)
    ensemble: float = Field(1.0, gt=0, le=1)


class ReplaySettings(Section):
    """The traffic that `replay` sends: its rows carry the target, which follows as an actual."""

    data: str | None = None
    rows_per_s: float = Field(200.0, gt=0)
    batch: int = Field(40, ge=1, le=10_000)
    actual_delay: str = Field("1D", pattern=r"^\d+(D|h|min|s)$")
