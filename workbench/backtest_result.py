"""What a backtest found: one record behind the table, the figures and `--json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from workbench.show import Shown

if TYPE_CHECKING:
    import pandas as pd

Interval = tuple[float, float]
NOTE = (
    "clock: event time; a retrain takes no simulated time; response times are not simulated, so neither are "
    "retrains for slowness or failures"
)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something a policy did, or refused to do, and why."""

    at: str
    kind: str
    version: str | None
    reason: str


class PeriodScore(msgspec.Struct, frozen=True, kw_only=True):
    """A period of event time: its rows, those with an actual, the metric over these, who answered."""

    start: str
    end: str
    rows: int
    labelled: int
    value: float | None
    interval: Interval | None = None
    versions: tuple[str, ...] = ()


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """How much a policy won beside never retraining, as a share of what the best of the always-retraining ones won.

    `won` and `recoverable` are in units of the metric, positive is better. `share` is None where there was nothing to
    recover. `without` is the share with each period left out.
    """

    sentence: str
    won: float | None
    won_interval: Interval | None
    recoverable: float | None
    recoverable_interval: Interval | None
    share: float | None
    interval: Interval | None
    without: dict[str, float | None] = {}


class Course(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """One policy over the history, or one of those that it is held beside."""

    name: str
    kind: Literal["policy", "never", "always"]
    value: float | None
    interval: Interval | None
    over_time: tuple[PeriodScore, ...]
    rows: int
    unanswered: int
    fits: int
    fit_s: float
    alarms: int = 0
    attempts: int = 0
    promotions: int = 0
    went_back: int = 0
    kept_out: int = 0
    refusals: int = 0
    rollbacks: int = 0
    failures: int = 0
    steps: tuple[Step, ...] = ()
    recovered: Recovered | None = None
    settings: dict[str, object] = {}

    def to_frame(self) -> pd.DataFrame:
        """A row a step: what it did and refused, and why."""
        import pandas as pd

        return pd.DataFrame([msgspec.structs.asdict(step) for step in self.steps], columns=Step.__struct_fields__)


class BacktestResult(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Every course over the same history; `chosen` and `undominated` name policies, where there are several."""

    id: str
    made_at: str
    source: str
    delay: str
    model: str
    task: str
    target: str
    metric: str
    ensemble: str
    reference_rows: int
    rows: int
    labelled: int
    scored: int
    start: str
    end: str
    period: str
    look_rows: int
    took_s: float
    courses: tuple[Course, ...]
    undominated: tuple[str, ...] = ()
    chosen: str | None = None
    honest: str = ""
    note: str = NOTE

    @property
    def policies(self) -> tuple[Course, ...]:
        return tuple(course for course in self.courses if course.kind == "policy")

    def course(self, name: str) -> Course:
        """One of the courses by its name.

        Raises
        ------
        KeyError
        """
        return next((c for c in self.courses if c.name == name), None) or _unknown(name, self.courses)

    def to_frame(self) -> pd.DataFrame:
        """A row a course: its figures."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "course": c.name,
                    self.metric: c.value,
                    "low": c.interval[0] if c.interval else None,
                    "high": c.interval[1] if c.interval else None,
                    "recovered": c.recovered.share if c.recovered else None,
                    **{name: getattr(c, name) for name in COUNTED},
                    "fits": c.fits,
                    "fit_s": c.fit_s,
                }
                for c in self.courses
            ]
        ).set_index("course")

    def over_time(self) -> pd.DataFrame:
        """A row a period, a column a course: the metric."""
        import pandas as pd

        return pd.DataFrame({c.name: {p.start: p.value for p in c.over_time} for c in self.courses})


COUNTED = ("alarms", "attempts", "promotions", "went_back", "kept_out", "refusals", "rollbacks", "failures")


def _unknown(name: str, courses: tuple[Course, ...]) -> Course:
    raise KeyError(f"no course {name!r}; there are {', '.join(c.name for c in courses)}")
