"""The Open Inference Protocol, asked by Triton's own client."""

import shutil
import socket
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import tritonclient.http as triton
import uvicorn
from tritonclient.utils import InferenceServerException

from service.app import create_app
from tests.conftest import trips, until
from tests.service.conftest import Client, start
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.traffic import PREDICTING
from workbench.version_store import VersionStore

NAME, INFER = "trips", "/v2/models/trips/infer"
ROWS = to_rows(trips(5, seed=3)[["km", "stops", "to"]])
DATATYPES = {"km": "FP64", "stops": "INT64", "to": "BYTES"}
NUMPY = {"FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "BYTES": object}


@contextmanager
def listening(settings):
    """The service on a free port, in a thread; yields its address."""
    config = uvicorn.Config(
        create_app(settings, note_together_s=0), log_level="warning", access_log=False, lifespan="on"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started)
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def asked_by_triton(settings):
    with listening(start(settings)) as address, triton.InferenceServerClient(address, concurrency=1) as client:
        until(client.is_server_ready)
        yield client


@pytest.fixture(scope="module")
def asked(_regression, tmp_path_factory):
    """Triton's client, and the settings of the service that it asks; two versions, the second one live."""
    root = shutil.copytree(_regression.root, tmp_path_factory.mktemp("triton") / "ws")
    settings = load_settings(root)
    versions = VersionStore(settings.versions_dir)
    with asked_by_triton(settings) as client:
        ModelRetrainer(settings, versions, MetricsStore.of(settings)).retrain("second", promote="always")
        until(lambda: client.get_model_metadata(NAME)["versions"] == ["first", "second"])
        yield client, settings


def tensor(name, values, datatype=None, *, binary=True, shape=None):
    datatype = datatype or DATATYPES[name]
    values = np.array(values, NUMPY[datatype])
    made = triton.InferInput(name, list(shape or values.shape), datatype)
    made.set_data_from_numpy(values.reshape(shape or values.shape), binary_data=binary)
    return made


def tensors(rows=ROWS, **more):
    return [tensor(name, [row[name] for row in rows], **more) for name in DATATYPES]


def recorded(settings, n):
    return MetricsStore.of(settings).window()[-n:]


def predicted(settings, rows=ROWS):
    """What /predict says."""
    with Client(start(settings)) as client:
        return client.until_ready().post("/predict", json={"instances": rows}).json()


def test_the_server_and_the_model_tell_what_they_are(asked):
    client, _ = asked
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert [client.is_model_ready(NAME, version) for version in ("first", "second", "third")] == [True, True, False]
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    told = client.get_model_metadata(NAME)
    assert told == client.get_model_metadata(NAME, "second")
    assert {t["name"]: t["datatype"] for t in told["inputs"]} == DATATYPES | {"stops": "FP64", "at": "BYTES"}
    assert {t["name"]: t["datatype"] for t in told["outputs"]} == {"predict": "FP64", "prediction_id": "BYTES"}


@pytest.mark.parametrize("binary", [True, False], ids=["bytes", "json"])
@pytest.mark.parametrize("column", [True, False], ids=["n x 1", "n"])
def test_tensors_are_answered_and_recorded_as_predict_does(asked, binary, column):
    client, settings = asked
    shape = (len(ROWS), 1) if column else (len(ROWS),)
    outputs = (
        None if binary else [triton.InferRequestedOutput(n, binary_data=False) for n in ("predict", "prediction_id")]
    )
    found = client.infer(NAME, tensors(binary=binary, shape=shape), outputs=outputs, request_id="mine")
    answer = found.get_response()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", NAME, "second")
    kept = recorded(settings, len(ROWS))
    assert found.as_numpy("predict").tolist() == [p.output for p in kept]
    ids = found.as_numpy("prediction_id").tolist()
    assert [i.decode() if isinstance(i, bytes) else i for i in ids] == [p.id for p in kept]
    assert [p.inputs for p in kept] == ROWS
    assert {p.version for p in kept} == {"second"}
    assert predicted(settings)["predictions"] == found.as_numpy("predict").tolist()


def test_a_version_that_is_in_memory_can_be_asked_by_its_name(asked):
    client, settings = asked
    first, second = (client.infer(NAME, tensors(), model_version=v) for v in ("first", "second"))
    assert [a.get_response()["model_version"] for a in (first, second)] == ["first", "second"]
    assert {p.version for p in recorded(settings, 2 * len(ROWS))} == {"first", "second"}
    with pytest.raises(InferenceServerException, match="version 'third' is not in memory; there are: first, second"):
        client.infer(NAME, tensors(), model_version="third")


def test_only_the_outputs_that_are_wanted_are_given_each_in_its_form(asked):
    client, _ = asked
    whole = client.infer(NAME, tensors(), outputs=[triton.InferRequestedOutput("predict")])
    assert [o["name"] for o in whole.get_response()["outputs"]] == ["predict"]
    wanted = [triton.InferRequestedOutput("predict", binary_data=False), triton.InferRequestedOutput("prediction_id")]
    predict, ids = client.infer(NAME, tensors(), outputs=wanted).get_response()["outputs"]
    assert predict["data"] == whole.as_numpy("predict").tolist()
    assert "data" not in ids


@pytest.mark.parametrize("binary", [True, False], ids=["bytes", "json"])
def test_missing_is_nan_among_numbers_and_a_text_of_ones_choice_among_texts(asked, binary):
    client, settings = asked
    asked_for = [
        tensor("km", [np.nan, 1.5], binary=binary),
        tensor("stops", [2.0, np.nan], "FP32", binary=binary),
        tensor("to", ["north", "n/a"], binary=binary),
    ]
    client.infer(NAME, asked_for, parameters={"missing_text": "n/a"})
    assert [p.inputs for p in recorded(settings, 2)] == [
        {"km": None, "stops": 2.0, "to": "north"},
        {"km": 1.5, "stops": None, "to": None},
    ]


def test_the_time_column_is_an_optional_input(asked):
    client, settings = asked
    times = triton.InferInput("at", [2], "BYTES")
    times.set_data_from_numpy(np.array(["2026-03-01T00:00:00", "-"], object))
    client.infer(NAME, [*tensors(ROWS[:2]), times], parameters={"missing_text": "-"})
    dated, undated = recorded(settings, 2)
    assert dated.event_time == "2026-03-01T00:00:00.000000Z"
    assert undated.event_time[:19] == undated.recorded_at[:19]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (lambda: tensors()[:2], "input 'to' is missing; the inputs are km FP64, stops FP64, to BYTES, at BYTES"),
        (lambda: [*tensors(), tensor("speed", [1.0] * 5, "FP64")], "input 'speed' is not known"),
        (
            lambda: [*tensors()[:2], tensor("to", [1.0] * 5, "FP64")],
            "row 0, input 'to': found 1.0, allowed is a text",
        ),
        (
            lambda: [tensor("km", [np.inf] * 5), *tensors()[1:]],
            "row 0, input 'km': found 'inf', allowed is a number",
        ),
        (lambda: [tensor("km", [1.0]), *tensors()[1:]], "inputs have 1 and 5 rows"),
        (lambda: tensors(ROWS[:0]), "inputs have 0 rows"),
        (lambda: [*tensors(), tensors()[0]], "input 'km' is there twice"),
    ],
    ids=["missing", "unknown", "kind", "infinite", "rows", "none", "twice"],
)
def test_what_does_not_fit_the_schema_is_told_and_counted_as_refused(asked, inputs, message):
    client, settings = asked
    store = MetricsStore.of(settings)

    def refused():
        return [r.status for r in store.requests() if r.path in PREDICTING].count(422)

    before, kept = refused(), len(store.window())
    with pytest.raises(InferenceServerException) as caught:
        client.infer(NAME, inputs())
    assert message in caught.value.message()
    assert caught.value.status() == "422"
    # Written down after the last byte is out.
    until(lambda: refused() == before + 1)
    assert len(store.window()) == kept


def test_an_unknown_model_and_an_unknown_output_are_told(asked):
    client, _ = asked
    with pytest.raises(InferenceServerException, match="no model 'other'; this is 'trips'"):
        client.infer("other", tensors())
    with pytest.raises(InferenceServerException, match="no output 'nope'; there are predict, prediction_id"):
        client.infer(NAME, tensors(), outputs=[triton.InferRequestedOutput("nope")])
    with pytest.raises(InferenceServerException, match="classification extension is not supported"):
        client.infer(NAME, tensors(), outputs=[triton.InferRequestedOutput("predict", class_count=2)])


def test_a_classification_tells_classes_and_their_probabilities(trained_classifier):
    with asked_by_triton(trained_classifier) as client:
        found = client.infer(NAME, tensors())
        told = {o["name"]: o for o in client.get_model_metadata(NAME)["outputs"]}
    says = predicted(trained_classifier)
    assert told["probabilities"]["parameters"]["classes"] == ["0", "1"]
    assert found.get_output("probabilities")["parameters"]["classes"] == ["0", "1"]
    assert told["predict"]["datatype"] == "INT64"
    assert found.as_numpy("predict").tolist() == says["predictions"]
    probabilities = [list(row.values()) for row in says["probabilities"]]
    np.testing.assert_array_equal(found.as_numpy("probabilities"), probabilities)


def test_a_predict_token_covers_all_but_health(trained):
    (trained.root / "apps.token").write_text("secret\n")
    with Client(start(trained, predict_token_file="apps.token")) as client:
        client.until_ready()
        for path in ("/v2", "/v2/models/trips", "/v2/models/trips/ready", "/v2/models/trips/versions/first"):
            refused = client.get(path)
            assert (refused.status_code, "bearer token" in refused.json()["error"]) == (401, True)
            assert client.get(path, headers={"Authorization": "Bearer secret"}).status_code == 200
        assert client.post(INFER, json={}).status_code == 401
        assert client.get("/v2/health/ready").json() == {"ready": True}
        assert client.get("/v2/health/live").json() == {"live": True}


def test_without_a_version_nothing_is_ready_and_that_is_told(settings):
    with Client(start(settings)) as client:
        for path in ("/v2/health/ready", "/v2/models/trips/ready", "/v2/models/trips"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()) == (503, {"error": "no version is live yet"})
        answer = client.post(INFER, json={})
        assert (answer.status_code, answer.headers["retry-after"], "error" in answer.json()) == (503, "2", True)


def body(**more):
    return {
        "inputs": [{"name": n, "datatype": d, "shape": [1], "data": [ROWS[0][n]]} for n, d in DATATYPES.items()]
    } | more


def test_headers_name_version_and_request_as_predict_does(shared):
    answer = shared.post(INFER, json=body(), headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["x-model-version"], answer.headers["x-request-id"]) == (
        200,
        "first",
        "mine",
    )
    assert recorded(shared.settings, 1)[0].request_id == "mine"
    assert "id" not in answer.json()


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, b"", 400),
        ({}, b"[]", 400),
        ({}, b'{"inputs": []}', 400),
        ({}, b"\xff", 400),
        ({}, b'{"inputs": ' + b"[" * 5000, 400),
        ({}, b'{"inputs": [{"name": "km", "datatype": "FP64", "shape": [1], "data": [Infinity]}]}', 400),
        ({}, b'{"inputs": [{"name": "km", "datatype": "FP64", "shape": [-1], "data": []}]}', 400),
        ({"Inference-Header-Content-Length": "99"}, b"{}", 400),
        ({"Inference-Header-Content-Length": "-1"}, b"{}", 400),
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Encoding": "gzip"}, b"{}", 415),
        ({"Content-Type": "", "Origin": "http://evil.example"}, b"{}", 415),
    ],
    ids=range(12),
)
def test_nonsense_is_refused_in_the_protocols_form(shared, headers, content, status):
    answer = shared.post(INFER, content=content, headers={"Content-Type": "application/json"} | headers)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_whole_numbers_beyond_64_bits_with_a_sign_are_numbers(shared):
    asked = body()
    asked["inputs"][0] |= {"datatype": "UINT64", "data": [2**64 - 1]}
    answer = shared.post(INFER, json=asked)
    assert answer.status_code == 200, answer.text
    assert recorded(shared.settings, 1)[0].inputs["km"] == 2**64 - 1


def test_more_rows_than_the_setting_allows_are_refused(trained):
    with Client(start(trained, max_rows=2)) as client:
        three = {"inputs": [{"name": "km", "datatype": "FP64", "shape": [3], "data": [1, 2, 3]}]}
        answer = client.until_ready().post(INFER, json=three)
    assert (answer.status_code, "at most 2" in answer.json()["error"]) == (413, True)


def test_what_the_protocol_does_not_have_is_said_in_its_form(shared):
    answer = shared.get("/v2/repository/index")
    assert (answer.status_code, answer.json()) == (404, {"error": "there is no /v2/repository/index"})
    answer = shared.get(INFER)
    assert (answer.status_code, answer.headers["allow"], list(answer.json())) == (405, "POST", ["error"])


def test_every_path_is_documented(shared):
    told = {path: set(methods) for path, methods in shared.get("/openapi.json").json()["paths"].items()}
    model, version = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", model, version, f"{model}/ready", f"{version}/ready"):
        assert told[path] == {"get"}
    assert told[f"{model}/infer"] == told[f"{version}/infer"] == {"post"}
    assert {"/predict", f"{model}/infer", f"{version}/infer"} == PREDICTING


def test_what_is_asked_by_tensors_is_traffic_like_any_other(client):
    for _ in range(3):
        assert client.post(INFER, json=body()).status_code == 200
    client.post("/predict", json={"instances": ROWS})
    served = client.get("/maintenance/summary", headers=client.operator).json()["service"]["all"]
    assert (served["requests"], served["rows"]) == (4, 3 + len(ROWS))
