"""A load generator: a closed loop over keep-alive connections, in a process of its own.

Each connection asks, waits for the whole answer and asks again. Every answer's status is counted; a connection that
breaks before its answer is whole counts as status 0 and is made anew. Times are those of `time.monotonic`, which all
processes of a machine share.

    load = generate("127.0.0.1", 8000, "/predict", body, concurrency=8, seconds=5)
    print(load.statuses, load.a_second, load.percentile_ms(99))
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httptools
import msgspec
import numpy as np
import uvloop

BROKEN = 0
PATIENCE_S = 60.0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a generator is to do; bodies are sent in turn."""

    host: str
    port: int
    path: str
    bodies: list[bytes]
    headers: dict[str, str]
    concurrency: int
    seconds: float | None
    requests: int | None
    expected: bytes | None
    keep_answers: bool


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it, one entry a request, in order of completion.

    `began` are moments of `time.monotonic` and `latencies` seconds until the whole answer was there; `answers` are
    (number of the body, answer), if they were to be kept; `unexpected` is the first answer of status 200 without the
    text it should have had.
    """

    began: list[float]
    latencies: list[float]
    codes: list[int]
    answers: list[tuple[int, bytes]]
    unexpected: bytes | None
    seconds: float

    @property
    def statuses(self) -> Counter[int]:
        return Counter(self.codes)

    @property
    def a_second(self) -> float:
        """Requests answered a second."""
        return len(self.codes) / self.seconds

    def percentile_ms(self, percent: float, *, since: float = 0.0, until: float = float("inf")) -> float:
        """Of the latencies of requests begun in a span of `time.monotonic`; NaN if there were none."""
        began, latencies = np.asarray(self.began), np.asarray(self.latencies)
        chosen = latencies[(began >= since) & (began < until)]
        return float(np.percentile(chosen, percent)) * 1e3 if len(chosen) else float("nan")


class Running:
    """A generator at work; `result` waits for its end."""

    def __init__(self, order: Order) -> None:
        # Files, not pipes: nobody has to read while it works, however much it has to tell.
        self._folder = tempfile.TemporaryDirectory()
        asked, self._told = Path(self._folder.name) / "asked", Path(self._folder.name) / "told"
        asked.write_bytes(msgspec.msgpack.encode(order))
        self._process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.load", asked, self._told])

    def result(self) -> Load:
        with self._folder:
            if self._process.wait():
                raise RuntimeError(f"the load generator ended with {self._process.returncode}; its message is above")
            return msgspec.msgpack.decode(self._told.read_bytes(), type=Load)


def start(
    host: str,
    port: int,
    path: str,
    body: bytes | Sequence[bytes],
    *,
    concurrency: int = 1,
    seconds: float | None = None,
    requests: int | None = None,
    expected: bytes | None = None,
    keep_answers: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Running:
    """Begin to ask, and return at once.

    Parameters
    ----------
    body : bytes, or a sequence of bytes that are sent in turn
        JSON.
    concurrency : int
        Connections, each with one request under way.
    seconds, requests : exactly one of them
        When to end: no request is begun after so many seconds, or so many requests in all.
    expected : bytes, optional
        A text that each answer of status 200 must contain.
    keep_answers : bool
        Whether the answers themselves are returned.
    headers : mapping, optional
        Further ones.
    """
    if (seconds is None) == (requests is None):
        raise ValueError("say either for how many seconds or for how many requests")
    return Running(
        Order(
            host=host,
            port=port,
            path=path,
            bodies=[body] if isinstance(body, bytes) else list(body),
            headers=dict(headers or {}),
            concurrency=concurrency,
            seconds=seconds,
            requests=requests,
            expected=expected,
            keep_answers=keep_answers,
        )
    )


def generate(host: str, port: int, path: str, body: bytes | Sequence[bytes], **more: Any) -> Load:
    """As `start`, and wait for the result."""
    return start(host, port, path, body, **more).result()


class _Run:
    """What the connections of one generator share."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.began: list[float] = []
        self.latencies: list[float] = []
        self.codes: list[int] = []
        self.answers: list[tuple[int, bytes]] = []
        self.unexpected: bytes | None = None
        self.number = 0
        self.start = time.monotonic()
        self.end = self.start + order.seconds if order.seconds is not None else float("inf")
        self.most = order.requests if order.requests is not None else sys.maxsize
        self.messages = [self._message(body) for body in order.bodies]

    def _message(self, body: bytes) -> bytes:
        order = self.order
        head = {
            "Host": f"{order.host}:{order.port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **order.headers,
        }
        lines = [f"POST {order.path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def next(self) -> int | None:
        """The number of the next body; None when it is enough."""
        if self.number >= self.most or time.monotonic() >= self.end:
            return None
        self.number += 1
        return (self.number - 1) % len(self.messages)

    def done(self, began: float, code: int, body: int, answer: bytes) -> None:
        self.latencies.append(time.monotonic() - began)
        self.began.append(began)
        self.codes.append(code)
        if self.order.keep_answers:
            self.answers.append((body, answer))
        if self.order.expected is not None and code == 200 and self.order.expected not in answer:
            self.unexpected = self.unexpected or answer

    def result(self) -> Load:
        return Load(
            began=self.began,
            latencies=self.latencies,
            codes=self.codes,
            answers=self.answers,
            unexpected=self.unexpected,
            seconds=time.monotonic() - self.start,
        )


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way; `over` is done when it asks no more."""

    def __init__(self, run: _Run) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self._run = run
        self._body: int | None = None
        self._answer: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self._ask()

    def _ask(self) -> None:
        self._body = self._run.next()
        if self._body is None:
            self._transport.close()
            return
        self._began = time.monotonic()
        self._transport.write(self._run.messages[self._body])

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._answer.append(part)

    def on_message_complete(self) -> None:
        assert self._body is not None
        answer, self._answer = b"".join(self._answer), []
        self._run.done(self._began, self._parser.get_status_code(), self._body, answer)
        self._body = None
        if self._parser.should_keep_alive():
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._body is not None:
            self._run.done(self._began, BROKEN, self._body, b"")
        if not self.over.done():
            self.over.set_result(None)


async def _run(order: Order) -> Load:
    run = _Run(order)
    loop = asyncio.get_running_loop()

    async def one() -> None:
        while run.number < run.most and time.monotonic() < run.end:
            try:
                _, connection = await loop.create_connection(lambda: _Connection(run), order.host, order.port)
            except OSError:
                body = run.next()
                if body is not None:
                    run.done(time.monotonic(), BROKEN, body, b"")
                    # A server that is gone is not to be asked a hundred thousand times.
                    await asyncio.sleep(0.01)
                continue
            await connection.over

    asking = asyncio.gather(*(one() for _ in range(order.concurrency)))
    answered = -1
    while not asking.done():
        if len(run.codes) == answered:
            raise TimeoutError(f"no answer within {PATIENCE_S:g} s; {answered} had come before")
        answered = len(run.codes)
        await asyncio.wait([asking], timeout=PATIENCE_S)
    await asking
    return run.result()


def main(asked: str, told: str) -> None:
    order = msgspec.msgpack.decode(Path(asked).read_bytes(), type=Order)
    Path(told).write_bytes(msgspec.msgpack.encode(uvloop.run(_run(order))))


if __name__ == "__main__":
    main(*sys.argv[1:])
