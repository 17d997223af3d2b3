"""A request is found again by the names it came with: in the answer, in the records, and only where they are right."""

import json

import msgspec
import pytest

from tests.service.test_inference import ROW
from workbench.metrics_store import MetricsStore
from workbench.records import Prediction, Request

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PARENT = f"00-{TRACE}"
MALFORMED = {
    "version 255": f"ff-{TRACE}",
    "capitals": PARENT.upper(),
    "no hex": PARENT.replace("f0", "g0"),
    "no trace": f"00-{'0' * 32}-00f067aa0ba902b7-01",
    "no parent": f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    "short": PARENT[:-1],
    "long": f"{PARENT}-more",
    "longer": f"01-{TRACE}more",
    "spaces": f"{PARENT} ",
    "empty": "",
}


def predict(client, **headers):
    return client.post("/predict", json={"instances": [ROW]}, headers=headers)


def lines(settings, kind):
    """Records as they are written."""
    folder = settings.metrics_dir / kind
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def test_a_traceparent_is_echoed_and_kept_with_prediction_and_request(client):
    answer = predict(client, traceparent=PARENT)
    assert answer.headers["traceparent"] == PARENT
    store = MetricsStore.of(client.settings)
    assert store.window()[-1].traceparent == store.requests()[-1].traceparent == PARENT


def test_of_a_later_version_is_kept_what_the_first_knows(client):
    assert predict(client, traceparent=f"cc-{TRACE}-more").headers["traceparent"] == f"cc-{TRACE}"
    assert MetricsStore.of(client.settings).window()[-1].traceparent == f"cc-{TRACE}"


@pytest.mark.parametrize("told", MALFORMED)
def test_a_malformed_traceparent_is_none(shared, told):
    # As the server hands it on: not stripped by a client.
    answer = predict(shared, traceparent=MALFORMED[told])
    assert (answer.status_code, answer.headers.get("traceparent")) == (200, None)


def test_two_traceparents_are_none(shared):
    headers = [("traceparent", PARENT), ("traceparent", PARENT)]
    answer = shared.post("/predict", json={"instances": [ROW]}, headers=headers)
    assert (answer.status_code, answer.headers.get("traceparent")) == (200, None)


def test_where_no_trace_is_told_nothing_is_written_of_it(client):
    predict(client)
    found = lines(client.settings, "predictions") + lines(client.settings, "service")
    assert {line.get("kind", "prediction") for line in found} >= {"prediction", "request"}
    assert not any("traceparent" in line for line in found)


def test_records_of_before_are_read(client):
    predict(client)
    (line,) = lines(client.settings, "predictions")
    assert msgspec.convert(line, Prediction).traceparent is msgspec.UNSET
    (line,) = [line for line in lines(client.settings, "service") if line["kind"] == "request"]
    assert msgspec.convert(line, Request).traceparent is msgspec.UNSET


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/health"), ("GET", "/metrics"), ("GET", "/docs"), ("GET", "/nowhere"), ("GET", "/maintenance/summary")],
)
def test_every_answer_tells_both_names(shared, method, path):
    answer = shared.request(method, path, headers={"X-Request-ID": "mine:1", "traceparent": PARENT})
    assert (answer.headers["x-request-id"], answer.headers["traceparent"]) == ("mine:1", PARENT)


@pytest.mark.parametrize("told", ["", "a b", "a\x7fb", "x" * 65, "ä"], ids=["empty", "space", "control", "long", "ä"])
def test_a_request_id_that_could_do_harm_is_replaced_by_a_new_one(shared, told):
    first, second = (shared.get("/health", headers={"X-Request-ID": told.encode()}) for _ in range(2))
    assert len(first.headers["x-request-id"]) == 32
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_the_longest_request_id_is_taken(shared):
    assert shared.get("/health", headers={"X-Request-ID": "x" * 64}).headers["x-request-id"] == "x" * 64
