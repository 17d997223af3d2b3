"""What no client should send, sent to every endpoint of a worker by real sockets.

Every answer is one that is documented, tells no secret and forges no line of the log; what was answered is on record,
once, and fits the schema; and the worker holds no more than before.
"""

import json
import random
import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import hypothesis

from tests.faults.hostile import BODIES, HEADERS, JSON, QUERIES, TEXTS, Body, quoted
from tests.faults.table import Fault, Outcome
from tests.faults.worker import PATIENCE_S, ROW, Answer, Held, Worker, answers, exchange, request, trained, working
from workbench.metrics_store import MetricsStore
from workbench.rows import problems
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore

# A check takes seconds in a process of its own, whatever comes with it.
SLOW = ("/maintenance/check",)
# Where there is no such page, or another method.
ELSEWHERE = [("GET", "/"), ("GET", "/v2/nothing"), ("PUT", "/predict"), ("BREW", "/health"), ("POST", "/docs/../x")]
# What there is; a version that is there would be switched to, by a process.
NAMES = {"name": "trips", "version": "first"}
GROWTH_MB, MORE_THREADS = 40.0, 2
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ (INFO|WARNING|ERROR) |    |$")
BODY = json.dumps({"instances": [ROW]}).encode()


@dataclass
class Attack:
    """A worker, what it is asked, and what was found wrong with its answers."""

    worker: Worker
    token: str
    endpoints: list[tuple[str, str, Any, set[int]]]
    rng: random.Random
    answered: int = 0
    predicted: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def ask(self, endpoint: tuple[str, str, Any, set[int]], body: Body) -> None:
        """One request with this body, and with an address and headers as they come."""
        method, path, _, allowed = endpoint
        rng, (content, told) = self.rng, body
        # Who ends a connection with much unread takes back what it said.
        content = content[:1000] if method == "GET" else content
        target = re.sub(r"{(\w+)}", lambda m: rng.choice([NAMES.get(m[1], "nothing"), quoted(rng.choice(TEXTS))]), path)
        target += rng.choice(QUERIES) if rng.random() < 0.3 else ""
        more = [rng.choice(HEADERS)] if rng.random() < 0.3 else []
        if not any(header.startswith("Authorization") for header in more):
            more.append(f"Authorization: Bearer {self.token}")
        what = f"{method} {target[:80]} {more[0][:40]} {content[:60]!r}"
        try:
            found = self.worker.tell(request(target, content, *told, *more, method=method), method=method)
        except (TimeoutError, ValueError) as error:
            self.wrong.append(f"{what}: {type(error).__name__} {error}")
            return
        self.answered += 1
        # Some escaped texts are another path, or none.
        elsewhere = {400, 401, 404, 405, 431} if "%" in target else {431}
        if len(found) != 1 or found[0].status not in allowed | elsewhere:
            self.wrong.append(f"{what}: {[(a.status, a.body[:200]) for a in found]}")
        for answer in found:
            self._look_at(answer, what)

    def _look_at(self, answer: Answer, what: str) -> None:
        if why := leak(answer, self.worker, self.token):
            self.wrong.append(f"{what}: {why}")
        if answer.status == 200 and what.startswith("POST /predict"):
            self.predicted += json.loads(answer.body)["prediction_ids"]
        elif answer.status == 200 and "/infer" in what and answer.headers["content-type"] == "application/json":
            outputs = {output["name"]: output for output in json.loads(answer.body)["outputs"]}
            self.predicted += outputs.get("prediction_id", {"data": []})["data"]


def leak(answer: Answer, worker: Worker, token: str) -> str | None:
    """What of an answer tells more than it should; None if nothing does."""
    told = answer.body + str(answer.headers).encode()
    for secret in (b"Traceback", b'File "', str(worker.settings.root).encode(), token.encode()):
        if secret in told:
            return f"tells {secret!r}"
    if answer.headers["x-injected"] or answer.headers["set-cookie"] or answer.headers["x-content-type-options"] is None:
        return f"has the headers {answer.headers.keys()}"
    if answer.status >= 400 and answer.body:
        json.loads(answer.body)
    return None


@contextmanager
def attacked(folder: Path, seed: int, **service: object) -> Iterator[Attack]:
    """A worker whose slow works are refused because somebody else does them."""
    settings = trained(folder, token_failures=1000, access_log="true", **service)
    token = maintenance_token(settings.root)
    with ExitStack() as held:
        held.enter_context(VersionStore(settings.versions_dir).retrain_lock())
        held.enter_context(filelock.FileLock(settings.metrics_dir / "aside.lock"))
        worker = held.enter_context(working(settings))
        (told,) = worker.tell(request("/openapi.json", method="GET"))
        attack = Attack(worker, token, endpoints(json.loads(told.body)), random.Random(seed))
        # Whoever was never asked holds less than it needs.
        for endpoint in attack.endpoints:
            attack.ask(endpoint, (json.dumps(endpoint[2]).encode(), ()))
        yield attack


def endpoints(api: dict[str, Any]) -> list[tuple[str, str, Any, set[int]]]:
    """Method, path, a body that fits and the documented statuses, of all that the description has."""
    found = []
    for path, methods in api["paths"].items():
        for method, told in methods.items():
            content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
            body = content.get("example", {"reason": "x"})
            # One that is there would be pinned, by a process.
            body = body | {"version_id": "nothing"} if path == "/maintenance/pin" else body
            if path not in SLOW:
                found.append((method.upper(), path, body, {int(s) for s in told["responses"] if s != "500"}))
    return found + [(method, path, {}, {400, 404, 405, 415}) for method, path in ELSEWHERE]


def outcome(attack: Attack, rounds: int, before: Held, what: str) -> Outcome:
    """Hold what was answered against the records, and what the worker holds against what it held."""
    worker, wrong = attack.worker, attack.wrong
    (fine,) = worker.tell(request("/predict", BODY))
    attack.predicted += json.loads(fine.body)["prediction_ids"]
    after = worker.held()
    if not worker.settles(before) or after.threads > before.threads + MORE_THREADS:
        wrong.append(f"held {before} before, {worker.held()} after")
    if after.megabytes > before.megabytes + GROWTH_MB:
        wrong.append(f"grew from {before.megabytes:.0f} to {after.megabytes:.0f} MB")
    wrong += [f"log: {line[:200]}" for line in worker.log.read_text().splitlines() if not LINE.match(line)]
    wrong += [f"log: {line}" for line in worker.log.read_text().splitlines() if "Traceback" in line]
    schema = VersionStore(worker.settings.versions_dir).metadata("first").features
    recorded = MetricsStore.of(worker.settings).history()
    wrong += [f"recorded {p.inputs}" for p in recorded if problems(p.inputs, schema)]
    ids = [p.id for p in recorded]
    lost = len(set(attack.predicted) - set(ids))
    if len(ids) != len(set(ids)):
        wrong.append("a prediction is recorded twice")
    for line in wrong[:20]:
        print(line)
    checked = f"{attack.answered:,} answers of {len(attack.endpoints)} {what}, {len(recorded):,} records"
    return Outcome(rounds, f"{checked}; files, threads, memory, log", lost, len(wrong))


def bodies(folder: Path, seed: int, rounds: int) -> Outcome:
    """Every hostile body to every endpoint, so many times."""
    with attacked(folder, seed) as attack:
        # The largest bodies take some room for good, once.
        for make in BODIES.values():
            endpoint = attack.rng.choice(attack.endpoints)
            attack.ask(endpoint, make(attack.rng, endpoint[2]))
        before = attack.worker.held()
        for _ in range(rounds):
            for endpoint in attack.endpoints:
                for make in BODIES.values():
                    attack.ask(endpoint, make(attack.rng, endpoint[2]))
        return outcome(attack, rounds, before, "endpoints")


def values(folder: Path, seed: int, rounds: int) -> Outcome:
    """Bodies that hypothesis makes up, to endpoints that take one."""
    with attacked(folder, seed) as attack:
        taking = [endpoint for endpoint in attack.endpoints if endpoint[0] == "POST"]

        @hypothesis.seed(seed)
        @hypothesis.settings(max_examples=rounds, database=None, deadline=None, derandomize=False)
        @hypothesis.given(value=JSON)
        def send(value: Any) -> None:
            content = json.dumps(value).encode()
            for endpoint in taking:
                attack.ask(endpoint, (content, ()))
            for name in ("instances", "actuals", "inputs"):
                inside = json.dumps({name: value if isinstance(value, list) else [value]}).encode()
                for endpoint in taking:
                    if isinstance(endpoint[2], dict) and name in endpoint[2]:
                        attack.ask(endpoint, (inside, ()))

        before = attack.worker.held()
        send()
        return outcome(attack, rounds, before, "endpoints")


KEPT = request("/predict", BODY).replace(b"Connection: close\r\n", b"")
LAST = request("/health", method="GET")
CHUNKED = request("/predict", b"", "Transfer-Encoding: chunked")
# What is sent, and what is answered: the statuses, in order.
WIRES: dict[str, tuple[Callable[[random.Random], list[bytes]], list[int]]] = {
    "nothing": (lambda rng: [], []),
    "half a line": (lambda rng: [LAST[: rng.randint(1, 20)]], [408]),
    "half a head": (lambda rng: [LAST[: rng.randint(26, len(LAST) - 1)]], [408]),
    "half a body": (lambda rng: [KEPT[: -rng.randint(1, len(BODY))]], [408]),
    "half a chunk": (lambda rng: [CHUNKED, b"%x\r\n" % len(BODY), BODY[: rng.randrange(len(BODY))]], [408]),
    "a byte at a time": (lambda rng: [LAST[i : i + 1] for i in range(len(LAST))], [200]),
    "pipelined": (lambda rng: [KEPT * 9 + LAST], [200] * 10),
    "pipelined, and half a one": (lambda rng: [KEPT * 3 + KEPT[: -rng.randint(1, len(BODY))]], [200] * 3 + [408]),
    "pipelined, and nonsense": (lambda rng: [KEPT * 3, b"\x00\xff nonsense\r\n\r\n"], [200] * 3 + [400]),
    "a length and chunks": (
        lambda rng: [request("/predict", BODY, "Transfer-Encoding: chunked", "Content-Length: 4")],
        [400],
    ),
    "two lengths": (lambda rng: [request("/predict", BODY, "Content-Length: 5", "Content-Length: 6")], [400]),
    "a length below zero": (lambda rng: [request("/predict", BODY, "Content-Length: -1")], [400]),
    "a length without end": (lambda rng: [request("/predict", BODY, f"Content-Length: {'9' * 40}")], [400]),
    "a chunk without end": (lambda rng: [CHUNKED, b"f" * 40 + b"\r\n"], [400]),
    "no chunk": (lambda rng: [CHUNKED, b"xyz\r\n\r\n"], [400]),
    "TLS": (lambda rng: [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(60) + b"\r\n\r\n"], [400]),
    "HTTP/2": (lambda rng: [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], [400]),
    "a folded header": (lambda rng: [request("/health", b"", "X: a\r\n b", method="GET")], [400]),
    "a null in a header": (lambda rng: [request("/health", b"", "X: a\x00b", method="GET")], [400]),
    "a space before the colon": (lambda rng: [request("/health", b"", "Content-Length : 5", method="GET")], [400]),
    "another host by the target": (lambda rng: [request("http://evil.example/health", method="GET")], [400]),
    "two hosts": (lambda rng: [request("/health", b"", "Host: evil.example", method="GET")], [400]),
    "a long head": (lambda rng: [request("/health", b"", f"X: {'x' * 40_000}", method="GET")], [431]),
    "many headers": (lambda rng: [request("/health", b"", *[f"X{i}: 1" for i in range(150)], method="GET")], [431]),
}


def connections(folder: Path, seed: int, rounds: int) -> Outcome:
    """Slow, half, mangled, pipelined and broken-off requests, all at once, and one client in between that behaves."""
    with attacked(folder, seed, head_timeout_s=1, body_timeout_s=1) as attack:
        worker, rng = attack.worker, attack.rng
        before = worker.held()
        for _ in range(rounds):
            names = rng.sample(list(WIRES), len(WIRES))
            for number in rng.sample(range(len(KEPT)), 5):
                _break_off(worker, KEPT[:number])
            with ExitStack() as held:
                opened = [(name, held.enter_context(worker.connect())) for name in names]
                for name, connection in opened:
                    _send(connection, WIRES[name][0](rng))
                attack.ask(("POST", "/predict", {}, {200}), (BODY, ()))
                for name, connection in opened:
                    _hear(attack, name, connection)
        return outcome(attack, rounds, before, "endpoints and connections")


def _send(connection: socket.socket, parts: list[bytes]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for part in parts:
        connection.sendall(part)


def _hear(attack: Attack, name: str, connection: socket.socket) -> None:
    try:
        found = answers(exchange(connection))
    except (TimeoutError, ValueError) as error:
        attack.wrong.append(f"{name}: {type(error).__name__} {error}, not within {PATIENCE_S:g} s")
        return
    attack.answered += len(found)
    for answer in found:
        attack._look_at(answer, name)
    if [answer.status for answer in found] != WIRES[name][1]:
        attack.wrong.append(f"{name}: {[(a.status, a.body[:100]) for a in found]}")


def _break_off(worker: Worker, part: bytes) -> None:
    """Send a part, and be gone without a word."""
    with worker.connect() as connection:
        connection.sendall(part)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


FAULTS = [
    Fault("hostile bodies, addresses and headers", bodies, rounds=20, short=1),
    Fault("values that hypothesis makes up", values, rounds=2000, short=40),
    Fault("slow, half, mangled and pipelined requests", connections, rounds=60, short=2),
]
