"""A sound workspace to be spoilt, and what the doctor says of it."""

from pathlib import Path

import msgspec
import pytest

from workbench.moments import utc_text
from workbench.records import Prediction
from workbench.tokens import maintenance_token
from workbench.workspace import Workbench

ROW = {"km": 12.5, "stops": 1, "to": "north"}


@pytest.fixture
def wb(trained) -> Workbench:
    """A sound workspace: a live version, a token, some traffic, its writer at rest."""
    wb = Workbench(trained)
    for km in range(10):
        done = wb.monitor.record(ROW | {"km": float(km)}, 30.0, version="first", response_s=0.01)
        wb.monitor.feedback([(done.id, 29.0)])
    wb.metrics.close()
    maintenance_token(trained.root)
    return wb


def found(wb, level="problem") -> dict[str, tuple[str, str]]:
    """Findings of a level by what they say: (area, where)."""
    return {f.what: (f.area, f.where) for f in wb.doctor().findings if f.level == level}


def only(wb, area: str, level="problem") -> tuple[str, str, str]:
    """The one finding of a level: what, where, what to do."""
    (finding,) = [f for f in wb.doctor().findings if f.level == level]
    assert finding.area == area
    assert finding.todo
    return finding.what, finding.where, finding.todo


def segment(wb, kind="predictions") -> Path:
    return next((wb.settings.metrics_dir / kind).glob("*.jsonl"))


def write(wb, kind: str, *records) -> None:
    named = (msgspec.structs.replace(r, id=r.id or f"test-{i}") for i, r in enumerate(records))
    lines = b"".join(msgspec.json.encode(r) + b"\n" for r in named)
    (wb.settings.metrics_dir / kind).mkdir(exist_ok=True)
    (wb.settings.metrics_dir / kind / "20260101T000000000000Z-1-abcdef.jsonl").write_bytes(lines)


def prediction(recorded, event=None, **more) -> Prediction:
    times = {"recorded_at": utc_text(recorded), "event_time": utc_text(event or recorded)}
    return Prediction(version="first", inputs=ROW, output=1.0, response_s=0.1, **times, **more)
