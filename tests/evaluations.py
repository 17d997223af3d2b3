"""Evaluations to reason about, made of the parts a test cares for."""

from workbench.evaluation import (
    DataResult,
    DriftResult,
    Evaluation,
    ModelView,
    ServiceResult,
    Traffic,
)
from workbench.moments import utc_text
from workbench.performance_result import EstimateResult, PerformanceResult

# What each part is in when it is in alarm.
ALARMS = {
    "data": "broken",
    "drift": "drift",
    "model": "drift",
    "performance": "alarm",
    "estimate": "alarm",
    "service": "alarm",
}


def evaluation(now, *alarms: str, version: str = "v", n: int = 100) -> Evaluation:
    """A check at a moment with these parts in alarm and the others well."""

    def state(name: str):
        return {"state": ALARMS[name] if name in alarms else "ok", "sentence": f"{name} sentence"}

    return Evaluation(
        recorded_at=utc_text(now),
        version=version,
        n=n,
        first_id=None,
        last_id=None,
        first_event_time=None,
        last_event_time=None,
        service=ServiceResult(**state("service"), all=Traffic(requests=0, rows=0)),
        data=DataResult(**state("data")),
        drift=DriftResult(**state("drift"), n=n),
        model=ModelView(**state("model")),
        performance=PerformanceResult(**state("performance"), metric="mae", n=n, labelled=n),
        estimate=EstimateResult(**state("estimate"), metric="mae", n=n),
        thresholds={},
    )
