"""`pip install .[service]`: what it brings, by what packages say, and in an environment made for it."""

import json
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.processes import ROOT, free_port, serving
from workbench.exposure import service_url
from workbench.settings import load_settings

JUPYTER = {"jupyterlab", "jupyter-core", "jupyter-server", "voila", "ipywidgets", "ipykernel", "anywidget", "ipython"}
# Packages that it brings, with this one. To raise it is a decision, not an accident.
MOST = 47
UNREACHED = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|name resolution|Network is unreachable"
)


def needed() -> set[str]:
    """What an installer would bring, followed through what the packages that are installed here say they need."""
    found, asked = set(), [("model-workbench", frozenset({"service"}))]
    while asked:
        name, extras = asked.pop()
        if (name, extras) in found:
            continue
        found.add((name, extras))
        for requirement in map(Requirement, distribution(name).requires or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
                asked.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in found}


def test_the_service_brings_no_jupyter_and_few_packages():
    names = needed()
    assert {"fastapi", "uvicorn", "numba", "pandas"} <= names
    assert not names & JUPYTER
    assert len(names) <= MOST, sorted(names)


def as_locked() -> str:
    """The versions that everything else here is tested with, as constraints."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return "\n".join(line.rstrip(" \\") for line in lines if line[:1].isalnum())


def installed(folder: Path) -> Path:
    """An environment with the service and nothing else; skips where no package index answers."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (folder / "constraints.txt").write_text(as_locked())
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--retries=1"]
    words = ["--constraint", folder / "constraints.txt", f"{ROOT}[service]"]
    done = subprocess.run([*pip, *words], capture_output=True, text=True, check=False)
    if done.returncode and UNREACHED.search(done.stdout + done.stderr):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_in_a_fresh_environment_it_trains_and_serves_without_jupyter(settings, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    # Nor is the source found where one stands.
    monkeypatch.chdir(tmp_path)
    environment = installed(tmp_path / "environment")
    listed = subprocess.run(
        [environment / "bin" / "pip", "list", "--format=json", "--disable-pip-version-check"],
        capture_output=True,
        check=True,
    )
    names = {canonicalize_name(package["name"]) for package in json.loads(listed.stdout)} - {"pip", "setuptools"}
    assert names == needed()
    assert len(names) <= MOST
    file = settings.root / "workbench.toml"
    file.write_text(file.read_text() + f"\n[service]\nport = {free_port()}\n")
    settings, workbench = load_settings(settings.root), environment / "bin" / "workbench"
    subprocess.run([workbench, "--root", settings.root, "train"], capture_output=True, check=True)
    with serving(settings, workbench):
        body = {"instances": [{"km": 10.0, "stops": 1, "to": "north"}]}
        answer = httpx2.post(f"{service_url(settings)}/predict", json=body)
    assert (answer.status_code, len(answer.json()["predictions"])) == (200, 1)
