"""Log lines for people or for programs, which nothing that is logged can forge: one record, one beginning of a line.

What does not print (line ends, escapes of a terminal, marks that turn the direction of writing) is shown as its number.
The lines of a traceback are indented, so none of them begins as a record does.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Any, Literal

# Tells the id of the request that is being answered, where there is one.
request_id: ContextVar[Callable[[], str]] = ContextVar("request_id")


def log_to(kind: Literal["text", "json"], stream: IO[str] | None = None) -> None:
    """Write the records of all loggers, INFO and above, to a stream; by default to standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLine() if kind == "json" else TextLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def printable(text: str) -> str:
    r"""A text on one line.

    >>> print(printable("a\nb\x1b[31m \u202e é"))
    a\x0ab\x1b[31m \u202e é
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _number(ord(c)) for c in text)


def _number(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


class TextLine(logging.Formatter):
    """`time logger message`, and the request's id where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        asked = _asked()
        parts = [_time(record), record.name, record.levelname, printable(record.getMessage().rstrip())]
        if asked:
            parts.append(f"[request {printable(asked)}]")
        lines = [" ".join(parts)]
        lines += [f"    {printable(line)}" for line in _trace(self, record).splitlines()]
        return "\n".join(lines)


class JsonLine(logging.Formatter):
    """One JSON object: time, level, logger, message, process; request_id and error where there are some."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": os.getpid(),
        }
        told |= getattr(record, "fields", {})
        if asked := _asked():
            told["request_id"] = asked
        if trace := _trace(self, record):
            told["error"] = trace
        return json.dumps(told)


def _asked() -> str:
    told = request_id.get(None)
    return told() if told else ""


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
