"""The description is complete, and speaks of the version that answers now."""

import msgspec
import pytest

from service.examples import actual_schema, instance_schema, row
from tests.conftest import until
from tests.service.conftest import Client, start
from workbench.metrics_store import MetricsStore
from workbench.records import Feature, Schema
from workbench.retrainer import ModelRetrainer
from workbench.scores import label_text


def described(client):
    return client.get("/openapi.json").json()


def example(api, path, method="post"):
    return api["paths"][path][method]["requestBody"]["content"]["application/json"]["example"]


def test_every_answer_has_a_media_type_a_form_and_the_requests_id(shared):
    api = described(shared)
    assert {"/predict", "/feedback", "/health", "/ready", "/metrics", "/docs", "/openapi.json"} < set(api["paths"])
    for path, methods in api["paths"].items():
        for told in methods.values():
            assert {"400", "500"} < set(told["responses"])
            for status, answer in told["responses"].items():
                assert answer["headers"]["X-Request-ID"]["required"]
                for media_type, form in answer["content"].items():
                    assert form["schema"], (path, status)
                    if int(status) >= 400 and not path.startswith("/v2"):
                        assert media_type == "application/problem+json"


def test_every_form_is_there_and_is_used(shared):
    api = described(shared)
    names = [line.partition('"')[0] for line in msgspec.json.encode(api).decode().split('"#/components/schemas/')[1:]]
    assert set(names) == set(api["components"]["schemas"])


def test_maintenance_and_where_it_is_asked_for_predictions_declare_a_bearer_token(trained):
    (trained.root / "apps.token").write_text("secret")
    (trained.root / "apps.token").chmod(0o600)
    open_, guarded = (Client(start(trained, predict_token_file=f)).app.openapi() for f in (None, "apps.token"))
    assert {s["scheme"] for s in open_["components"]["securitySchemes"].values()} == {"bearer"}

    def secured(api):
        return {path for path, methods in api["paths"].items() for told in methods.values() if told.get("security")}

    protocol = {path for path in open_["paths"] if path.startswith("/v2") and not path.startswith("/v2/health")}
    assert secured(open_) == {path for path in open_["paths"] if path.startswith("/maintenance")}
    assert secured(guarded) == secured(open_) | {"/predict", "/feedback", *protocol}


def test_examples_are_answered_as_they_are(classifier):
    api = described(classifier)
    said = classifier.post("/predict", json=example(api, "/predict"))
    told = api["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    assert said.json() == told | {"prediction_ids": said.json()["prediction_ids"]}
    assert told["classes"] == [0, 1]
    actual = example(api, "/feedback")["actuals"][0]["actual"]
    actuals = [{"prediction_id": said.json()["prediction_ids"][0], "actual": actual}]
    assert classifier.post("/feedback", json={"actuals": actuals}).json()["counts"]["accepted"] == 1
    for path in ("/maintenance/pause", "/maintenance/accept"):
        assert classifier.post(path, json=example(api, path), headers=classifier.operator).status_code == 200


def test_every_body_of_maintenance_has_an_example(shared):
    api = described(shared)
    bodies = [told["post"] for path, told in api["paths"].items() if "requestBody" in told.get("post", {})]
    assert len(bodies) >= 9
    for told in bodies:
        assert "example" in told["requestBody"]["content"]["application/json"]


def test_no_example_is_a_row_of_somebody(shared):
    asked = example(described(shared), "/predict")["instances"][0]
    golden = msgspec.json.decode((shared.settings.versions_dir / "models" / "first" / "golden.json").read_bytes())
    assert asked.keys() == golden["rows"][0].keys()
    assert asked not in golden["rows"]


def test_the_description_follows_the_live_version(client):
    assert described(client)["paths"]["/ready"]["get"]["responses"]["200"]["content"]["application/json"][
        "example"
    ] == {"model_version": "first"}
    first = client.app.openapi()
    assert client.app.openapi() is first
    settings = client.settings.model_copy(
        update={"model": client.settings.model.model_copy(update={"features": ("km",)})}
    )
    ModelRetrainer(settings, client.app.state.versions, MetricsStore.of(settings)).retrain("second", promote="always")
    until(lambda: client.get("/health").json()["model_version"] == "second")
    api = described(client)
    assert example(api, "/maintenance/pin")["version_id"] == "second"
    assert (
        set(example(api, "/predict")["instances"][0])
        == {"km"}
        == set(api["components"]["schemas"]["Instance"]["required"])
    )
    assert "second" in client.get("/docs").text


def test_without_a_version_it_tells_what_can_be_told(settings):
    with Client(start(settings)) as client:
        api = described(client)
        assert "Instance" not in api["components"]["schemas"]
        assert "/predict" in client.get("/docs").text


def test_a_version_whose_files_are_gone_is_described_without_examples(client):
    (client.settings.versions_dir / "models" / "first" / "profile.json").unlink()
    api = described(client)
    assert "example" not in api["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert api["components"]["schemas"]["Instance"]["required"] == ["km", "stops", "to"]


def test_the_docs_show_the_examples(shared):
    page = shared.get("/docs").text
    assert "&quot;km&quot;: " in page
    assert "application/problem+json" in page


@pytest.mark.parametrize(
    ("classes", "allowed", "refused"),
    [
        (("0", "1"), [0, 1, "0", "1", True, False], [2, "2", "x"]),
        (("a", "b"), ["a", "b"], ["c", 0]),
        (("1.5", "2"), [1.5, "1.5", 2, "2"], [True, "1"]),
        (("nan", "inf"), ["nan", "inf"], [0]),
    ],
)
def test_an_actual_is_documented_in_every_spelling_that_is_taken(classes, allowed, refused):
    schema = Schema(task="classification", target="y", time=None, features=())
    found = [(type(v), v) for v in actual_schema(schema, classes)["enum"]]
    assert sorted(map(str, found)) == sorted(map(str, ((type(v), v) for v in allowed)))
    assert all(label_text(v) in classes for v in allowed)
    assert not any(label_text(v) in classes for v in refused)


def test_instances_are_documented_by_kind():
    features = tuple(Feature(name=k, kind=k) for k in ("numeric", "boolean", "categorical"))
    found = instance_schema(Schema(task="regression", target="y", time="at", features=features), max_text=7)
    assert [found["properties"][f.name]["type"][0] for f in features] == ["number", "boolean", "string"]
    assert found["properties"]["categorical"]["maxLength"] == 7
    assert found["required"] == ["numeric", "boolean", "categorical"]
    assert found["properties"]["at"]["format"] == "date-time"


def test_a_typical_row_has_the_kinds_of_the_profile(shared):
    live = shared.app.state.serving.current
    found = row(live.schema, shared.app.state.versions.profile("first"))
    assert isinstance(found["stops"], int)
    assert isinstance(found["km"], float)
    assert found["to"] in {"north", "south", "east"}
