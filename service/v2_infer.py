"""POST /v2/models/.../infer: rows read from tensors, answers written as tensors, and between the two it is /predict.

The same version, records and statistics; errors in the protocol's own form.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from service.inference import Serving
from service.layers import PlainRoute
from service.predict import JSON_TYPE, Content, Predict
from service.refusals import TOO_DEEP, deeper, misfits, settled, too_many
from service.v2_schemas import InferRequest, InferResponse, V2Error
from workbench.answers import Answers
from workbench.errors import DataError
from workbench.instances import InstanceReader, Instances
from workbench.monitor import ModelMonitor
from workbench.rows import safe_text
from workbench.scores import label_text
from workbench.served_version import ServedVersion
from workbench.tensors import BYTES, TensorRequest, packed, read_request, rows_of

TAG = "open inference protocol"
MODEL, VERSION = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
HEADER_LENGTH = b"inference-header-content-length"
# A web page of another site can send neither of them unasked.
TYPES = ("application/json", "application/octet-stream")
PROBLEMS_TOLD = 5
WHOLE_NUMBER = 18
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": V2Error} for code in (400, 401, 404, 413, 415, 422, 500, 503)
}


class Asked(Instances, frozen=True, kw_only=True):
    """Rows, and the request that they came in."""

    request: TensorRequest


class Infer(Predict):
    """As /predict, in tensors."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            scope["state"]["header_length"] = _header_length(scope)
            await super().__call__(scope, receive, send)
        except (HTTPException, RequestValidationError) as error:
            await refused(error)(scope, receive, send)

    def _version(self, scope: Scope) -> ServedVersion:
        wanted = scope["path_params"]
        known(wanted["name"], self._monitor)
        return loaded(wanted["version"], self._serving) if "version" in wanted else super()._version(scope)

    def _read(self, version: ServedVersion, reader: InstanceReader, body: bytes, state: dict[str, Any]) -> Instances:
        schema, latest = version.schema, self._monitor.latest
        try:
            request, rest = read_request(body, state["header_length"])
        except DataError as error:
            raise HTTPException(400, safe_text(str(error))) from error
        limits = self._monitor.settings.service
        told = [request.parameters, *(t.parameters for t in request.inputs), *(o.parameters for o in request.outputs)]
        if any(parameters and deeper(parameters, limits.max_depth) for parameters in told):
            raise HTTPException(400, TOO_DEEP)
        _check_outputs(request, version)
        state["rows"] = request.rows
        if request.rows > limits.max_rows:
            raise too_many(request.rows, limits.max_rows)
        try:
            rows = rows_of(request, rest, schema)
        except DataError as error:
            raise HTTPException(422, safe_text(str(error))) from error
        asked = reader.take(rows, latest)
        if asked is None:
            wrong = [
                f"row {wrong['row']}, input {wrong['field']!r}: found {wrong['found']!r}, allowed is {wrong['allowed']}"
                for wrong in misfits(rows, schema, latest(), limits.max_text)
            ]
            if wrong:
                raise HTTPException(422, "; ".join(wrong[:PROBLEMS_TOLD]))
            asked = settled(rows, schema)
        return Asked(asked.rows, asked.times, request=request)

    def _encoded(self, version: ServedVersion, asked: Instances, said: Answers, ids: list[str]) -> Content:
        assert isinstance(asked, Asked)
        request, n = asked.request, len(ids)
        all_binary = request.parameters.get("binary_data_output") is True
        wanted = {output.name: output.parameters.get("binary_data", all_binary) for output in request.outputs}
        outputs, behind = [], []
        for told in outputs_of(version):
            name, datatype = told["name"], told["datatype"]
            if wanted and name not in wanted:
                continue
            values = _flat(name, datatype, said, ids)
            tensor = {**told, "shape": [n, *told["shape"][1:]]}
            if wanted.get(name, all_binary):
                behind.append(packed(values, datatype))
                tensor["parameters"] = {**told.get("parameters", {}), "binary_data_size": len(behind[-1])}
            else:
                tensor["data"] = values
            outputs.append(tensor)
        content = {"model_name": self._monitor.settings.model.name, "model_version": version.id, "outputs": outputs}
        if request.id is not None:
            content["id"] = request.id
        head = msgspec.json.encode(content)
        if not behind:
            return head, JSON_TYPE
        kind = (b"content-type", b"application/octet-stream"), (HEADER_LENGTH, b"%d" % len(head))
        return b"".join([head, *behind]), kind


def _flat(name: str, datatype: str, said: Answers, ids: list[str]) -> list[Any]:
    """An output's elements, row by row."""
    if name == "prediction_id":
        return ids
    if name == "probabilities":
        return [value for row in said.probabilities or () for value in row.values()]
    if datatype == "FP64":
        return said.predictions
    return [int(label_text(v)) if datatype == "INT64" else label_text(v) for v in said.predictions]


def outputs_of(version: ServedVersion) -> list[dict[str, Any]]:
    """What there is to be had. Classes are whole numbers if all of them are, else texts."""
    classes = version.classes
    whole = all(c.removeprefix("-").isdecimal() and len(c) <= WHOLE_NUMBER for c in classes)
    kind = "FP64" if version.schema.task == "regression" else "INT64" if whole else BYTES
    told: list[dict[str, Any]] = [{"name": "predict", "datatype": kind, "shape": [-1]}]
    if classes and version.predictor.tells_probabilities:
        more = {"shape": [-1, len(classes)], "parameters": {"classes": list(classes)}}
        told.append({"name": "probabilities", "datatype": "FP64", **more})
    return [*told, {"name": "prediction_id", "datatype": BYTES, "shape": [-1]}]


def _check_outputs(request: TensorRequest, version: ServedVersion) -> None:
    there = [told["name"] for told in outputs_of(version)]
    for output in request.outputs:
        if output.name not in there:
            raise HTTPException(400, f"no output {safe_text(output.name)!r}; there are {', '.join(there)}")
        if "classification" in output.parameters:
            raise HTTPException(400, "the classification extension is not supported; `probabilities` has them all")


def _header_length(scope: Scope) -> int | None:
    """How much of the body is JSON; refuses what cannot be read, and what another site's page could send."""
    headers = dict(reversed(scope["headers"]))
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise HTTPException(415, "compressed bodies are not supported")
    kind = headers.get(b"content-type", b"").decode("latin-1").split(";")[0].strip().lower()
    # Triton's client names none; a browser, which could send such a one unasked, says where it comes from.
    unasked = not kind and (b"origin" in headers or b"sec-fetch-site" in headers)
    if unasked or (kind and kind not in TYPES):
        raise HTTPException(415, f"content type {kind[:80]!r} is none of {', '.join(TYPES)}")
    length = headers.get(HEADER_LENGTH)
    if length is None:
        return None
    if not length.isdigit() or len(length) > WHOLE_NUMBER:
        raise HTTPException(400, "Inference-Header-Content-Length is no number of bytes")
    return int(length)


def known(name: str, monitor: ModelMonitor) -> None:
    if name != monitor.settings.model.name:
        raise HTTPException(404, f"no model {safe_text(name)!r}; this is {monitor.settings.model.name!r}")


def loaded(version_id: str, serving: Serving) -> ServedVersion:
    found = serving.loaded(version_id)
    if found is None:
        there = ", ".join(serving.ids()) or "none"
        raise HTTPException(404, f"version {safe_text(version_id)!r} is not in memory; there are: {there}")
    return found


def refused(error: HTTPException | RequestValidationError) -> JSONResponse:
    """An error as the protocol has it."""
    if isinstance(error, RequestValidationError):
        told = "; ".join(str(e.get("message") or e.get("msg")) for e in error.errors()[:PROBLEMS_TOLD])
        return JSONResponse({"error": safe_text(told)}, 422)
    return JSONResponse({"error": str(error.detail)}, error.status_code, dict(error.headers or {}))


def infer_routes(serving: Serving, monitor: ModelMonitor) -> list[PlainRoute]:
    """POST .../infer as it is documented and answered, of the live version and of one that is named."""
    infer_of_any = Infer(serving, monitor)
    binary: dict[str, Any] = {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    }
    return [
        PlainRoute(
            f"{path}/infer",
            documented,
            app=infer_of_any,
            methods=["POST"],
            tags=[TAG],
            response_model=InferResponse,
            responses={200: binary, **REFUSALS},
        )
        for path, documented in ((MODEL, infer), (VERSION, infer_version))
    ]


def infer(name: str, body: InferRequest) -> None:
    """Predict rows given as tensors, one a feature; recorded like those of `/predict`, ids in `prediction_id`."""


def infer_version(name: str, version: str, body: InferRequest) -> None:
    """As without a version; only the live version and the one before it are in memory."""
