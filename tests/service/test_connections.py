import itertools
import json
import re
import shutil
import socket
import threading

import pytest

from tests.conftest import until
from tests.service.over_the_wire import ROW, listening, request, rest
from tests.service.test_v2 import INFER
from workbench.settings import load_settings

BODY = json.dumps({"instances": [ROW]}).encode()
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MINE = ("X-Request-ID: mine", f"traceparent: {TRACE}")


@pytest.fixture(scope="module")
def wire(_regression, tmp_path_factory):
    """Patience of half a second, and little room."""
    root = shutil.copytree(_regression.root, tmp_path_factory.mktemp("wire") / "ws")
    limits = {"head_timeout_s": 0.5, "body_timeout_s": 0.5, "max_head_kb": 8, "max_body_mb": 0.3, "max_connections": 20}
    limits |= {"max_rows": 5, "max_text": 20, "max_depth": 5}
    with listening(load_settings(root), **limits) as wire:
        yield wire


def send(connection, parts):
    for part in parts:
        connection.sendall(part)


def statuses(told: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+) ", told)]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /hea", [408]),
        (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ", [408]),
        (request(body=BODY)[:-5], [408]),
        (b"", []),
        (b"\r\n\r\n", []),
    ],
    ids=["half a line", "half a header", "half a body", "nothing", "line ends"],
)
def test_who_stops_half_way_is_told_and_ended(wire, sent, status):
    assert statuses(wire.raw(sent)) == status
    assert wire.ask()[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("/predict", BODY, *MINE)[:-5], 408),
        (request("/health", b"", *MINE, "X: y", method="GET")[:-2], 408),
        (request("/health", b"", *MINE, f"X-Large: {'x' * 9000}", method="GET"), 431),
        (request("http://evil.example/health", b"", *MINE, method="GET"), 400),
        (request("/health", b"", *MINE, "X: a\nY: b", method="GET"), 400),
        (request("/predict", b"x" * 300_001, *MINE)[:-300_001], 413),
        (request("/nothing", b"", *MINE, method="GET"), 404),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_every_refusal_is_a_problem_that_tells_the_names_of_its_request(wire, sent, status):
    head, _, body = wire.raw(sent).partition(b"\r\n\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    told = json.loads(body)
    assert (told["status"], headers[b"content-type"]) == (status, b"application/problem+json")
    assert told["request_id"].encode() == headers[b"x-request-id"] == b"mine"
    assert headers[b"traceparent"] == TRACE.encode()


def test_who_tells_no_name_is_given_one(wire):
    one, other = (re.findall(rb"x-request-id: (\w+)", wire.raw(b"nonsense\r\n\r\n")) for _ in range(2))
    assert (len(one), len(other), one == other) == (1, 1, False)


def test_a_byte_now_and_then_gives_no_more_time(wire):
    with wire.connect() as connection:
        got = []
        thread = threading.Thread(target=lambda: got.append(rest(connection)))
        thread.start()

        def drip():
            try:
                connection.sendall(b"G")
            except OSError:
                return True
            return bool(got)

        connection.sendall(b"GET /health HTTP/1.1\r\nX: ")
        until(drip, 20)
        thread.join()


def test_the_rest_of_a_refused_body_is_waited_for_no_longer_than_any_other(wire):
    head = request("/nothing", b"x" * 1000).replace(b"Connection: close\r\n", b"")
    assert statuses(wire.raw(head[:-900])) == [404]


def test_slow_bodies_take_nobodys_place(wire):
    slow = [socket.create_connection(wire.address, timeout=20) for _ in range(10)]
    for connection in slow:
        connection.sendall(request(body=BODY)[:-1])
    assert wire.predict()[0] == 200
    assert [statuses(rest(connection)) for connection in slow] == [[408]] * 10
    for connection in slow:
        connection.close()


def test_more_connections_than_allowed_are_told_to_come_again(wire):
    def crowded():
        held = [socket.create_connection(wire.address, timeout=20) for _ in range(20)]
        told = wire.raw(b"")
        for connection in held:
            connection.close()
        return statuses(told) == [503] and b"\r\nretry-after: 1\r\n" in told

    until(crowded)
    until(lambda: statuses(wire.raw(request("/health", method="GET"))) == [200])


def test_heads_are_bounded_whether_they_come_at_once_or_not(wire):
    large = f"X-Large: {'x' * 9000}"
    assert statuses(wire.raw(request("/health", b"", large, method="GET"))) == [431]
    assert statuses(wire.raw(f"GET /health HTTP/1.1\r\n{large}".encode())) == [431]
    assert statuses(wire.raw(request("/health", b"", *[f"A{i}: 1" for i in range(101)], method="GET"))) == [431]
    assert statuses(wire.raw(request("/health", b"", *[f"A{i}: 1" for i in range(90)], method="GET"))) == [200]


def test_a_body_is_refused_by_what_it_says_before_it_is_sent(wire):
    head = request(body=b"x").replace(b"Content-Length: 1", b"Content-Length: 300001")
    assert statuses(wire.raw(head[:-1])) == [413]


def test_a_body_in_chunks_is_counted_as_it_comes(wire):
    head = request().replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = b"c350\r\n" + b"x" * 50_000 + b"\r\n"
    with wire.connect() as connection:
        send(connection, [head.replace(b"Connection: close\r\n", b""), *[chunk] * 7])
        assert statuses(connection.recv(65536)) == [413]
    fits = json.dumps({"instances": [ROW] * 3}).encode()
    assert statuses(wire.raw(head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(fits), fits))) == [200]


def tensors(n, text="a"):
    columns = {"km": ("FP64", 1.0), "stops": ("FP64", 1.0), "to": ("BYTES", text)}
    return {"inputs": [{"name": c, "datatype": t, "shape": [n], "data": [v] * n} for c, (t, v) in columns.items()]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/predict", {"instances": [ROW] * 6}, 413),
        (INFER, tensors(6), 413),
        ("/feedback", {"actuals": ["x" * 300_000]}, 413),
        ("/predict", {"instances": [ROW | {"to": "a" * 21}]}, 422),
        (INFER, tensors(1, "a" * 21), 422),
        ("/feedback", {"actuals": [{"prediction_id": "a" * 201, "actual": 1}]}, 422),
        ("/maintenance/pause", {"reason": "a" * 1001}, 422),
        ("/predict", {"instances": [ROW | {"to": [[["a"]]]}]}, 422),
        ("/feedback", {"actuals": [{"prediction_id": "a", "actual": [[[[[[1]]]]]]}]}, 422),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_rows_texts_and_nests_are_bounded_and_the_connection_goes_on(wire, path, body, status):
    sent = json.dumps(body).encode()
    token = f"Authorization: {wire.operator['Authorization']}"
    first = request(path, sent, token).replace(b"Connection: close\r\n", b"")
    assert statuses(wire.raw(first + request("/health", method="GET"))) == [status, 200]


def test_trailers_are_no_headers_and_have_no_room_without_end(wire):
    head = request().replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    told = wire.raw(head, chunk, b"X-Request-ID: forged\r\n\r\n")
    assert (statuses(told), b"forged" in told) == ([200], False)
    with wire.connect() as connection:
        connection.sendall(head + chunk)
        # Some 100 MB, if nobody ended it.
        with pytest.raises(OSError, match=r"reset|pipe"):
            send(connection, (b"T%d: %s\r\n" % (i, b"x" * 1000) for i in range(100_000)))


def test_pipelined_requests_are_answered_in_order(wire):
    one = request("/health", method="GET").replace(b"Connection: close\r\n", b"")
    two = request(body=BODY).replace(b"Connection: close\r\n", b"")
    told = wire.raw(one * 3 + two + request("/nothing", method="GET"))
    assert statuses(told) == [200, 200, 200, 200, 404]


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (b"\x00 nonsense\r\n\r\n", 400),
        (request(body=BODY, method="POST").replace(b"Content-Length: ", b"Content-Length: x"), 400),
        (request().replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"xyz\r\n", 400),
        (b"GET /health HTTP/1.1\r\nX: ", 408),
    ],
    ids=["nonsense", "no length", "no chunk", "half a head"],
)
def test_what_is_refused_waits_for_the_answers_to_those_before_it(wire, last, status):
    """Else a client would take the refusal for the answer to its first request."""
    one = request(body=BODY).replace(b"Connection: close\r\n", b"")
    assert statuses(wire.raw(one * 3 + last)) == [200] * 3 + [status]


def test_a_head_is_measured_by_itself_whatever_comes_along_with_it(wire):
    one = request("/health", method="GET").replace(b"Connection: close\r\n", b"")
    last = request("/nothing", method="GET")
    # More than a head may have, in one piece that ends within the last one.
    many = one * (9000 // len(one))
    with wire.connect() as connection:
        connection.sendall(many + last[:-20])
        # What has been answered has been read.
        told = connection.recv(1)
        connection.sendall(last[-20:])
        assert statuses(told + rest(connection)) == [200] * (9000 // len(one)) + [404]
    large = request("/health", b"", f"X: {'x' * 9000}", method="GET")
    assert statuses(wire.raw(one + large)) == [200, 431]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("http://evil.example/health", method="GET"), 400),
        (request("*", method="OPTIONS"), 400),
        (request("/health", b"", "Host: evil.example", method="GET"), 400),
        (request("/health", b"", "X: a\rY: b", method="GET"), 400),
        (request("/health", b"", "X: a\nY: b", method="GET"), 400),
        (request("/predict", BODY, "Content-Length: 5"), 400),
        (request("/predict", BODY, "Transfer-Encoding: chunked"), 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (request("/health", b"", "Upgrade: websocket", method="GET"), 200),
    ],
    ids=["other host", "asterisk", "two hosts", "CR", "LF", "two lengths", "length and chunks", "HTTP/2", "upgrade"],
)
def test_requests_that_two_could_read_in_two_ways_are_refused(wire, sent, status):
    told = wire.raw(sent)
    assert statuses(told) == [status]
    assert b"content-type: application/" + (b"json" if status == 200 else b"problem+json") in told
    assert b"nosniff" in told


def test_who_does_not_read_is_ended(wire):
    with wire.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ask = request("/openapi.json", method="GET").replace(b"Connection: close\r\n", b"")
        with pytest.raises(OSError, match=r"reset|pipe"):
            send(connection, itertools.repeat(ask * 100, 2000))
    assert wire.ask()[0] == 200
