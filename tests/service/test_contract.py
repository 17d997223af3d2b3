"""Schemathesis asks a worker what its description allows, and what it does not; every answer is as documented.

Bounded, with nothing of ours replaced: commands that check and switch run in this process instead of their own, and
somebody else holds the locks of a retrain and of what is asked aside, which therefore answer 409. What they answer
otherwise is held against the same description by `Client`, in every test of the service.
"""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import filelock
import pytest
from typer.testing import CliRunner

from service.__main__ import server
from service.app import create_app
from tests.conftest import until
from tests.service.conftest import start
from workbench.cli import app as commands
from workbench.errors import WorkbenchError
from workbench.settings import load_settings
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore

pytestmark = pytest.mark.slow
# What JSON Schema cannot say: an event time lies before tomorrow, `a` comes with `b`, and tensors are those of the
# model, their elements as many as their shape says.
BEYOND_SCHEMAS = """
[[operations]]
include-name = ["POST /predict", "GET /maintenance/versions/compare"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422"]

[[operations]]
include-path-regex = "/infer$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "404", "413", "422"]

[phases.stateful.generation]
max-examples = 30
"""
# Drawn at random, beside those that each boundary of each schema has.
EXAMPLES = 3


async def in_this_process(settings, *words):
    """A command as `own_process` runs it, without the second that Python takes to start."""
    done = await asyncio.to_thread(CliRunner().invoke, commands, ["--root", str(settings.root), *words, "--json"])
    if isinstance(done.exception, WorkbenchError):
        return 2, b"", f"error: {done.exception}".encode()
    return done.exit_code, done.stdout_bytes, done.stderr_bytes


@pytest.fixture(scope="module")
def served(_regression, tmp_path_factory):
    """A worker that asks for a token wherever one can be asked for: its address, and the token."""
    root = shutil.copytree(_regression.root, tmp_path_factory.mktemp("contract") / "ws")
    token = maintenance_token(root)
    (root / "apps.token").write_text(token)
    settings = start(load_settings(root), predict_token_file="apps.token")
    settings.metrics_dir.mkdir(exist_ok=True)
    app = create_app(settings, command_line=in_this_process)
    running = server(app, settings)
    with socket.create_server(("127.0.0.1", 0)) as own:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [own]})
        thread.start()
        until(lambda: running.started)
        with VersionStore(settings.versions_dir).retrain_lock(), filelock.FileLock(settings.metrics_dir / "aside.lock"):
            yield f"http://127.0.0.1:{own.getsockname()[1]}", token
        running.should_exit = True
        thread.join()


@pytest.mark.parametrize("given", ["token", "nothing"])
def test_every_answer_is_as_documented(served, tmp_path, given):
    url, token = served
    (tmp_path / "schemathesis.toml").write_text(BEYOND_SCHEMAS)
    more = {
        "token": ["--phases=examples,coverage,fuzzing,stateful", "-H", f"Authorization: Bearer {token}"],
        "nothing": ["--phases=examples,coverage"],
    }
    words = ["run", f"{url}/openapi.json", *more[given], f"--max-examples={EXAMPLES}", "--generation-deterministic"]
    words += ["--continue-on-failure", "--warnings=off", "--no-color"]
    told = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *words],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("SCHEMATHESIS_")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    followed = re.findall(r"API Links: +(\d+) covered", told.stdout)
    assert given == "nothing" or int(followed[0]) > 0
