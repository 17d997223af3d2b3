"""What the service takes and gives, as pydantic models; FastAPI documents and checks them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from workbench.rows import ONE_LINE
from workbench.version_ids import VERSION_ID

Label = float | int | bool | str


class Body(BaseModel):
    # Strict: 0 is not false, and "5" is no number.
    model_config = ConfigDict(extra="forbid", strict=True)


class PredictRequest(Body):
    instances: list[Any] = Field(
        min_length=1, description="Objects of feature: value; the time column may be among them."
    )


class PredictResponse(BaseModel):
    predictions: list[Label]
    prediction_ids: list[str]
    model_version: str
    probabilities: list[dict[str, float]] | None = Field(None, description="Classification: by class, for each row.")
    classes: list[Label] | None = None


class ActualItem(Body):
    prediction_id: str = Field(max_length=200)
    actual: Label = Field(description="The true value.")


class FeedbackRequest(Body):
    actuals: list[ActualItem] = Field(min_length=1, max_length=10_000)


class InvalidActual(BaseModel):
    row: int
    prediction_id: str | None
    message: str


class FeedbackResponse(BaseModel):
    counts: dict[str, int]
    accepted: list[str]
    duplicate: list[str]
    conflict: list[str]
    unknown: list[str]
    expired: list[str]
    invalid: list[InvalidActual] = Field(description="Items that cannot be actuals; the others were judged.")


class Misfit(BaseModel):
    """What of a request does not fit; null is what cannot be told."""

    row: int | None
    field: str | None
    found: Label | None
    allowed: str | None
    message: str


class ProblemDetails(BaseModel):
    """An error, after RFC 9457."""

    type: str = Field(description="A relative URI that tells problems apart; about:blank: no more than the status.")
    title: str
    status: int
    detail: str
    request_id: str | None = Field(None, description="As in the header X-Request-ID, and in the log.")
    error: str | None = Field(None, description="The detail again, under /v2.")


class Invalid(ProblemDetails):
    """A request that does not fit."""

    errors: list[Misfit]


class Health(BaseModel):
    status: Literal["ok", "degraded", "starting"]
    reasons: list[str]
    model_version: str | None
    worker: int
    uptime_s: float


class Ready(BaseModel):
    model_version: str


class Reason(Body):
    reason: str = Field("by request", max_length=1000, pattern=f"^{ONE_LINE.pattern}$", description="Kept in the log.")


class RetrainRequest(Reason):
    version_id: str | None = Field(None, pattern=f"^{VERSION_ID.pattern}$")
    recipe: str | None = Field(None, max_length=64, description="Only this one of [retrain] recipes.")
    ensemble: str | None = Field(None, max_length=200, description="Only this one of [retrain] ensembles.")
    promote: Literal["gate", "always", "never"] = "gate"


class PinRequest(Reason):
    version_id: str | None = Field(description="To pin; null ends the pin.", max_length=64)


class PauseRequest(Reason):
    paused: bool = Field(True, description="false resumes.")


class AcceptRequest(Reason):
    feature: str = Field(max_length=200)


class WhatIfRequest(Body):
    rows: int | None = Field(None, ge=1, description="The newest recorded inputs; default: a window. Up to `history`.")
    most: int = Field(10, ge=0, le=100, description="How many of the rows that change most are told.")
