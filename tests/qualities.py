"""A verdict on quality made by hand: labels that take a while, segments, periods, versions, a track record."""

from datetime import UTC, datetime

import msgspec

from tests.evaluations import evaluation
from workbench.evaluation import Evaluation
from workbench.performance_result import Compared, Labels, Score

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def score(n: int, mae: float, **more) -> Score:
    return Score(n=n, metrics={"mae": mae}, intervals={"mae": (mae - 0.5, mae + 0.5)}, **more)


def checked() -> Evaluation:
    check = evaluation(NOON)
    week = {"version": "old", "start": "2025-12-22T00:00:00.000000Z", "end": "2025-12-29T00:00:00.000000Z"}
    performance = msgspec.structs.replace(
        check.performance,
        metrics={"mae": 4.0},
        intervals={"mae": (3.5, 4.5)},
        baseline={"mae": 3.0},
        labels=Labels(
            sentence="90% of 100 mature predictions have their actual",
            delays=((60.0, 0.5), (7200.0, 1.0)),
        ),
        segments=(score(40, 6.25, segment="north"), score(60, 2.5, segment="south")),
        over_time=(score(30, 3.25, **week), score(70, 4.75, version="new", start=week["end"], provisional=True)),
        by_version=(score(30, 3.25, version="old"),),
    )
    record = (Compared(start=week["start"], end=week["end"], n=25, estimated=4.1, low=3.6, high=4.6, realised=4.2),)
    estimate = msgspec.structs.replace(check.estimate, value=4.3, low=3.9, high=4.7, record=record)
    thresholds = {"performance": {"segment": "to"}}
    return msgspec.structs.replace(check, performance=performance, estimate=estimate, thresholds=thresholds)
