import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import make_workspace, until
from tests.gated_models import FOLDER
from tests.service.conftest import Client, start
from tests.service.over_the_wire import ROW, listening, request
from tests.service.test_v2 import INFER, body
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.version_store import VersionStore

JSON = {"Content-Type": "application/json"}


def predict(client, body):
    return client.post("/predict", content=body, headers=JSON)


@pytest.fixture(scope="module")
def narrow(_regression, tmp_path_factory):
    root = shutil.copytree(_regression.root, tmp_path_factory.mktemp("narrow") / "ws")
    with Client(start(load_settings(root), max_body_mb=0.1, max_text=20, max_depth=5)) as client:
        yield client.until_ready()


@pytest.fixture
def classifier_without_version(tmp_path):
    settings = make_workspace(tmp_path / "ws", "classification", "slow")
    with Client(start(settings, max_text=20)) as client:
        yield client


def test_a_body_is_refused_by_its_size_however_it_is_sent(narrow):
    body = b" " * 100_001
    assert predict(narrow, body).status_code == 413
    assert narrow.post("/feedback", content=body, headers=JSON).status_code == 413

    def chunks():
        yield from [body[:60_000], body[60_000:]]

    for path in ("/predict", "/feedback"):
        response = narrow.post(path, content=chunks(), headers=JSON)
        assert (response.status_code, "max_body_mb" in response.text) == (413, True), path
    fits = json.dumps({"instances": [ROW]}).encode()
    assert predict(narrow, fits.ljust(100_000)).status_code == 200


@pytest.mark.parametrize(("length", "status"), [(20, 200), (21, 422)])
def test_texts_are_as_long_as_the_setting_allows(narrow, length, status):
    response = predict(narrow, json.dumps({"instances": [ROW | {"to": "é" * length}]}))
    assert response.status_code == status
    if status == 422:
        assert "'21 characters', allowed is a text of at most 20 characters" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("binary", [False, True], ids=["json", "bytes"])
@pytest.mark.parametrize(("length", "status"), [(20, 200), (21, 422)])
def test_texts_in_tensors_are_as_long_as_the_setting_allows(narrow, length, status, binary):
    text = "é" * length
    packed = len(text.encode()).to_bytes(4, "little") + text.encode()
    last = {"parameters": {"binary_data_size": len(packed)}} if binary else {"data": [text]}
    numbers = [{"name": name, "datatype": "FP64", "shape": [1], "data": [1.0]} for name in ("km", "stops")]
    head = json.dumps({"inputs": [*numbers, {"name": "to", "datatype": "BYTES", "shape": [1], **last}]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))} if binary else JSON
    answer = narrow.post(INFER, content=head + packed if binary else head, headers=headers)
    assert answer.status_code == status
    if status == 422:
        told = "row 0, input 'to': found '21 characters', allowed is a text of at most 20 characters"
        assert answer.json()["error"] == told


@pytest.mark.parametrize(("depth", "status"), [(5, 200), (6, 400), (40_000, 400)])
def test_parameters_of_tensors_are_nested_no_deeper_than_anything_else(narrow, depth, status):
    asked = json.dumps(body(parameters={"mine": 1})).encode()
    nested = b"[" * (depth - 1) + b"]" * (depth - 1)
    answer = narrow.post(INFER, content=asked.replace(b"1}}", nested + b"}}"), headers=JSON)
    assert answer.status_code == status, answer.text


def test_a_class_is_as_long_as_the_setting_allows(classifier_without_version):
    sent = [{"prediction_id": "x", "actual": "a" * length} for length in (20, 21)]
    told = classifier_without_version.post("/feedback", json={"actuals": sent}).json()
    assert (told["unknown"], [wrong["row"] for wrong in told["invalid"]]) == (["x"], [1])


@pytest.mark.parametrize(("depth", "deep"), [(2, False), (3, True), (2000, True), (40_000, True)])
def test_what_is_nested_deeper_than_the_setting_allows_is_a_422(narrow, depth, deep):
    # The body, its list and the row are three; what a feature holds comes on top.
    body = b'{"instances": [{"km": ' + b"[" * depth + b"]" * depth + b', "stops": 1, "to": "a"}]}'
    response = predict(narrow, body)
    assert (response.status_code, "nested too deeply" in response.text) == (422, deep)


@pytest.mark.parametrize("body", [b"[" * 40_000, b'{"a":' * 15_000], ids=["lists", "objects"])
@pytest.mark.parametrize("path", ["/predict", "/feedback"])
def test_half_a_nest_is_a_422_everywhere(narrow, path, body):
    answer = narrow.post(path, content=body, headers=JSON)
    # Of actuals nothing that deep is ever unfolded: it is no JSON, and that is all.
    assert (answer.status_code, "nested too deeply" in answer.text) == (422, path == "/predict")


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A workspace whose version waits before rows to the west, and the folder of its gate."""
    folder = tmp_path / "gate"
    folder.mkdir()
    monkeypatch.setenv(FOLDER, str(folder))
    settings = make_workspace(tmp_path / "ws")
    gated = settings.model_copy(
        update={"model": settings.model.model_copy(update={"ensemble": "tests.gated_models:gated"})}
    )
    metrics = MetricsStore.of(gated)
    ModelRetrainer(gated, VersionStore(gated.versions_dir), metrics).retrain("first")
    metrics.close()
    return settings, folder


def test_overload_is_told_to_come_again_and_nothing_queues_without_end(gate):
    settings, folder = gate
    with listening(settings, max_busy=12) as wire, ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(wire.predict, to="west") for _ in range(12)]
        # More than there are threads: some wait for one, and that is all that waits.
        until(lambda: wire.ask(path="/nothing")[0] == 503)
        assert len(list(folder.glob("inside-*"))) < 12
        status, headers, body = wire.predict()
        assert (status, headers["retry-after"], b"max_busy" in body) == (503, "1", True)
        # Refused by the head alone: nobody waits for the body.
        assert b" 503 " in wire.raw(request(body=b"x" * 1000)[:-1000])
        assert [wire.ask(path=path)[0] for path in ("/health", "/ready", "/metrics")] == [200] * 3
        (folder / "open").touch()
        assert [answer.result()[0] for answer in waiting] == [200] * 12
        assert wire.predict()[0] == 200
    assert len(MetricsStore.of(settings).window()) >= 13
