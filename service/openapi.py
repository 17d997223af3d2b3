"""What the service says of itself for programs: FastAPI's description, completed from the live version.

FastAPI knows paths, parameters and bodies. Added are what msgspec answers, what any layer may refuse, the headers of
every answer, who may ask, where an answer leads, and instances, classes and examples as the version has them that
answers now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute

from service import examples, maintenance
from service.layers import LayeredApp
from service.links import add_links
from service.maintenance_answers import DriftCheck, Page, PerformanceCheck, Summary, Version, Versions
from service.problems import MEANINGS, MEDIA_TYPE
from workbench.comparison_result import Comparison
from workbench.errors import WorkbenchError
from workbench.evaluation import Evaluation
from workbench.jobs import Job
from workbench.records import Event, Prediction, Promotion
from workbench.served_version import ServedVersion
from workbench.settings import Settings
from workbench.whatif_result import SideBySide, WhatIf

log = logging.getLogger("workbench.service")
REF, JSON = "#/components/schemas/{name}", "application/json"
MAINTENANCE, PREDICT = "maintenance token", "predict token"
# Each endpoint's answer where all is well.
ANSWERS: dict[Callable[..., Any], tuple[Any, ...]] = {
    maintenance.summary: (Summary,),
    maintenance.predictions: (Page[Prediction],),
    maintenance.drift: (Page[DriftCheck],),
    maintenance.performance: (Page[PerformanceCheck],),
    maintenance.evaluations: (Page[Evaluation],),
    maintenance.events: (Page[Event],),
    maintenance.check: (Evaluation,),
    maintenance.retrain: (Job,),
    maintenance.retrain_job: (Job,),
    maintenance.cancel_retrain: (Job,),
    maintenance.versions: (Versions,),
    maintenance.version: (Version,),
    maintenance.compare: (Comparison, SideBySide),
    maintenance.whatif: (WhatIf,),
    maintenance.activate: (Promotion,),
    maintenance.rollback: (Promotion,),
    maintenance.pin: (Event,),
    maintenance.pause: (Event,),
    maintenance.accept: (Event,),
}
# What layers before the endpoints may refuse: of any request, of those that may have a body, of those with a token.
ANY, WITH_BODY, WITH_TOKEN = (400, 408, 431, 500, 503), (413, 415), (401, 429)
V2 = "/v2"
HEADERS: dict[str, Any] = {
    "X-Request-ID": {
        "description": "As it was sent, or made; the records and the log tell it.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
    },
    "traceparent": {
        "description": "As it was sent (W3C Trace Context), if it is well-formed.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
    },
}
HEADERS_OF: dict[str, dict[str, Any]] = {
    "401": {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}},
    "429": {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
    "503": {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
}
MODEL_HEADERS: dict[str, Any] = {
    "X-Model-Version": {"required": True, "schema": {"type": "string"}},
    "X-Recorded": {
        "description": "deferred: it waits in memory for the disk.",
        "schema": {"type": "string", "const": "deferred"},
    },
}
BEARER = {
    MAINTENANCE: {
        "type": "http",
        "scheme": "bearer",
        "description": "`python main.py token` shows it.",
    },
    PREDICT: {
        "type": "http",
        "scheme": "bearer",
        "description": "Asked for where [service] predict_token_file names a file of it.",
    },
}


class DescribedApp(LayeredApp):
    """A FastAPI app whose description follows the live version."""

    _described: tuple[ServedVersion | None, dict[str, Any]] | None = None

    def openapi(self) -> dict[str, Any]:
        """The description as of the version that answers now; takes a tenth of a second where that is a new one."""
        version = self.state.serving.current
        if self._described is None or self._described[0] is not version:
            self.openapi_schema = None
            self._described = version, complete(super().openapi(), self, version)
        return self._described[1]


def openapi(request: Request) -> dict[str, Any]:
    """This description, for programs."""
    return request.app.openapi()


def complete(api: dict[str, Any], app: FastAPI, version: ServedVersion | None) -> dict[str, Any]:
    """Add to FastAPI's description what it cannot know."""
    parts = api["components"]
    _add_answers(api)
    for method, path, told in _operations(api):
        token = _token_of(path, app)
        _add_problems(method, path, told, guarded=token is not None)
        _add_headers(path, told)
        if token is not None:
            told["security"] = [{token: []}]
    add_links(api)
    parts["securitySchemes"] = BEARER
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    _add_choices(api, app.state.settings)
    if version is not None:
        parts["schemas"]["Instance"] = examples.instance_schema(version.schema, app.state.settings.service.max_text)
        parts["schemas"]["Actual"] = examples.actual_schema(version.schema, version.classes)
        parts["schemas"]["PredictRequest"]["properties"]["instances"]["items"] = {"$ref": REF.format(name="Instance")}
        parts["schemas"]["ActualItem"]["properties"]["actual"] = {"$ref": REF.format(name="Actual")}
        try:
            _add_examples(api, app, version)
        except (WorkbenchError, ValueError, OSError):
            # Its files are damaged, or gone, since it was loaded; it answers, and so does this without examples.
            log.exception("no examples can be made of %s", version.id)
    return api


def _operations(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and what is told of it."""
    for path, methods in api["paths"].items():
        for method, told in methods.items():
            yield method, path, told


def _add_answers(api: dict[str, Any]) -> None:
    """Schemas of the records that /maintenance answers."""
    kinds = [kind for told in ANSWERS.values() for kind in told]
    refs, found = msgspec.json.schema_components(kinds, ref_template=REF)
    schemas = api["components"]["schemas"]
    twice = found.keys() & schemas.keys()
    if twice:
        raise ValueError(f"two schemas are called {', '.join(sorted(twice))}; give one another name")
    schemas.update(found)
    named = dict(zip(kinds, refs, strict=True))
    for route in maintenance.router.routes:
        assert isinstance(route, APIRoute)
        (schema, *more) = [named[kind] for kind in ANSWERS[route.endpoint]]
        for method in route.methods or ():
            answer = api["paths"][route.path][method.lower()]["responses"][str(route.status_code or 200)]
            answer["content"] = {JSON: {"schema": {"anyOf": [schema, *more]} if more else schema}}


def _add_problems(method: str, path: str, told: dict[str, Any], *, guarded: bool) -> None:
    """What layers before an endpoint refuse, and the form of all refusals."""
    answers = told["responses"]
    layers = {*ANY, *(() if method == "get" else WITH_BODY), *(WITH_TOKEN if guarded else ())}
    for status in layers:
        answers.setdefault(str(status), {"description": MEANINGS[status]})
    for status, answer in answers.items():
        if int(status) < 400:
            continue
        content = answer.setdefault("content", {})
        of_protocol = path.startswith(V2) and "/V2Error" in str(content)
        if not of_protocol:
            content.clear()
        if not of_protocol or int(status) in layers:
            form = REF.format(name="Invalid" if status == "422" else "ProblemDetails")
            content[MEDIA_TYPE] = {"schema": {"$ref": form}}
        answer["description"] = MEANINGS.get(int(status), answer.get("description", ""))
    told["responses"] = dict(sorted(answers.items()))


def _add_headers(path: str, told: dict[str, Any]) -> None:
    for status, answer in told["responses"].items():
        more = MODEL_HEADERS if (path, status) == ("/predict", "200") else HEADERS_OF.get(status, {})
        answer["headers"] = HEADERS | more | answer.get("headers", {})


def _token_of(path: str, app: FastAPI) -> str | None:
    if path.startswith("/maintenance"):
        return MAINTENANCE
    guarded = app.state.settings.service.predict_token_file is not None and not path.startswith("/v2/health")
    return PREDICT if guarded and path.startswith(("/predict", "/feedback", V2)) else None


def _add_choices(api: dict[str, Any], settings: Settings) -> None:
    """What a retrain may choose among, and the one name that the model has."""
    asked = api["components"]["schemas"]["RetrainRequest"]["properties"]
    for name, choices in (("recipe", settings.retrain.recipes), ("ensemble", settings.ensembles)):
        asked[name] = {"description": asked[name]["description"], "enum": [*choices, None]}
    for _, _, told in _operations(api):
        for parameter in told.get("parameters", ()):
            if parameter["name"] == "name":
                parameter["schema"]["enum"] = [settings.model.name]


def _add_examples(api: dict[str, Any], app: FastAPI, version: ServedVersion) -> None:
    settings, versions = app.state.settings, app.state.versions
    asked = examples.bodies(version, settings, versions)
    answered = examples.answers(version, versions)
    values = examples.parameters(version)
    for method, path, told in _operations(api):
        if (method, path) in asked:
            told["requestBody"]["content"][JSON]["example"] = asked[method, path]
        for parameter in told.get("parameters", ()):
            if parameter["name"] in values:
                parameter["example"] = values[parameter["name"]]
        for status, answer in told["responses"].items():
            if (method, path, status) in answered:
                answer["content"][JSON]["example"] = msgspec.to_builtins(answered[method, path, status])
