"""`pip install .[service]`: what it brings, by what packages say, and in an environment made for it."""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import until
from tests.processes import ROOT, free_port, serving
from tests.test_ops import copied
from workbench.exposure import service_url
from workbench.settings import load_settings
from workbench.tokens import maintenance_token

JUPYTER = {"jupyterlab", "jupyter-core", "jupyter-server", "voila", "ipywidgets", "ipykernel", "anywidget", "ipython"}
# Packages that it brings, with this one. To raise it is a decision, not an accident.
MOST = 47
UNSHARE = shutil.which("unshare")
# Three folders stay writable; nothing else below the root does, for this process and its children.
REMOUNT = 'for f in "$1" "$2" "$3"; do mount --bind "$f" "$f"; done; mount -o remount,ro,bind / && shift 3 && exec "$@"'
READ_ONLY = ("unshare", "--mount", "--propagation=private", "sh", "-euc", REMOUNT, "sh")
UNPRIVILEGED = ("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
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


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment with the service and nothing else, from what the Containerfile builds it of.

    Skips where no package index answers.
    """
    folder, source = tmp_path_factory.mktemp("fresh"), tmp_path_factory.mktemp("source")
    for name in copied():
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (folder / "constraints.txt").write_text(as_locked())
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--retries=1"]
    words = ["--constraint", folder / "constraints.txt", f"{source}[service]"]
    done = subprocess.run([*pip, *words], capture_output=True, text=True, check=False)
    if done.returncode and UNREACHED.search(done.stdout + done.stderr):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def apart(settings, monkeypatch):
    """A workspace on a port of its own; nor is the source found by the way, or where one stands."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(settings.root)
    file = settings.root / "workbench.toml"
    file.write_text(file.read_text() + f"\n[service]\nport = {free_port()}\n")
    return load_settings(settings.root)


def predicted(settings) -> list[float]:
    body = {"instances": [{"km": 10.0, "stops": 1, "to": "north"}]}
    return httpx2.post(f"{service_url(settings)}/predict", json=body).raise_for_status().json()["predictions"]


@pytest.mark.slow
def test_a_fresh_environment_has_no_jupyter_and_trains_and_serves(environment, settings, monkeypatch):
    listed = subprocess.run(
        [environment / "bin" / "pip", "list", "--format=json", "--disable-pip-version-check"],
        capture_output=True,
        check=True,
    )
    names = {canonicalize_name(package["name"]) for package in json.loads(listed.stdout)} - {"pip", "setuptools"}
    assert names == needed()
    assert len(names) <= MOST
    workspace, program = apart(settings, monkeypatch), environment / "bin" / "workbench"
    subprocess.run([program, "--root", workspace.root, "train"], capture_output=True, check=True)
    with serving(workspace, program):
        assert len(predicted(workspace)) == 1


@pytest.mark.slow
def test_on_a_read_only_root_without_any_privilege_it_serves_and_retrains(environment, trained, tmp_path, monkeypatch):
    """As the Containerfile is to be run: two volumes and a folder for what is there for a moment."""
    may = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False) if UNSHARE else None
    if may is None or may.returncode:
        pytest.skip("no mount namespace may be made here")
    workspace = apart(trained, monkeypatch)
    volumes = [workspace.versions_dir, workspace.metrics_dir, tmp_path / "tmp"]
    for folder in volumes:
        folder.mkdir(exist_ok=True)
    for name, value in {"TMPDIR": volumes[2], "NUMBA_CACHE_DIR": volumes[2] / "numba"}.items():
        monkeypatch.setenv(name, str(value))
    operator = {"Authorization": f"Bearer {maintenance_token(workspace.root)}"}
    program = environment / "bin" / "workbench"
    with serving(workspace, *READ_ONLY, *volumes, *UNPRIVILEGED, program) as process:
        of_process = Path("/proc", str(process.pid))
        assert re.search(r" / \S+ ro\b", (of_process / "mounts").read_text())
        assert re.search(r"CapEff:\t0+\n", (of_process / "status").read_text())
        assert len(predicted(workspace)) == 1
        asked = f"{service_url(workspace)}/maintenance/retrain"
        job = httpx2.post(asked, json={"promote": "always"}, headers=operator).json()["id"]
        until(lambda: httpx2.get(f"{asked}/{job}", headers=operator).json()["state"] not in ("starting", "running"))
        assert httpx2.get(f"{asked}/{job}", headers=operator).json()["state"] == "done"
    assert "Read-only" not in (workspace.root / "serve.log").read_text()
