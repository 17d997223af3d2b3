"""The way of a request: strictly read, worked on where it blocks nobody, recorded, and refused in documented words."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.predict import Predict
from service.security import HOSTS_REMEMBERED, KnownHosts
from tests.service.conftest import Client, start
from workbench.answers import Answers
from workbench.metrics_store import MetricsStore
from workbench.served_version import Predictor

ROW = {"km": 10.0, "stops": 1, "to": "north"}
JSON = {"Content-Type": "application/json"}


def post(client, body: str | bytes):
    return client.post("/predict", content=body, headers=JSON)


def one(row: str) -> str:
    return f'{{"instances": [{row}]}}'


REFUSED = {
    "NaN": (one('{"km": NaN, "stops": 1, "to": "a"}'), "km", "found 'nan'"),
    "infinity": (one('{"km": -Infinity, "stops": 1, "to": "a"}'), "km", "found '-inf'"),
    "beyond float": (one('{"km": 1e999, "stops": 1, "to": "a"}'), "km", "found 'inf'"),
    "beyond float32": (one('{"km": 1e31, "stops": 1, "to": "a"}'), "km", "a number or null"),
    "huge integer": (one(f'{{"km": {"9" * 400}, "stops": 1, "to": "a"}}'), "km", "found '999"),
    "integer nobody can read": (one(f'{{"km": {"9" * 5000}, "stops": 1, "to": "a"}}'), None, "no JSON"),
    "boolean for a number": (one('{"km": true, "stops": 1, "to": "a"}'), "km", "found True"),
    "text for a number": (one('{"km": "1", "stops": 1, "to": "a"}'), "km", "found '1'"),
    "number for a text": (one('{"km": 1, "stops": 1, "to": 2}'), "to", "a text or null"),
    "list for a text": (one('{"km": 1, "stops": 1, "to": ["a"]}'), "to", "a text or null"),
    "missing": (one('{"km": 1, "to": "a"}'), "stops", "found 'nothing'"),
    "unknown": (one('{"km": 1, "stops": 1, "to": "a", "x": {"y": [1]}}'), "x", "an unknown field"),
    "unknown in a text of colons": (one('{"km": 1, "stops": 1, "to": "a:b::c", "x": 1}'), "x", "an unknown field"),
    "twice": (one('{"km": 1, "km": 2, "stops": 1, "to": "a"}'), "km", "found 'the field twice'"),
    "twice, with blanks": (one('{"km" :1, "km"\n:2, "stops": 1, "to": "a"}'), "km", "found 'the field twice'"),
    "twice, in another spelling": (one('{"km": 1, "k\\u006d": 2, "stops": 1, "to": "a"}'), "km", "twice"),
    "twice, behind an escaped colon": (one('{"km": 1, "km": 2, "stops": 1, "to": "a\\u003a"}'), "km", "twice"),
    "twice, the first a text": (one('{"to": "a:b", "km": 1, "stops": 1, "to": "a"}'), "to", "twice"),
    "instances twice": ('{"instances": [], "instances": [{"km": 1, "stops": 1, "to": "a"}]}', None, "twice"),
    "half a surrogate": (one('{"km": 1, "stops": 1, "to": "\\ud800"}'), "to", "a text or null"),
    "half a surrogate as a name": (one('{"km": 1, "stops": 1, "to": "a", "\\udc00": 1}'), "\\udc00", "unknown field"),
    "half a surrogate outside": ('{"instances": [], "\\ud800": 1}', None, ""),
    "deep": (one('{"km": ' + "[" * 10 + "]" * 10 + ', "stops": 1, "to": "a"}'), "km", "found '[[["),
    "too deep": (one('{"km": ' + "[" * 100_000 + "]" * 100_000 + ', "stops": 1, "to": "a"}'), None, "too deeply"),
    "too deep outside": ("[" * 100_000, None, "too deeply"),
    "not UTF-8": (b"\xff\xfe", None, "no JSON"),
    "UTF-16": (json.dumps({"instances": [ROW]}).encode("utf-16"), None, "no JSON"),
    "cut off": ('{"instances": [{"km": 1', None, "no JSON"),
    "behind the end": (one(json.dumps(ROW)) + "}", None, "no JSON"),
    "nothing": ("", None, "Field required"),
    "no object": ("[]", None, "body"),
    "no instances": ("{}", None, "instances: Field required"),
    "no instance": ('{"instances": []}', "instances", "at least 1 item"),
    "instances of another kind": ('{"instances": {}}', "instances", "valid list"),
    "more than instances": ('{"instances": [{"km": 1, "stops": 1, "to": "a"}], "more": 1}', "more", "not permitted"),
    "no objects": ('{"instances": [1, null]}', None, "an object of feature: value"),
    "time": (one('{"km": 1, "stops": 1, "to": "a", "at": "soon"}'), "at", "ISO 8601"),
    "time of another kind": (one('{"km": 1, "stops": 1, "to": "a", "at": 1}'), "at", "ISO 8601"),
    "far future": (one('{"km": 1, "stops": 1, "to": "a", "at": "2999-01-01"}'), "at", "ISO 8601"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_a_422_that_says_so(shared, case):
    body, field, said = REFUSED[case]
    response = post(shared, body)
    assert response.status_code == 422, response.text
    for problem in response.json()["errors"]:
        assert {"row", "field", "message"} <= problem.keys()
    messages = [p["message"] for p in response.json()["errors"]]
    assert any(said in message for message in messages), messages
    if field is not None:
        assert field in [p["field"] for p in response.json()["errors"]]


ACCEPTED = {
    "blanks": '{ "instances" : [ { "km" : 1 , "stops"\t: 2 , "to"\n: "a" } ] }',
    "null": one('{"km": null, "stops": null, "to": null}'),
    "colons": one('{"km": 1, "stops": 1, "to": "a:b::"}'),
    "escaped colon": one('{"km": 1, "stops": 1, "to": "a\\u003a:"}'),
    "escapes": one('{"km": 1, "stops": 1, "to": "\\ud83d\\ude00\\"\\\\"}'),
    "escaped name": one('{"k\\u006d": 1, "stops": 1, "to": "a"}'),
    "other order": one('{"to": "a", "stops": 1, "km": 1}'),
    "beyond 64 bits": one('{"km": 99999999999999999999999, "stops": 1, "to": "a"}'),
    "time": one('{"km": 1, "stops": 1, "to": "a", "at": "2026-01-31T10:42:00+01:00"}'),
    "time in one row": '{"instances": [{"km": 1, "stops": 1, "to": "a:", "at": "2026-01-31 10:42"}, '
    '{"km": 1, "stops": 1, "to": "b"}]}',
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_right_is_recorded_as_it_was_asked(shared, case):
    response = post(shared, ACCEPTED[case])
    assert response.status_code == 200, response.text
    asked = json.loads(ACCEPTED[case])["instances"]
    kept = MetricsStore.of(shared.settings).last(len(asked))
    assert [p.id for p in kept] == response.json()["prediction_ids"]
    assert [p.inputs for p in kept] == [{k: v for k, v in row.items() if k != "at"} for row in asked]
    for row, prediction in zip(asked, kept, strict=True):
        assert prediction.event_time.startswith("2026-01-31T") == ("at" in row)


class Told(Predictor):
    """Answers 1 to each row, quickly or not, and does first what a test wants."""

    def __init__(self, client, first=lambda: None, *, quick=False):
        version = client.app.state.serving.current
        super().__init__(version.schema, lambda: version.estimator)
        self.first, self.is_quick, self.looks = first, quick, []
        vars(version)["predictor"] = self

    def quick(self, rows):
        self.looks.append(rows)
        return self.is_quick

    def answer(self, rows):
        self.first()
        return Answers([1.0] * len(rows))


def test_a_slow_model_keeps_nobody_waiting(client):
    asked, go_on = threading.Event(), threading.Event()

    def wait():
        asked.set()
        assert go_on.wait(60)

    Told(client, wait)
    with ThreadPoolExecutor(1) as beside:
        answer = beside.submit(client.post, "/predict", json={"instances": [ROW]})
        assert asked.wait(60)
        assert client.get("/health").status_code == 200
        assert not answer.done()
        go_on.set()
        assert answer.result().json()["predictions"] == [1.0]


def worker_of(client, rows: int, *, quick: bool) -> bool:
    """Whether so many rows are answered by a worker thread, and not by the event loop's."""
    threads = []
    Told(client, lambda: threads.append(threading.current_thread().name), quick=quick)
    assert client.post("/predict", json={"instances": [ROW] * rows}).status_code == 200
    return "worker" in threads[0]


def test_only_what_is_quick_and_small_is_answered_on_the_event_loop(client):
    assert not worker_of(client, 1, quick=True)
    assert worker_of(client, 1, quick=False)
    assert worker_of(client, 101, quick=True), "recording them takes too long"
    assert worker_of(client, 5_000, quick=True), "reading them takes too long"


def test_a_disk_that_is_waited_for_is_waited_for_beside_the_event_loop(trained):
    monitor = trained.monitor.model_copy(update={"fsync": "always"})
    with Client(start(trained).model_copy(update={"monitor": monitor})) as client:
        assert worker_of(client.until_ready(), 1, quick=True)


def test_no_more_threads_than_allowed_work_at_once(client):
    working, most, all_came = [0], [0], threading.Event()

    def wait():
        working[0] += 1
        most[0] = max(most[0], working[0])
        assert all_came.wait(60)
        working[0] -= 1

    class Counted(Told):
        def quick(self, rows):
            super().quick(rows)
            if len(self.looks) == 4:
                all_came.set()
            return False

    Counted(client, wait)
    route = client.app.router.routes[0]
    assert isinstance(route.app, Predict)
    route.app._threads = 1
    with ThreadPoolExecutor(4) as beside:
        answers = list(beside.map(lambda _: client.post("/predict", json={"instances": [ROW]}), range(4)))
    assert [a.status_code for a in answers] == [200] * 4
    assert most == [1]


def test_a_model_that_fails_is_a_500_that_names_the_version(client):
    Told(client, lambda: 1 / 0)
    response = client.post("/predict", json={"instances": [ROW]})
    assert response.status_code == 500
    assert "version first failed on these instances (ZeroDivisionError)" in response.json()["detail"]


def test_other_methods_and_hosts_are_refused_as_everywhere(shared):
    assert shared.get("/predict").status_code == 405
    for _ in range(2):
        assert shared.post("/predict", json={"instances": [ROW]}).status_code == 200
        assert shared.post("/predict", json={"instances": [ROW]}, headers={"Host": "elsewhere"}).status_code == 400
        assert shared.get("/health", headers={"Host": "elsewhere"}).status_code == 400


def test_it_is_documented_as_what_it_takes_and_gives(shared):
    told = shared.get("/openapi.json").json()["paths"]["/predict"]["post"]
    assert told["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/PredictRequest")
    ok = told["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert ok.endswith("/PredictResponse")
    refused = {code: r["content"]["application/problem+json"] for code, r in told["responses"].items() if code != "200"}
    assert {"400", "408", "413", "415", "422", "431", "500", "503"} <= set(refused)


def test_the_cost_of_recording_is_a_metric(shared):
    def count() -> float:
        lines = shared.get("/metrics").text.splitlines()
        return float(next(x for x in lines if x.startswith("workbench_recording_seconds_count")).split()[-1])

    before = count()
    shared.post("/predict", json={"instances": [ROW]})
    assert count() == before + 1


def test_a_client_that_hangs_up_is_no_failure_of_ours(client):
    sent = []
    scope = {
        **{"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "client": ("127.0.0.1", 1)},
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"9")],
    }

    async def ask():
        parts = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

        async def receive():
            return next(parts)

        async def send(message):
            sent.append(message)

        await client.app(scope, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == 499
    assert MetricsStore.of(client.settings).requests()[-1].status == 499


def test_hosts_that_are_remembered_are_bounded():
    async def inner(scope, receive, send):
        """Answers nothing."""

    layer = KnownHosts(inner, ["*"])
    for number in range(2 * HOSTS_REMEMBERED):
        asyncio.run(layer({"type": "http", "headers": [(b"host", b"h%d" % number)]}, None, None))
    assert len(layer._known) == HOSTS_REMEMBERED
