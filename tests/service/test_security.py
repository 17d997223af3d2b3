import gzip
import hmac
import re
import shutil
from base64 import b64encode
from hashlib import sha256
from hmac import compare_digest

import pytest

from tests.service.conftest import Client, start
from tests.service.over_the_wire import ROW, listening
from workbench.settings import load_settings

RIGHT = {"Authorization": "Bearer secret"}
BINARY = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "2"}


@pytest.fixture(scope="module")
def guarded(_regression, tmp_path_factory):
    root = shutil.copytree(_regression.root, tmp_path_factory.mktemp("guarded") / "ws")
    (root / "apps.token").write_text("secret\n")
    with Client(start(load_settings(root), predict_token_file="apps.token"), host="10.0.0.9") as client:
        yield client.until_ready()


@pytest.mark.parametrize("path", ["/v2", "/v2/models/trips", "/v2/models/trips/infer", "/v2/nothing"])
def test_the_predict_token_covers_all_of_v2(guarded, path):
    assert guarded.get(path).status_code == 401
    assert guarded.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert guarded.get(path, headers=RIGHT).status_code != 401


def test_every_token_is_compared_in_constant_time(guarded, monkeypatch):
    compared = []

    def digests(given, token):
        compared.append(given)
        return compare_digest(given, token)

    monkeypatch.setattr(hmac, "compare_digest", digests)
    for path, token in (("/v2", "secret"), ("/v2", "secreT"), ("/maintenance/versions", "s"), ("/v2", "")):
        guarded.get(path, headers={"Authorization": f"Bearer {token}"})
    assert compared == [b"secret", b"secreT", b"s", b""]


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 401), (None, 401), (b"\xff\xfe", 503)], ids=["empty", "gone", "no text"]
)
def test_a_token_whose_file_is_spoiled_lets_nobody_in(trained, content, status):
    file = trained.root / "apps.token"
    file.write_text("secret\n")
    with Client(start(trained, predict_token_file="apps.token")) as client:
        assert client.until_ready().get("/v2", headers=RIGHT).status_code == 200
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        for told in ("secret", "", " "):
            answer = client.get("/v2", headers={"Authorization": f"Bearer {told}"})
            assert answer.status_code == status
            assert str(trained.root) not in answer.text
        assert client.get("/v2").status_code == status


def test_tensors_in_binary_are_taken_by_v2_alone_and_with_their_header(shared):
    for path, headers, refused in [
        ("/v2/models/trips/infer", BINARY, False),
        # A page of another site can send it as little as JSON.
        ("/v2/models/trips/infer", {"Content-Type": "application/octet-stream"}, False),
        ("/v2/models/trips/infer", {"Content-Type": "text/plain"}, True),
        ("/predict", BINARY, True),
    ]:
        assert (shared.post(path, content=b"{}", headers=headers).status_code == 415) is refused, path


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_feedback_through_a_proxy_on_this_machine_is_not_from_this_machine(shared, header):
    actuals = {"actuals": [{"prediction_id": "x", "actual": 1}]}
    assert shared.post("/feedback", json=actuals, headers={header: "127.0.0.1"}).status_code == 403
    assert shared.post("/feedback", json=actuals).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "lоcalhost".encode(), "127.0.0.1@evil"])
def test_a_host_that_is_not_ours_is_refused(shared, host):
    assert shared.get("/health", headers={"Host": host}).status_code == 400


def test_a_page_of_another_site_may_neither_ask_nor_read(shared):
    evil = {"Origin": "https://evil.example"}
    asked = shared.options("/predict", headers=evil | {"Access-Control-Request-Method": "POST"})
    answers = [
        asked,
        shared.get("/health", headers=evil),
        shared.post("/predict", json={"instances": [ROW]}, headers=evil),
    ]
    assert not [name for answer in answers for name in answer.headers if name.startswith("access-control")]
    assert asked.status_code == 405
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        sent = shared.post("/maintenance/pause", content="{}", headers=evil | {"Content-Type": kind} | shared.operator)
        assert sent.status_code == 415


@pytest.mark.parametrize("path", ["", "/nothing", "/pause", "/versions/first/activate"])
@pytest.mark.parametrize("body", [b"{", b"[" * 40_000, b"{}"], ids=["half", "deep", "whole"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_who_has_no_token_learns_nothing_of_maintenance_and_has_no_body_read(shared, path, body, kind):
    for method in ("POST", "PUT", "OPTIONS"):
        answer = shared.request(method, f"/maintenance{path}", content=body, headers={"Content-Type": kind})
        assert (answer.status_code, "bearer token" in answer.json()["detail"]) == (401, True)


def test_every_answer_has_the_security_headers_and_the_docs_page_lives_with_them(trained):
    with listening(trained) as wire:
        for path in ("/health", "/docs", "/nothing", "/maintenance/versions"):
            headers = wire.ask(path=path)[1]
            assert headers["x-content-type-options"] == "nosniff", path
            assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "server" not in headers
        # What is no HTTP is refused by the server, before any of us.
        assert b"nosniff" in wire.raw(b"\x16\x03\x01 nonsense\r\n\r\n").lower()
        headers, page = wire.ask(path="/docs")[1:]
        (allowed,) = re.findall(r"'sha256-([^']+)'", headers["content-security-policy"])
        assert page.count(b"<style") == 1
        assert (b"style=" in page, b"<script" in page, b"src=" in page) == (False, False, False)
        style = re.search(rb"<style>(.*?)</style>", page, re.DOTALL).group(1)
        assert b64encode(sha256(style).digest()).decode() == allowed


@pytest.mark.parametrize(
    ("pattern", "host", "allowed"),
    [
        ("*.example.org", "a.example.org:8000", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "evilexample.org", False),
        ("*", "anything", True),
        ("Model.Example.ORG", "model.example.org", True),
        ("[::1]", "[::1]:8000", True),
        ("localhost", "localhost:80:80", False),
        ("localhost", "localhost\t", False),
    ],
)
def test_hosts_are_allowed_by_name_and_below_a_name(trained, pattern, host, allowed):
    client = Client(start(trained, allowed_hosts=(pattern,)))
    for _ in range(2):
        assert (client.get("/nothing", headers={"Host": host}).status_code == 404) is allowed


def test_compressed_bodies_are_not_unfolded(shared):
    body = gzip.compress(b'{"instances": []}')
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    for path in ("/predict", "/feedback"):
        assert shared.post(path, content=body, headers=headers).status_code == 415


@pytest.mark.parametrize("mark", ["\n", "\x1b", "\x9b", "\u2028", "\u202e", "\u2066"], ids=ascii)
def test_a_reason_is_one_line_that_moves_no_cursor(shared, mark):
    answer = shared.post("/maintenance/pause", json={"reason": f"a{mark}b"}, headers=shared.operator)
    assert answer.status_code == 422


def test_a_path_is_right_or_it_is_not(shared):
    assert shared.post("/predict/", json={"instances": [ROW]}).status_code == 404


PATHS = [
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "..",
    "a%00b",
    "x" * 300,
    "x" * 5000,
    "%0d%0aX: y",
    "<script>",
    "-h",
    "--help",
]


@pytest.mark.parametrize("name", PATHS, ids=range(len(PATHS)))
def test_ids_that_leave_the_workspace_or_are_none_are_refused_without_a_trace(shared, name):
    for method, path in [
        ("GET", f"/maintenance/versions/{name}"),
        ("POST", f"/maintenance/versions/{name}/activate"),
        ("POST", f"/maintenance/versions/{name}/whatif"),
        ("GET", f"/maintenance/retrain/{name}"),
        ("DELETE", f"/maintenance/retrain/{name}"),
        ("GET", f"/maintenance/versions/compare?a={name}&b=first"),
    ]:
        answer = shared.request(method, path, headers=shared.operator, json={} if method == "POST" else None)
        assert 400 <= answer.status_code < 500, path
        assert str(shared.settings.root) not in answer.text
        assert "Traceback" not in answer.text
        assert "root:" not in answer.text


def test_no_error_tells_where_on_the_machine_something_lies(client):
    root = client.settings.root
    shutil.rmtree(root / "versions" / "models" / "first")
    answer = client.post("/maintenance/versions/first/activate", json={}, headers=client.operator)
    assert answer.status_code >= 400
    assert str(root) not in answer.text
    (root / "versions" / "live.json").write_text("{")
    client.app.state.serving.follow()
    client.app.state.serving.settle(10)
    for path in ("/health", "/ready", "/maintenance/summary", "/maintenance/versions"):
        assert str(root) not in client.get(path, headers=client.operator).text, path


def test_lines_of_the_log_cannot_be_forged(shared, capfd):
    """What a client writes stands in no line of its own, and moves no cursor."""
    forged = "x\r\n2026-01-01T00:00:00.000Z workbench.service ERROR stolen \x1b[31m"
    for answer in (
        shared.get("/maintenance/retrain/" + "%0a%1b[31mstolen", headers=shared.operator),
        shared.post("/maintenance/pause", json={"reason": forged}, headers=shared.operator),
        shared.post("/maintenance/retrain", json={"version_id": forged[:60]}, headers=shared.operator),
        shared.post("/predict", json={"instances": [ROW | {forged: 1}]}),
    ):
        assert 400 <= answer.status_code < 500
    told = capfd.readouterr()
    assert "\x1b" not in told.out + told.err
    assert not [line for line in (told.out + told.err).splitlines() if line.startswith("2026-01-01T00:00:00.000Z")]
