"""Where an answer leads: whoever follows the links of the description gets on."""

import pytest

from service.links import LINKS
from tests.service.test_inference import ROW, predict
from tests.service.test_openapi import described


def resolved(value, answer, path):
    """What a link gives, with its expressions filled in from an answer, and from the path that was asked."""
    if isinstance(value, dict):
        return {name: resolved(part, answer, path) for name, part in value.items()}
    if isinstance(value, list):
        return [resolved(part, answer, path) for part in value]
    if value.startswith("$request.path."):
        return path[value.removeprefix("$request.path.")]
    found = answer
    for part in value.removeprefix("$response.body#/").split("/"):
        found = found[int(part) if isinstance(found, list) else part]
    return found


@pytest.mark.parametrize(
    ("path", "body", "leads"),
    [
        ("/predict", {"instances": [ROW] * 2}, 1),
        ("/v2/models/{name}", None, 2),
        ("/maintenance/versions", None, 2),
        ("/maintenance/predictions", None, 1),
    ],
)
def test_links_lead_on_with_what_the_answer_has(client, path, body, leads):
    predict(client, *[ROW] * 200)
    api, given = described(client), {"name": "trips"}
    operations = {told["operationId"]: (m, p) for p, methods in api["paths"].items() for m, told in methods.items()}
    method = "get" if body is None else "post"
    answer = client.request(method, path.format(**given), json=body, headers=client.operator).json()
    followed = 0
    for link in api["paths"][path][method]["responses"]["200"]["links"].values():
        to_method, to_path = operations[link["operationId"]]
        parameters = resolved(link.get("parameters", {}), answer, given)
        asked = {"params": {n: v for n, v in parameters.items() if f"{{{n}}}" not in to_path}}
        if to_method == "post":
            if "requestBody" not in link:
                # What is asked there is the client's own affair, as is whether to switch.
                continue
            asked["json"] = resolved(link["requestBody"], answer, given)
        told = client.request(to_method, to_path.format(**given | parameters), headers=client.operator, **asked)
        assert told.status_code == 200, told.text
        if to_path == path:
            assert told.json()["items"][0]["id"] < answer["items"][-1]["id"]
        followed += 1
    assert followed == leads


def test_every_link_names_an_answer_and_an_operation_that_there_are(shared):
    api = described(shared)
    operations = {told["operationId"]: told for methods in api["paths"].values() for told in methods.values()}
    answers = [answer for told in operations.values() for answer in told["responses"].values()]
    links = [link for answer in answers for link in answer.get("links", {}).values()]
    assert len(links) == len(LINKS)
    for link in links:
        to = operations[link["operationId"]]
        assert set(link.get("parameters", {})) <= {parameter["name"] for parameter in to.get("parameters", ())}
        assert "requestBody" not in link or "requestBody" in to
