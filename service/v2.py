"""/v2: the Open Inference Protocol over REST, as Triton's and KServe's clients speak it; here health and metadata."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.routing import compile_path

from service.inference import Serving
from service.security import app_client
from service.v2_infer import MODEL, REFUSALS, TAG, VERSION, known, loaded, outputs_of, refused
from service.v2_schemas import Live, ModelMetadata, ModelReady, Ready, ServerMetadata, V2Error
from workbench import __version__
from workbench.rows import safe_text
from workbench.served_version import ServedVersion
from workbench.tensors import BYTES, DATATYPES

PLATFORM = "sklearn_workbench"


class V2Route(APIRoute):
    """A route whose errors have the protocol's form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_or_refuse(request: Request) -> Response:
            try:
                return await answer(request)
            except (HTTPException, RequestValidationError) as error:
                return refused(error)

        return answer_or_refuse


router = APIRouter(route_class=V2Route, tags=[TAG])
Client = Depends(app_client)


@router.get("/v2", response_model=ServerMetadata, responses={401: {"model": V2Error}}, dependencies=[Client])
def server_metadata() -> dict[str, Any]:
    """What this server is, and which extensions of the protocol it knows."""
    return {"name": "model-workbench", "version": __version__, "extensions": ["binary_tensor_data"]}


@router.get("/v2/health/live", response_model=Live)
def server_live() -> dict[str, Any]:
    """Alive."""
    return {"live": True}


@router.get("/v2/health/ready", response_model=Ready, responses={503: {"model": V2Error}})
def server_ready(request: Request) -> dict[str, Any]:
    """Ready once a version is loaded and proven."""
    _current(request)
    return {"ready": True}


MODEL_REFUSALS: dict[int | str, dict[str, Any]] = {code: REFUSALS[code] for code in (401, 404, 503)}


@router.get(f"{MODEL}/ready", response_model=ModelReady, responses=MODEL_REFUSALS, dependencies=[Client])
@router.get(f"{VERSION}/ready", response_model=ModelReady, responses=MODEL_REFUSALS, dependencies=[Client])
def model_ready(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
    """Whether the model, or a version of it, answers."""
    _asked(request, name, version)
    return {"name": name, "ready": True}


@router.get(MODEL, response_model=ModelMetadata, responses=MODEL_REFUSALS, dependencies=[Client])
@router.get(VERSION, response_model=ModelMetadata, responses=MODEL_REFUSALS, dependencies=[Client])
def model_metadata(request: Request, name: str, version: str | None = None) -> JSONResponse:
    """Inputs and outputs of the live version, or of one that is named."""
    found = _asked(request, name, version)
    inputs: list[dict[str, Any]] = [
        {"name": f.name, "datatype": DATATYPES[f.asked], "shape": [-1]} for f in found.schema.features
    ]
    if found.schema.time is not None:
        optional = {"optional": True}
        inputs.append({"name": found.schema.time, "datatype": BYTES, "shape": [-1], "parameters": optional})
    versions = request.app.state.serving.ids()
    told = {"name": name, "versions": versions, "platform": PLATFORM, "inputs": inputs, "outputs": outputs_of(found)}
    return JSONResponse(told)


def _current(request: Request) -> ServedVersion:
    serving: Serving = request.app.state.serving
    if serving.current is None:
        raise HTTPException(503, serving.error or "no version is live yet", {"Retry-After": "2"})
    return serving.current


def _asked(request: Request, name: str, version: str | None) -> ServedVersion:
    known(name, request.app.state.monitor)
    return _current(request) if version is None else loaded(version, request.app.state.serving)


PATHS = {
    **dict.fromkeys(("/v2", "/v2/health/live", "/v2/health/ready", MODEL, VERSION), "GET"),
    **dict.fromkeys((f"{MODEL}/ready", f"{VERSION}/ready"), "GET"),
    **dict.fromkeys((f"{MODEL}/infer", f"{VERSION}/infer"), "POST"),
}
PATTERNS = [(compile_path(path)[0], method) for path, method in PATHS.items()]
EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@router.api_route("/v2/{rest:path}", methods=EVERY_METHOD, include_in_schema=False)
def nothing_there(request: Request, rest: str) -> Response:
    """What the protocol does not have, in the protocol's form."""
    path = f"/v2/{rest}"
    if not rest.startswith("health/"):
        app_client(request)
    allowed = next((method for pattern, method in PATTERNS if pattern.match(path)), None)
    if allowed is None:
        raise HTTPException(404, f"there is no {safe_text(path)}")
    raise HTTPException(405, f"{safe_text(path)} takes {allowed}", {"Allow": allowed})
