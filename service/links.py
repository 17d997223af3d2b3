"""What of an answer the next request takes: OpenAPI's links, for programs that go on from one to the other."""

from __future__ import annotations

from typing import Any

MODEL, VERSION = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
JOBS, JOB = "/maintenance/retrain", "/maintenance/retrain/{job}"
VERSIONS, ONE = "/maintenance/versions", "/maintenance/versions/{version_id}"
PAGES = tuple(f"/maintenance/{name}" for name in ("predictions", "drift", "performance", "evaluations", "events"))
Operation = tuple[str, str]
NAMED = {"version_id": "$response.body#/live/version_id"}
LOADED = {"name": "$request.path.name", "version": "$response.body#/versions/0"}
ACTUAL = {"prediction_id": "$response.body#/prediction_ids/0", "actual": "$response.body#/predictions/0"}
# From where, by which status, where to; with which parameters, or which body.
LINKS: tuple[tuple[Operation, str, Operation, dict[str, Any]], ...] = (
    (("post", "/predict"), "200", ("post", "/feedback"), {"requestBody": {"actuals": [ACTUAL]}}),
    *(
        (("get", MODEL), "200", to, {"parameters": LOADED})
        for to in (("get", VERSION), ("get", f"{VERSION}/ready"), ("post", f"{VERSION}/infer"))
    ),
    *(
        (("post", JOBS), "202", (method, JOB), {"parameters": {"job": "$response.body#/id"}})
        for method in ("get", "delete")
    ),
    *(
        (("get", VERSIONS), "200", to, {"parameters": NAMED})
        for to in (("get", ONE), ("post", f"{ONE}/activate"), ("post", f"{ONE}/whatif"))
    ),
    (("get", VERSIONS), "200", ("post", "/maintenance/pin"), {"requestBody": NAMED}),
    (("post", f"{ONE}/activate"), "200", ("post", "/maintenance/rollback"), {}),
    *((("get", path), "200", ("get", path), {"parameters": {"before": "$response.body#/next"}}) for path in PAGES),
)


def add_links(api: dict[str, Any]) -> None:
    """Write the links into a description, each under the name of where it leads."""
    for (method, path), status, (to_method, to_path), given in LINKS:
        answer = api["paths"][path][method]["responses"][status]
        to = api["paths"][to_path][to_method]["operationId"]
        answer.setdefault("links", {})[to] = {"operationId": to, **given}
