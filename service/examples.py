"""Bodies and answers as they look for one version: its own features, classes and typical values.

Values are those of the reference's profile (means, the most frequent category), never a row that somebody sent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.answers import Answers
from workbench.evaluation import FeatureProfile
from workbench.jobs import Job
from workbench.records import LARGEST, Event, Label, Promotion, Schema, Value
from workbench.scores import natural
from workbench.served_version import ServedVersion
from workbench.settings import Settings
from workbench.tensors import DATATYPES
from workbench.version_store import VersionStore

MOMENT, ID = "2026-01-31T10:42:00.000000Z", "20260131T104200-0a1b2c-0000042"
MODEL, VERSION = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
JOB = "20260131T104200-0a1b2c"
BRANCHES: dict[str, dict[str, Any]] = {
    "numeric": {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST},
    "boolean": {"type": ["boolean", "null"]},
}


def instance_schema(schema: Schema, max_text: int) -> dict[str, Any]:
    """What a version takes as one instance, as a JSON schema; texts have at most so many characters."""
    branches = BRANCHES | {"categorical": {"type": ["string", "null"], "maxLength": max_text}}
    properties: dict[str, Any] = {f.name: branches[f.asked] for f in schema.features}
    properties |= {name: {"description": "Not looked at, and not kept."} for name in schema.dropped}
    if schema.time is not None:
        told = "When it happened, ISO 8601, from 1900 to a day from now; left out: now."
        properties[schema.time] = {"type": "string", "format": "date-time", "description": told}
    return {
        "type": "object",
        "title": "Instance",
        "description": "One row: every feature of the live version; null is a missing value.",
        "properties": properties,
        "required": schema.names,
        "additionalProperties": False,
    }


def actual_schema(schema: Schema, classes: tuple[str, ...]) -> dict[str, Any]:
    """What can be the true value of a version's prediction, as a JSON schema."""
    told = {"title": "Actual", "description": f"The true value: {schema.target}."}
    if schema.task == "regression":
        return told | {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
    spelled: list[Label] = list(classes)
    for name in classes:
        number = natural(name)[0]
        # A class that is a number can be sent as one.
        if number.is_integer() and str(int(number)) == name:
            spelled.append(int(number))
            spelled += [bool(number)] if number in (0, 1) else []
        elif name == str(number) and abs(number) <= LARGEST:
            spelled.append(number)
    return told | {"enum": spelled}


def row(schema: Schema, profile: tuple[FeatureProfile, ...]) -> dict[str, Value]:
    """A typical instance."""
    found: dict[str, Value] = {}
    for feature in profile:
        if feature.kind == "numeric":
            whole = feature.distinct > 0 and all(float(v).is_integer() for v in feature.support)
            mean = feature.mean
            found[feature.name] = None if mean is None else round(mean) if whole else float(f"{mean:.4g}")
        elif feature.kind == "boolean":
            found[feature.name] = (feature.mean or 0.0) >= 0.5
        else:
            found[feature.name] = next(iter(feature.shares), None)
    return {name: found.get(name) for name in schema.names}


def tensors(schema: Schema, row: dict[str, Value]) -> list[dict[str, Any]]:
    """An instance as the Open Inference Protocol has it."""
    return [
        {"name": f.name, "shape": [1], "datatype": DATATYPES[f.asked], "data": [row[f.name]]} for f in schema.features
    ]


def bodies(version: ServedVersion, settings: Settings, versions: VersionStore) -> dict[tuple[str, str], Any]:
    """Bodies by method and path."""
    asked = row(version.schema, versions.profile(version.id))
    actual = version.predictor.answer([asked]).predictions[0]
    chosen = {"recipe": settings.retrain.recipes[0], "ensemble": settings.ensembles[0]}
    return {
        ("post", "/predict"): {"instances": [asked]},
        **{("post", f"{path}/infer"): {"inputs": tensors(version.schema, asked)} for path in (MODEL, VERSION)},
        ("post", "/feedback"): {"actuals": [{"prediction_id": ID, "actual": actual}]},
        ("post", "/maintenance/retrain"): {"reason": "a new season", "promote": "gate", **chosen},
        ("post", "/maintenance/versions/{version_id}/whatif"): {"rows": 100, "most": 10},
        ("post", "/maintenance/versions/{version_id}/activate"): {"reason": "looked at by hand"},
        ("post", "/maintenance/rollback"): {"reason": "worse than before"},
        ("post", "/maintenance/pin"): {"version_id": version.id, "reason": "audit"},
        ("post", "/maintenance/pause"): {"paused": True, "reason": "holidays"},
        ("post", "/maintenance/accept"): {"feature": version.schema.names[0], "reason": "a new supplier"},
    }


def answers(version: ServedVersion, versions: VersionStore) -> dict[tuple[str, str, str], Any]:
    """Answers by method, path and status."""
    said = version.predictor.answer([row(version.schema, versions.profile(version.id))])
    switched = Promotion(
        version_id=version.id,
        previous=None,
        generation=2,
        activated_at=MOMENT,
        by="service",
        reason="looked at by hand",
    )
    job = Job(
        id=JOB,
        state="starting",
        reason="a new season",
        trigger="manual",
        by="service",
        started_at=MOMENT,
        pid=4321,
        pid_created=0.0,
    )
    counts = {"accepted": 1, "duplicate": 0, "conflict": 0, "unknown": 0, "expired": 0, "invalid": 0}
    return {
        ("post", "/predict", "200"): _predicted(version.id, said),
        ("post", "/feedback", "200"): {"counts": counts, **{n: [ID] if c else [] for n, c in counts.items()}},
        ("get", "/ready", "200"): {"model_version": version.id},
        ("post", "/maintenance/versions/{version_id}/activate", "200"): switched,
        ("post", "/maintenance/rollback", "200"): switched,
        ("post", "/maintenance/pin", "200"): _event("pinned", "audit", version.id),
        ("post", "/maintenance/pause", "200"): _event("paused", "holidays", None),
        ("post", "/maintenance/accept", "200"): _event("accepted", "a new supplier", version.id),
        ("post", "/maintenance/retrain", "202"): job,
        ("get", "/maintenance/retrain/{job}", "200"): msgspec.structs.replace(job, state="running", stage="fit"),
        ("delete", "/maintenance/retrain/{job}", "200"): msgspec.structs.replace(job, state="running", stage="fit"),
    }


def parameters(version: ServedVersion) -> dict[str, Any]:
    """Values of parameters by their names."""
    return {"version_id": version.id, "job": JOB, "a": version.id, "b": version.id, "at": MOMENT}


def _predicted(version_id: str, said: Answers) -> dict[str, Any]:
    told = {"predictions": said.predictions, "prediction_ids": [ID], "model_version": version_id}
    if said.classes is not None:
        told |= {"probabilities": said.probabilities, "classes": said.classes}
    return told


def _event(kind: str, reason: str, version: str | None) -> Event:
    return Event(id=ID, recorded_at=MOMENT, kind=kind, reason=reason, version=version, by="service")
