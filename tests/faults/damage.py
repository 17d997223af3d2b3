"""What can happen to the bytes of a file, and what a line of a record has to be, said by no decoder of the product."""

from __future__ import annotations

import json
import math
import random
from datetime import datetime
from pathlib import Path
from typing import Any


def flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def zero(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    size = min(rng.randint(1, 4096), len(data) - at)
    return data[:at] + b"\0" * size + data[at + size :]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def lengthen(data: bytes, rng: random.Random) -> bytes:
    return data + rng.randbytes(rng.randint(1, 64))


def damage(path: Path, rng: random.Random) -> str:
    """Change a file in place, as a disk or a hand does; says how."""
    data = path.read_bytes()
    how = rng.choice((flip, flip, flip, zero, cut, lengthen))
    changed = how(data, rng)
    if rng.random() < 0.1:
        path.unlink()
        return f"{path.name} deleted"
    with path.open("r+b") as file:
        file.write(changed)
        file.truncate()
    return f"{path.name}: {how.__name__}"


def is_record(line: bytes, required: dict[str, Any], optional: dict[str, Any]) -> bool:
    """Whether a line is a JSON object with these fields, each of a kind that a function tells."""

    def refuse(token: str) -> Any:
        raise ValueError(token)

    try:
        told = json.loads(line.decode(), parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    if not isinstance(told, dict):
        return False
    known = required | optional
    return required.keys() <= told.keys() and all(right(told[name]) for name, right in known.items() if name in told)


def text(value: Any) -> bool:
    return isinstance(value, str)


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def label(value: Any) -> bool:
    return isinstance(value, bool | str) or number(value)


def moment(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return False
    return True


def inputs(value: Any) -> bool:
    return isinstance(value, dict) and all(v is None or label(v) for v in value.values())


def chances(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(map(number, value.values())))


STAMPED = {"id": lambda value: text(value) and value != "", "recorded_at": moment}
PREDICTION = (
    {
        **STAMPED,
        "event_time": lambda value: value == "" or moment(value),
        "version": text,
        "inputs": inputs,
        "output": label,
        "response_s": number,
    },
    {"probabilities": chances, "request_id": text, "traceparent": text},
)
ACTUAL: tuple[dict[str, Any], dict[str, Any]] = ({**STAMPED, "prediction_id": text, "actual": label}, {})
