"""What no client should send: bodies, headers, targets, texts and whole connections. Choices come from a seed."""

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

# A body, and the headers that come with it.
Body = tuple[bytes, tuple[str, ...]]
DEEP, DIGITS, LONG = 50_000, 5_000, 200_000
BOMB = gzip.compress(b"[" * 20_000_000)

# Of texts that end up in logs, pages, file names and command lines.
TEXTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></div><iframe src=javascript:alert(1)>",
    "&lt;b&gt; &amp; 'x' \"y\"",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "../../../../etc/passwd",
    "..\\..\\windows",
    "/etc/passwd",
    ".",
    "..",
    "-h",
    "--root=/",
    "$(touch {canary})",
    "`touch {canary}`",
    "; touch {canary} #",
    "| touch {canary}",
    "&& touch {canary}",
    "a\ntouch {canary}",
    "%0a%0dSet-Cookie: x=1",
    "a\r\nX-Injected: 1",
    "\x1b[2J\x1b[31m",
    "\u202egnp.exe",
    "first\u0000",
    "first/../first",
    "first ",
    "ﬁrst",
    "x" * 300,
    "",
]


def _raw(make: Callable[[random.Random, Any], bytes]) -> Callable[[random.Random, Any], Body]:
    return lambda rng, valid: (make(rng, valid), ())


def _dumped(valid: Any) -> bytes:
    return json.dumps(valid).encode()


def _planted(rng: random.Random, valid: Any, token: bytes) -> bytes:
    """A valid body in which one value is something else."""
    paths = [path for path in _paths(valid) if path]
    marked = json.loads(json.dumps(valid))
    held, (*way, last) = marked, rng.choice(paths) if paths else ["x"]
    for step in way:
        held = held[step]
    held[last] = "@@here@@"
    return _dumped(marked).replace(b'"@@here@@"', token)


def _paths(value: Any, so_far: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [so_far, *(path for key, part in inside for path in _paths(part, (*so_far, key)))]


def _flipped(rng: random.Random, valid: Any) -> bytes:
    told = bytearray(_dumped(valid))
    for _ in range(rng.randint(1, 4)):
        told[rng.randrange(len(told))] = rng.randrange(256)
    return bytes(told)


def _twice(rng: random.Random, valid: Any) -> bytes:
    told = _dumped(valid)
    return told[:-1] + (b"," if len(told) > 2 else b"") + told[1:]


def _planted_one_of(*tokens: bytes) -> Callable[[random.Random, Any], Body]:
    return _raw(lambda rng, valid: _planted(rng, valid, rng.choice(tokens)))


BODIES: dict[str, Callable[[random.Random, Any], Body]] = {
    "nothing": lambda rng, valid: (b"", ()),
    "another value": _raw(lambda rng, valid: rng.choice([b"null", b"1", b'"x"', b"[]", b"{}", b"true", b" ", b"[{}]"])),
    "deep lists": _raw(lambda rng, valid: b"[" * DEEP + b"]" * DEEP),
    "half a nest": _raw(lambda rng, valid: rng.choice([b"[", b'{"a":', b'{"actuals":[']) * DEEP),
    "a deep value": _planted_one_of(b"[" * 900 + b"]" * 900, b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "numbers without end": _planted_one_of(b"1" * DIGITS, b"-" + b"9" * DIGITS, b"0." + b"1" * DIGITS, b"1e400"),
    "large numbers": _planted_one_of(b"1e308", b"-1.8e308", b"9007199254740993", b"18446744073709551616", b"1e-400"),
    "no JSON numbers": _planted_one_of(b"NaN", b"Infinity", b"-Infinity", b"-NaN", b"0x10", b"01", b"1.", b"+1"),
    "half a surrogate": _planted_one_of(b'"\\ud800"', b'"\\udc00\\ud800"', b'"x\\ud83d"', b'"\xed\xa0\x80"'),
    "another kind": _planted_one_of(b"null", b"true", b'"text"', b"[]", b"{}", b"-0.0", b'""'),
    "control characters": _planted_one_of(b'"a\x00b"', b'"a\\u0000b"', b'"\\u001b[31m"', b'"a\nb"'),
    "a hostile text": _raw(lambda rng, valid: _planted(rng, valid, json.dumps(rng.choice(TEXTS)).encode())),
    "a long text": _planted_one_of(b'"' + b"x" * LONG + b'"', b'"' + "é".encode() * LONG + b'"'),
    "many keys": _raw(lambda rng, valid: _dumped({f"k{i}": i for i in range(20_000)})),
    "a hostile key": _raw(lambda rng, valid: _dumped({rng.choice(TEXTS): 1, "__proto__": {}, **valid})),
    "every key twice": _raw(_twice),
    "many rows": _raw(
        lambda rng, valid: _dumped({k: v * 10_001 if isinstance(v, list) else v for k, v in valid.items()})
    ),
    "cut off": _raw(lambda rng, valid: _dumped(valid)[: rng.randrange(len(_dumped(valid)))]),
    "flipped bytes": _raw(_flipped),
    "bytes at random": _raw(lambda rng, valid: rng.randbytes(rng.randint(1, 2_000))),
    "UTF-16": _raw(lambda rng, valid: json.dumps(valid).encode("utf-16")),
    "UTF-32": lambda rng, valid: (
        json.dumps(valid).encode("utf-32"),
        ("Content-Type: application/json; charset=utf-32",),
    ),
    "Latin-1": _raw(lambda rng, valid: _planted(rng, valid, b'"\xe9\xff"')),
    "a byte order mark": _raw(lambda rng, valid: b"\xef\xbb\xbf" + _dumped(valid)),
    "gzip unsaid": _raw(lambda rng, valid: gzip.compress(_dumped(valid))),
    "a gzip bomb": lambda rng, valid: (BOMB, ("Content-Encoding: gzip",)),
    "another encoding": lambda rng, valid: (
        _dumped(valid),
        (f"Content-Encoding: {rng.choice(['br', 'deflate', 'gzip, identity', 'zstd', 'x'])}",),
    ),
    "another type": lambda rng, valid: (
        _dumped(valid),
        (f"Content-Type: {rng.choice(['text/plain', 'multipart/form-data', 'application/xml', '', 'a' * 5000, '%'])}",),
    ),
    "binary tensors": lambda rng, valid: (
        _dumped(valid) + rng.randbytes(20),
        (
            "Content-Type: application/octet-stream",
            f"Inference-Header-Content-Length: {rng.choice(['0', '5', '-1', '9' * 30, 'x', len(_dumped(valid))])}",
        ),
    ),
}
HEADERS = [
    "Authorization: Bearer",
    "Authorization: Bearer \x80\xff",
    "Authorization: Basic dXNlcjpwYXNz",
    f"Authorization: Bearer {'x' * 20_000}",
    "Expect: 100-continue",
    "Upgrade: h2c",
    "Range: bytes=0-1",
    "X-Request-ID: a\tb",
    f"X-Request-ID: {'x' * 65}",
    "X-Request-ID: <script>",
    "traceparent: 00-0-0-0",
    "traceparent: " + "0" * 4000,
    "X-Forwarded-For: 127.0.0.1, 8.8.8.8",
    "X-Forwarded-Host: evil.example",
    "X-HTTP-Method-Override: DELETE",
    "X-Original-URL: /maintenance/summary",
    "Cookie: " + "a=b; " * 500,
    "Accept: application/x-ndjson, */*;q=" + "9" * 300,
    "Origin: null",
]
QUERIES = ["", "?limit=0", "?limit=1e9", "?limit=%00", "?limit[]=1", "?before=%ff%fe", "?before=" + "x" * 3000]
QUERIES += [
    "?at=0000-00-00",
    "?at=9999-12-31T23:59:59.999999%2B23:59",
    "?at=%F0%9F%98%80",
    "?a=..%2f..&b=nothing",
    "?;&=&==",
]
QUERIES += ["?rows=99999999999999999999999", "?" + "a=1&" * 2000, "?%", "?x=%0d%0aX-Injected:%201"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(TEXTS),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=4),
    max_leaves=12,
)


def quoted(text: str) -> str:
    """A text as one segment of a path, all of it escaped."""
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass")) or "%20"
