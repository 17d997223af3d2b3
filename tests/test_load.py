"""The load generator tells the truth: what was answered, how often, and what broke."""

import socket
import threading

import pytest

from tests.benchmarks.load import BROKEN, generate


def answer(status: str, body: bytes, *, close: bool = False) -> bytes:
    more = "Connection: close\r\n" if close else ""
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture
def server():
    """Starts a server that gives each connection the answers of a function from (connection, request) to bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(talk):
            def connection(number, peer):
                with peer:
                    count = 0
                    while asked := peer.recv(65536):
                        told = talk(number, count, asked)
                        peer.sendall(told)
                        count += 1
                        if not told or b"Connection: close" in told:
                            break

            def accept():
                for number in range(100):
                    try:
                        peer, _ = listener.accept()
                    except OSError:
                        return
                    threading.Thread(target=connection, args=(number, peer), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            return listener.getsockname()

        yield serve


def test_every_request_is_counted_and_bodies_are_sent_in_turn(server):
    address = server(lambda connection, count, asked: answer("200 OK", asked[-1:]))
    load = generate(*address, "/", [b"a", b"b"], requests=7, concurrency=2, keep_answers=True)
    assert load.statuses == {200: 7}
    assert len(load.latencies) == len(load.began) == 7
    assert sorted(load.answers) == [(0, b"a")] * 4 + [(1, b"b")] * 3


def test_a_connection_that_breaks_is_a_request_that_failed_and_is_made_anew(server):
    address = server(lambda connection, count, asked: b"" if (connection, count) == (0, 2) else answer("200 OK", b"x"))
    load = generate(*address, "/", b"{}", requests=5)
    assert load.statuses == {200: 4, BROKEN: 1}
    assert load.codes[2] == BROKEN


def test_a_server_may_close_after_an_answer(server):
    address = server(lambda connection, count, asked: answer("503 No", b"", close=True))
    assert generate(*address, "/", b"{}", requests=3).statuses == {503: 3}


def test_an_answer_without_the_expected_text_is_told(server):
    address = server(lambda connection, count, asked: answer("200 OK", b"right" if count else b"wrong"))
    load = generate(*address, "/", b"{}", requests=3, expected=b"right")
    assert load.unexpected == b"wrong"


def test_nobody_there_is_a_failure_of_each_request():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    assert generate(*address, "/", b"{}", requests=3).statuses == {BROKEN: 3}
