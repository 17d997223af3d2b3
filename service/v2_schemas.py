"""What the Open Inference Protocol takes and gives, as pydantic models for the documentation."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from workbench.tensors import BYTES, DTYPES

Parameters = dict[str, Any]


class V2Error(BaseModel):
    error: str


class ServerMetadata(BaseModel):
    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


class ModelReady(BaseModel):
    name: str
    ready: bool


class TensorMetadata(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    parameters: Parameters | None = Field(None, description="Of the time: `optional`; of `probabilities`: `classes`.")


class ModelMetadata(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    name: str
    versions: list[str] = Field(description="Those in memory, which can be asked; the live one last.")
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class InputTensor(BaseModel):
    name: str = Field(description="A feature, or the time column; any other name for one tensor of all features.")
    shape: list[Annotated[int, Field(ge=0)]] = Field(
        min_length=1, max_length=2, description="[n] or [n, 1]; [n, features] for one tensor of all features."
    )
    datatype: str = Field(description="BYTES for a text.", json_schema_extra={"enum": [BYTES, *DTYPES]})
    parameters: Parameters = Field(
        default={},
        description="`binary_data_size`: bytes behind the JSON; `missing_text`: the text of a missing value.",
    )
    data: list[Any] | None = Field(None, description="Flat, or nested as the shape is; null is a missing value.")


class WantedOutput(BaseModel):
    name: str
    parameters: Parameters = Field(default={}, description="`binary_data`: true for bytes behind the JSON.")


class InferRequest(BaseModel):
    id: str | None = Field(None, max_length=200)
    parameters: Parameters = Field(
        default={},
        description="`binary_data_output`: all outputs as bytes; `missing_text`: that of all inputs of BYTES.",
    )
    inputs: list[InputTensor] = Field(min_length=1)
    outputs: list[WantedOutput] = Field(default=[], description="Default: all.")


class OutputTensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters | None = None
    data: list[Any] | None = None


class InferResponse(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]
