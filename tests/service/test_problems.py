"""Whatever is refused or fails, by whichever layer, is told as RFC 9457 problem details that leak nothing."""

import dataclasses
import logging

import pytest

from tests.conftest import trips
from tests.service.conftest import Client, start
from tests.service.test_inference import ROW
from workbench.cli.replay import Replay
from workbench.errors import WorkbenchError
from workbench.served_version import Predictor

JSON = {"Content-Type": "application/json"}
BODY = {"instances": [ROW]}
ASKED = {
    "host": (400, "GET", "/health", {"headers": {"Host": "evil.example"}}),
    "two hosts in one": (400, "GET", "/health", {"headers": {"Host": "127.0.0.1@evil.example"}}),
    "no token": (401, "GET", "/maintenance/summary", {}),
    "no path": (404, "GET", "/nowhere", {}),
    "no slash": (404, "GET", "/health/", {}),
    "no method": (405, "PUT", "/predict", {"json": BODY}),
    "no form": (415, "POST", "/predict", {"content": b"a=1", "headers": {"Content-Type": "text/plain"}}),
    "no json": (422, "POST", "/predict", {"content": b"{", "headers": JSON}),
    "no text": (422, "POST", "/feedback", {"content": b'"\xff"', "headers": JSON}),
    "no row": (422, "POST", "/predict", {"json": {"instances": [{}]}}),
    "no actuals": (422, "POST", "/feedback", {"json": {"actuals": 1}}),
    "too much": (413, "POST", "/predict", {"json": {"instances": [ROW] * 10_001}}),
}


def problem_of(answer, status):
    """A problem as the standard and our extensions have it."""
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == told["status"] == status
    assert told["request_id"] == answer.headers["x-request-id"] != ""
    assert told["title"]
    assert len(told["detail"]) > 10
    assert told["type"] == "about:blank" or told["type"].startswith("/docs#")
    assert ("errors" in told) == (status == 422)
    for error in told.get("errors", ()):
        assert set(error) == {"row", "field", "found", "allowed", "message"}
    return told


@pytest.mark.parametrize("asked", ASKED)
def test_every_layer_refuses_by_a_problem(shared, asked):
    status, method, path, more = ASKED[asked]
    problem_of(shared.request(method, path, **more), status)


def test_a_type_tells_what_a_status_does_not(two):
    (two.settings.versions_dir / "models" / "second" / "metadata.json").write_bytes(b"x")
    for status, kind, path, body in [
        (404, "unknown-version", "/maintenance/versions/nope/activate", {}),
        (409, "corrupt-version", "/maintenance/versions/second/activate", {}),
        (409, "version-taken", "/maintenance/retrain", {"version_id": "first"}),
        (422, "invalid", "/maintenance/retrain", {"recipe": "nope"}),
    ]:
        told = problem_of(two.post(path, json=body, headers=two.operator), status)
        assert told["type"] == f"/docs#{kind}"
        # The page that the type points to explains it.
        assert f'id="{kind}"' in two.get("/docs").text


def test_the_wrong_method_of_a_path_is_told_all_right_ones(shared):
    answer = shared.put("/maintenance/retrain/x", headers=shared.operator)
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET")


def test_what_nobody_expected_is_a_500_whose_reason_only_the_log_tells(trained, caplog):
    def broken() -> None:
        raise RuntimeError(f"secret {trained.root}")

    with Client(start(trained)) as client:
        client.app.add_api_route("/broken", broken)
        with caplog.at_level(logging.ERROR, "workbench.service"):
            answer = client.get("/broken", headers={"X-Request-ID": "mine-7"})
    told = problem_of(answer, 500)
    assert told["request_id"] == "mine-7"
    assert not any(word in answer.text for word in ("secret", "RuntimeError", "Traceback", str(trained.root)))
    (record,) = [r for r in caplog.records if r.name == "workbench.service"]
    assert "mine-7" in record.getMessage()
    assert "secret" in str(record.exc_info[1])


def test_a_model_that_fails_is_a_500_and_the_log_knows_the_request(client, caplog):
    serving = client.app.state.serving
    broken = Predictor(serving.current.schema, lambda: 1 / 0)
    serving.current = dataclasses.replace(serving.current, predictor=broken)
    with caplog.at_level(logging.ERROR, "workbench.service"):
        told = problem_of(client.post("/predict", json=BODY, headers={"X-Request-ID": "mine-8"}), 500)
    assert "version first failed" in told["detail"]
    assert "division by zero" not in str(told)
    (record,) = [r for r in caplog.records if r.name == "workbench.service"]
    assert "mine-8" in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError


def test_replay_tells_the_detail_of_a_problem_and_its_request(shared):
    replay = Replay(shared.settings, trips(1), rows_per_s=1.0)
    with pytest.raises(WorkbenchError, match=r"/predict answered 422: row 0, field 'km': .* \(request \w{32}\)$"):
        replay._post(shared, "/predict", {"instances": [{}]})
    with pytest.raises(WorkbenchError, match=r"answered 404: nothing is answered under this path"):
        replay._post(shared, "/nowhere", {})


def test_a_path_cannot_forge_a_line_of_the_log(trained, caplog):
    def broken(name: str) -> None:
        raise RuntimeError

    with Client(start(trained)) as client, caplog.at_level(logging.ERROR, "workbench.service"):
        client.app.add_api_route("/broken/{name}", broken)
        client.get("/broken/a%0Aforged")
    (record,) = [r for r in caplog.records if r.name == "workbench.service"]
    assert "\n" not in record.getMessage()


def test_no_error_tells_where_the_workspace_is(trained):
    (trained.versions_dir / "models" / "first" / "metadata.json").unlink()
    (trained.versions_dir / "models" / "first" / "metadata.json").mkdir()
    with Client(start(trained)) as client:
        for answer in (client.get("/ready"), client.post("/predict", json=BODY)):
            told = problem_of(answer, 503)
            assert "metadata.json" in told["detail"]
            assert str(trained.root) not in answer.text
            assert answer.headers["retry-after"] == "2"
        assert str(trained.root) not in client.get("/health").text


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        (["*"], "anything", 200),
        (["*.example.com"], "a.example.com:8000", 200),
        (["*.example.com"], "example.com", 400),
        (["*.example.com"], "aexample.com", 400),
        (["Example.com"], "EXAMPLE.com", 200),
        (["[::1]"], "[::1]:8000", 200),
        (["::1"], "::1", 400),
        (["a"], "a:b", 400),
        (["a"], "", 400),
    ],
)
def test_hosts_are_let_in_by_name_or_by_domain(trained, allowed, host, status):
    # No lifespan: nothing is served.
    client = Client(start(trained, allowed_hosts=allowed))
    assert client.get("/health", headers={"Host": host}).status_code == status
