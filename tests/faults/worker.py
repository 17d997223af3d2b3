"""One worker of the service as a process over a small workspace: bytes to its sockets, and what the process holds."""

import http.client
import io
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.conftest import make_workspace, until
from tests.processes import ROOT
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings, load_settings
from workbench.version_store import VersionStore

ROW = {"km": 10.0, "stops": 1, "to": "north"}
# So long nothing may take; a worker that needs it hangs.
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Answer:
    """One answer as it came over the wire."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Held:
    """What a process holds of what can leak."""

    files: int
    threads: int
    megabytes: float


@dataclass
class Worker:
    """A worker under attack."""

    settings: Settings
    address: tuple[str, int]
    process: psutil.Process
    log: Path

    def connect(self) -> closing:
        return closing(socket.create_connection(self.address, timeout=PATIENCE_S))

    def tell(self, *parts: bytes, method: str = "") -> list[Answer]:
        """Send some bytes on a connection of their own; all that is answered until the worker ends it.

        A worker that neither answers nor ends the connection is a TimeoutError.
        """
        with self.connect() as connection:
            return answers(exchange(connection, *parts), method)

    def held(self) -> Held:
        """As of now; what it is about to give back counts."""
        memory = self.process.memory_info().rss / 1e6
        return Held(self.process.num_fds(), self.process.num_threads(), memory)

    def settles(self, before: Held) -> bool:
        """Whether it comes to hold no more files than before; connections take a moment to be given back."""
        try:
            until(lambda: self.held().files <= before.files, PATIENCE_S)
        except AssertionError:
            return False
        return True


def trained(folder: Path, **service: object) -> Settings:
    """A workspace whose version `first` is live, and some settings of its service."""
    settings = make_workspace(folder / "ws", extra='recipes = ["everything"]\n')
    toml = settings.root / "workbench.toml"
    told = "".join(f"{key} = {value}\n" for key, value in service.items())
    toml.write_text(toml.read_text().replace("\nfeatures", '\nmembers = ["linear"]\nfeatures') + f"[service]\n{told}")
    settings = load_settings(settings.root)
    metrics = MetricsStore.of(settings)
    ModelRetrainer(settings, VersionStore(settings.versions_dir), metrics).retrain("first")
    metrics.close()
    return settings


@contextmanager
def working(settings: Settings) -> Iterator[Worker]:
    """A worker on a port of its own, until the block ends."""
    log = settings.root.parent / "worker.log"
    with socket.socket() as held, open(log, "ab") as told:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        argv = [sys.executable, "-m", "service", "--root", str(settings.root), "--fd", str(held.fileno())]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(argv, pass_fds=(held.fileno(),), env=environment, stdout=told, stderr=told)
        worker = Worker(settings, held.getsockname(), psutil.Process(process.pid), log)
        try:
            until(lambda: _ready(worker))
            yield worker
        finally:
            process.terminate()
            process.wait(30)


def _ready(worker: Worker) -> bool:
    assert worker.process.is_running(), worker.log.read_text()
    try:
        return [a.status for a in worker.tell(request("/ready", method="GET"))] == [200]
    except ConnectionError:
        return False


def request(target: str, body: bytes = b"", *headers: str, method: str = "POST", host: str = "127.0.0.1") -> bytes:
    """A request that ends its connection; headers as they are, a length and a kind where none is among them."""
    told = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    names = {header.partition(":")[0].lower() for header in headers}
    if body or method != "GET":
        told += [] if "content-type" in names else ["Content-Type: application/json"]
        told += [] if names & {"content-length", "transfer-encoding"} else [f"Content-Length: {len(body)}"]
    return "\r\n".join([*told, "", ""]).encode("utf-8", "surrogatepass") + body


def exchange(connection: socket.socket, *parts: bytes) -> bytes:
    """Send, as far as the other side takes it, and read until it has ended."""
    told = b""
    try:
        for part in parts:
            connection.sendall(part)
    except ConnectionError:
        pass  # it has refused already; what it said is still to be read
    try:
        while piece := connection.recv(65536):
            told += piece
    except ConnectionError:
        return told
    return told


def answers(told: bytes, method: str = "") -> list[Answer]:
    """What came back, answer by answer; ValueError where it is no HTTP.

    >>> [a.status for a in answers(b"HTTP/1.1 204 No Content\\r\\n\\r\\n" * 2)]
    [204, 204]
    """
    stream, found = _Stream(told), []
    while stream.tell() < len(told):
        response = http.client.HTTPResponse(stream, method=method)
        try:
            response.begin()
            found.append(Answer(response.status, response.headers, response.read()))
        except http.client.HTTPException as error:
            raise ValueError(f"no HTTP answer: {told[:200]!r}") from error
    return found


class _Stream(io.BytesIO):
    """Bytes as a socket and its file."""

    def makefile(self, mode: str) -> io.BytesIO:
        return self

    def close(self) -> None:
        """Stays open: another answer may follow."""
