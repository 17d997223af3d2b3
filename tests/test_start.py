"""What is not loaded by whoever must start quickly; how long it takes then is a benchmark, `tests.benchmarks.start`."""

import json
import subprocess
import sys

import pytest

from tests.processes import free_port
from workbench.cli.supervisor import claim_port

TELL = "import json, sys; print(json.dumps(sorted(sys.modules)))"
# Faces, and what they bring along.
FACES = {"fastapi", "uvicorn", "ipywidgets", "matplotlib", "rich"}
# The sciences: a worker brings numpy alone.
SCIENCES = {"pandas", "pyarrow", "sklearn", "joblib", "scipy.special", "scipy.stats", "scipy.fft", "scipy.sparse"}
DOOR = """
import sys
sys.argv = ["main.py", *{words!r}]
from workbench.cli import main
try:
    main()
except SystemExit:
    pass
"""


def loaded_by(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}\n{TELL}"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_library_loads_nothing_but_the_standard_library():
    added = loaded_by("import workbench") - loaded_by("import importlib, typing")
    names = {name.split(".")[0] for name in added}
    assert names <= {"workbench", *sys.stdlib_module_names}


def test_help_loads_nothing_that_only_commands_need():
    found = loaded_by(DOOR.format(words=["--help"]))
    assert not found & {*FACES, *SCIENCES, "numpy", "pydantic", "filelock", "psutil", "asyncio"}


def test_a_worker_loads_no_science_but_numpy_and_no_other_face():
    found = loaded_by("import service.__main__, service.app, uvicorn")
    assert {"numpy", "fastapi"} <= found
    assert not found & {*SCIENCES, *FACES - {"fastapi", "uvicorn"}, "typer", "httpx2"}


def test_serve_starts_its_workers_without_waiting_for_what_only_they_need(settings):
    """The address is taken, so that it ends when all before its children has been loaded."""
    port = free_port()
    text = (settings.root / "workbench.toml").read_text()
    (settings.root / "workbench.toml").write_text(f"{text}\n[service]\nport = {port}\n")
    with claim_port("127.0.0.1", port, "[service] port"):
        found = loaded_by(DOOR.format(words=["--root", str(settings.root), "serve"]))
    assert {"pydantic", "workbench.cli.supervisor", "workbench.live_pointer"} <= found
    assert not found & {*FACES, *SCIENCES, "numpy"}


@pytest.mark.parametrize("module", ["workbench.monitor", "workbench.metrics_store", "workbench.version_store"])
def test_recording_and_looking_at_versions_takes_no_science_but_numpy(module):
    assert not loaded_by(f"import {module}") & SCIENCES
