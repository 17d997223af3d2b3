"""The real service as processes on a free port, for tests that need processes."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil

from tests.conftest import until
from workbench.exposure import service_url, trust
from workbench.settings import load_settings

ROOT = Path(__file__).parents[1]
# One client: setting up TLS anew for each request costs more than the request.
CLIENT = httpx2.Client(timeout=60)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def run(root: Path, *words: str) -> str:
    """A command as a process; fails unless it ends with 0."""
    command = [sys.executable, str(ROOT / "main.py"), "--root", str(root), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def demo_workspace(folder: Path, **replaced: str):
    """The shipped flights settings on a port of their own, with some keys replaced."""
    folder.mkdir()
    text = (ROOT / "workbench.toml").read_text() + f"\n[service]\nport = {free_port()}\nheartbeat_s = 1\n"
    for key, value in replaced.items():
        lines = [f"{key} = {value}" if line.split("=")[0].strip() == key else line for line in text.splitlines()]
        text = "\n".join(lines)
    (folder / "workbench.toml").write_text(text)
    return load_settings(folder)


@contextmanager
def serving(settings, *program):
    """`serve` until the block ends; yields its process. Nothing of it is left behind.

    The program is main.py here, or another installation's.
    """
    log = (settings.root / "serve.log").open("ab")
    command = [*(program or (sys.executable, ROOT / "main.py")), "--root", str(settings.root), "serve"]
    process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        until(lambda: ready(settings))
        yield process
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        assert not _left(settings)


def child_of(process, *words: str) -> psutil.Process | None:
    """The child of a process whose command line has all these words; None while there is none."""
    for child in psutil.Process(process.pid).children():
        try:
            if set(words) <= set(child.cmdline()):
                return child
        except (psutil.ZombieProcess, psutil.NoSuchProcess):
            continue  # killed, and not yet replaced
    return None


def url(settings) -> str:
    return service_url(settings)


def ready(settings) -> bool:
    try:
        if settings.service.tls_cert is None:
            return CLIENT.get(f"{url(settings)}/ready").status_code == 200
        with httpx2.Client(verify=trust(settings)) as client:
            return client.get(f"{url(settings)}/ready").status_code == 200
    except httpx2.TransportError:
        return False


def _left(settings) -> list[int]:
    """Processes that still name this workspace on their command line."""
    named = []
    for process in psutil.process_iter(["cmdline"]):
        if str(settings.root) in (process.info["cmdline"] or []):
            named.append(process.pid)
    return named
