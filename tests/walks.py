"""A window that walks over a table: one evaluation after another, as a workspace would write them down."""

from collections.abc import Iterator, Mapping

import msgspec
import pandas as pd

from workbench.checkup import evaluate
from workbench.ensemble import answer
from workbench.evaluation import Evaluation, ServiceResult, Traffic
from workbench.features import align, to_rows
from workbench.loaded_version import LoadedVersion, Reference
from workbench.moments import utc_text
from workbench.records import Actual, Prediction
from workbench.settings import Settings

QUIET = ServiceResult(state="ok", sentence="", all=Traffic(requests=0, rows=0))


def predictions(live: Reference, frame: pd.DataFrame, *, begin: str = "2026-01-01") -> list[Prediction]:
    """A prediction a row, recorded at its time; what was answered matters only to a version that can be asked."""
    inputs = to_rows(align(frame, live.schema))
    said = answer(live.estimator, live.schema, inputs) if isinstance(live, LoadedVersion) else None
    times = frame["time"] if "time" in frame else pd.date_range(begin, periods=len(frame), freq="min")
    return [
        Prediction(
            id=f"{place:06d}",
            recorded_at=utc_text(time.to_pydatetime()),
            event_time=utc_text(time.to_pydatetime()),
            version=live.id,
            inputs=row,
            output=said.predictions[place] if said else 0.0,
            probabilities=said.probabilities[place] if said and said.probabilities else None,
            response_s=0.001,
        )
        for place, (time, row) in enumerate(zip(times, inputs, strict=True))
    ]


def walk(
    live: Reference,
    settings: Settings,
    rows: list[Prediction],
    *,
    first: int,
    step: int,
    accepted: Mapping[str, str] | None = None,
    service: ServiceResult = QUIET,
    actuals: Mapping[str, Actual] | None = None,
) -> Iterator[Evaluation]:
    """Check after `first` rows, and again after every `step` more; of the actuals each knows those of its rows."""
    earlier: list[Evaluation] = []
    for end in range(first, len(rows) + 1, step):
        found = evaluate(
            rows[:end],
            {p.id: actuals[p.id] for p in rows[:end]} if actuals else {},
            service,
            live,
            settings=settings,
            accepted=accepted or {},
            now=rows[end - 1].recorded_at,
            earlier=earlier,
        )
        earlier.append(msgspec.structs.replace(found, id=str(end)))
        yield earlier[-1]
