"""What our connections write, beside what uvicorn's own write for the same app: the same bytes, in fewer pieces."""

import asyncio

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.connections import connections
from workbench.sections import ServiceSettings

COMMON = [(b"date", b"Wed, 25 Nov 2026 10:00:00 GMT"), (b"x-content-type-options", b"nosniff")]
REQUEST = b"%b /predict HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"


class Wire(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self):
        super().__init__()
        self.pieces, self.closed = [], False

    def write(self, data):
        self.pieces.append(bytes(data))

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    def pause_reading(self):
        """Nothing comes that is not asked for."""

    def resume_reading(self):
        """As above."""


def answered(kind, app, requests, common=COMMON):
    """The pieces that are written, and whether the connection was ended."""

    async def all_of_it():
        wire, server = Wire(), uvicorn.Server(uvicorn.Config(app, ws="none", http=kind, access_log=False))
        server.config.load()
        server.server_state.default_headers = common
        protocol = server.config.http_protocol_class(server.config, server.server_state, {}, asyncio.get_running_loop())
        protocol.connection_made(wire)
        for request in requests:
            protocol.data_received(request)
            while server.server_state.tasks:
                await asyncio.gather(*server.server_state.tasks)
        protocol.connection_lost(ConnectionResetError())
        return wire.pieces, wire.closed

    return asyncio.run(all_of_it())


def telling(*parts, status=200, headers=(), length=None):
    """An app that answers in these parts."""

    async def app(scope, receive, send):
        await receive()
        size = length if length is not None else sum(map(len, parts))
        told = [(b"content-length", b"%d" % size)] if size >= 0 else []
        await send({"type": "http.response.start", "status": status, "headers": [*told, *headers]})
        for i, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": i < len(parts)})

    return app


def both(app, *requests, method=b"POST"):
    requests = requests or (REQUEST % method,)
    ours = answered(connections(ServiceSettings()), app, requests)
    theirs = answered(HttpToolsProtocol, app, requests)
    assert (b"".join(ours[0]), ours[1]) == (b"".join(theirs[0]), theirs[1])
    return ours[0]


def test_a_whole_answer_is_written_at_once():
    (piece,) = both(telling(b'{"a":1}', headers=[(b"content-type", b"application/json"), (b"x-model-version", b"v1")]))
    assert piece.startswith(
        b"HTTP/1.1 200 OK\r\ndate: Wed, 25 Nov 2026 10:00:00 GMT\r\nx-content-type-options: nosniff"
    )
    assert piece.endswith(b'x-model-version: v1\r\n\r\n{"a":1}')


@pytest.mark.parametrize(
    ("app", "method", "pieces"),
    [
        (telling(b"a", b"b"), b"POST", 3),
        (telling(b"a", b"b", length=-1), b"POST", 3),
        (telling(b"a", length=-1), b"POST", 2),
        (telling(b"", length=3), b"HEAD", 1),
        (telling(b"abc"), b"HEAD", 1),
        (telling(b"", status=204, length=-1), b"POST", 2),
        (telling(b"no", headers=[(b"connection", b"close")]), b"POST", 2),
        (telling(b"x" * 200_000), b"POST", 1),
    ],
    ids=["parts", "chunks", "a chunk", "HEAD", "HEAD with a body", "no content", "the last answer", "large"],
)
def test_any_answer_is_as_uvicorn_writes_it(app, method, pieces):
    assert len(both(app, method=method)) == pieces


@pytest.mark.parametrize("text", [b"a\r\nset-cookie: b=c", b"a\nb", b"a\rb"])
def test_no_header_is_written_into_another(text):
    assert both(telling(b"", headers=[(b"x-echo", text)])) == []


def test_more_or_less_than_was_said_is_no_answer():
    for length in (1, 3):
        assert both(telling(b"ab", length=length))[0].startswith(b"HTTP/1.1 200 ")


def test_requests_that_come_together_are_answered_in_turn():
    two = both(telling(b"ab"), 2 * (REQUEST % b"POST"))
    assert len(two) == 2
    last = (REQUEST % b"POST").replace(b"Host", b"Connection: close\r\nHost")
    assert len(both(telling(b"ab"), REQUEST % b"POST", last)) == 3


def test_a_new_list_of_common_headers_is_told_from_the_next_answer_on():
    kind = connections(ServiceSettings())
    before, after = [(b"date", b"before")], [(b"date", b"after")]
    told = [answered(kind, telling(b"ab"), [REQUEST % b"POST"], common)[0][0] for common in (before, before, after)]
    assert [b"before" in answer for answer in told] == [True, True, False]


def test_who_fails_after_the_head_and_before_the_body_is_answered_all_the_same():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("the body could not be made")

    (head, body), ended = answered(connections(ServiceSettings()), app, [REQUEST % b"POST"])
    assert (head[:13], body, ended) == (b"HTTP/1.1 500 ", b"Internal Server Error", True)
