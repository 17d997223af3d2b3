import io
import json
import logging
import sys

import pytest

from service.logs import AccessLog
from service.notes import Notes
from service.telemetry import Telemetry
from workbench.logs import JsonLine, TextLine, log_to, printable
from workbench.metrics_store import MetricsStore

FORGED = "a\r\n2026-01-01T00:00:00.000Z workbench.service ERROR stolen \x1b[2J\u202e\u2028\x85"


def record(message, *args, error=None):
    info = None
    if error is not None:
        try:
            raise error
        except type(error):
            info = sys.exc_info()
    return logging.LogRecord("workbench.x", logging.ERROR, "f", 1, message, args, info)


def test_a_record_is_one_line_whatever_it_says():
    line = TextLine().format(record("refused %s", FORGED))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert "ERROR refused a\\x0d\\x0a2026" in line


def test_no_line_of_a_traceback_begins_as_a_record_does():
    lines = TextLine().format(record("failed", error=ValueError(FORGED))).splitlines()
    assert len(lines) > 3
    assert all(line.startswith("    ") and line.isprintable() for line in lines[1:])


def test_json_has_one_object_a_line_with_all_of_it():
    line = JsonLine().format(record("refused %s", FORGED, error=ValueError(FORGED)))
    assert (len(line.splitlines()), line.isprintable()) == (1, True)
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("error", "workbench.x", f"refused {FORGED}")
    assert "Traceback" in told["error"]


@pytest.mark.parametrize("text", ["plain", "é 東京", ""])
def test_what_prints_stays_as_it_is(text):
    assert printable(text) == text


@pytest.fixture
def written():
    """What the root logger writes from now on, as JSON; its handlers come back."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    # So that the closing of `force` does not reach pytest's own.
    root.handlers = []
    log_to("json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = handlers, level


@pytest.mark.anyio
@pytest.mark.parametrize("told", [b"mine-1", b"bad id\x1b[31m", None])
async def test_a_log_line_and_an_access_line_bear_the_id_of_the_request(written, told, tmp_path):
    async def app(scope, receive, send):
        logging.getLogger("workbench.x").warning("inside")
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def sent(message):
        assert message["status"] == 204

    headers = [] if told is None else [(b"x-request-id", told)]
    scope = {"type": "http", "method": "GET", "path": "/a\nb", "headers": headers, "client": ("10.0.0.1", 5)}
    await Telemetry(AccessLog(app), Notes(MetricsStore(tmp_path)))(scope, None, sent)
    inside, access = written()
    assert inside["request_id"] == access["request_id"] == scope["state"]["request_id"].decode()
    assert (inside["request_id"] == "mine-1") is (told == b"mine-1")
    assert (access["status"], access["path"], access["client"]) == (204, "/a\nb", "10.0.0.1")


@pytest.fixture
def anyio_backend():
    return "asyncio"
