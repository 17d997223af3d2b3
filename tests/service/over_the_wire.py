"""The worker's own server in a thread of the test, and raw bytes sent to it."""

import http.client
import json
import socket
import threading
from contextlib import closing, contextmanager

from service.__main__ import server
from service.app import create_app
from tests.conftest import until
from tests.service.conftest import start
from workbench.tokens import maintenance_token

ROW = {"km": 10.0, "stops": 1, "to": "north"}


class Wire:
    """Where the server answers, and what is known about it."""

    def __init__(self, settings, app, address):
        self.settings, self.app, self.address = settings, app, address
        self.operator = {"Authorization": f"Bearer {maintenance_token(settings.root)}"}

    def connect(self):
        return closing(socket.create_connection(self.address, timeout=20))

    def raw(self, *parts: bytes) -> bytes:
        """All that comes back on one connection until the server ends it."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return rest(connection)

    def ask(self, method="GET", path="/health", body=None, headers=None):
        """(status, headers, body) of a well-behaved request."""
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            content = None if body is None else json.dumps(body)
            kind = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, content, {**kind, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def predict(self, **more):
        return self.ask("POST", "/predict", {"instances": [ROW | more]})


def rest(connection) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def request(path="/predict", body=b"", *headers: str, method="POST", host="127.0.0.1") -> bytes:
    """A request that ends its connection."""
    told = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    if body or method == "POST":
        told += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*told, "", ""]).encode("latin-1") + body


@contextmanager
def listening(settings, **limits):
    """A worker's server on a free port, until the block ends."""
    settings = start(settings, **limits)
    app = create_app(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    running = server(app, settings)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: running.started and app.state.serving.current is not None)
        yield Wire(settings, app, listener.getsockname())
    finally:
        running.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
