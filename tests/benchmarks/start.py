"""How long until the library, the command line and the service are there? A table on stdout.

    python -m tests.benchmarks.start [--rounds N]

Processes of their own, by turns, medians. `serve` is timed from its command to the first /ready; a version's load is
timed in a process that has loaded what a worker has, and is what `serve` may take on top of its own two seconds.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.benchmarks.switching import small_workspace
from tests.benchmarks.tables import Table
from tests.processes import ROOT, demo_workspace, run
from workbench import machine
from workbench.moments import utc_now
from workbench.settings import Settings

IMPORT = "import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
LOAD = """
import time
import service.app
from service.inference import Serving
from workbench.version_store import VersionStore
serving = Serving(VersionStore({folder!r}))
t = time.perf_counter()
serving.follow()
serving.settle({patience})
print(time.perf_counter() - t)
assert serving.current is not None, serving.error
"""
PATIENCE_S = 120.0


def python(*words: str) -> str:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True, cwd=ROOT).stdout


def importing(code: str) -> float:
    """Seconds of an import in a fresh process, the interpreter's own start not counted."""
    return float(python("-c", IMPORT.format(code=code)))


def helping() -> float:
    start = time.perf_counter()
    python("main.py", "--help")
    return time.perf_counter() - start


def loading(settings: Settings) -> float:
    """Seconds of what a worker does to have the live version."""
    return float(python("-c", LOAD.format(folder=str(settings.versions_dir), patience=PATIENCE_S)))


def serving(settings: Settings) -> float:
    """Seconds from `serve` to the first /ready of 200; it is ended then."""
    start = time.perf_counter()
    command = [sys.executable, "main.py", "--root", str(settings.root), "serve"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not ready(settings.service.port):
            if time.perf_counter() - start > PATIENCE_S or process.poll() is not None:
                raise RuntimeError(f"serve of {settings.root} was not ready within {PATIENCE_S:g} s")
            time.sleep(0.01)
        return time.perf_counter() - start
    finally:
        process.terminate()
        process.wait()


def ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def measure(jobs: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median seconds of each, by turns; the first round warms the disk's cache and is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            seconds = job()
            if number:
                taken[name].append(seconds)
    return {name: float(np.median(times)) for name, times in taken.items()}


def table(small: Settings, flights: Settings, rounds: int) -> Table:
    jobs: dict[str, Callable[[], float]] = {
        "import workbench": lambda: importing("import workbench"),
        "main.py --help": helping,
        "a worker's imports": lambda: importing("import service.app, uvicorn"),
    }
    names = {"a linear model": small, "the flights' voting ensemble": flights}
    for name, settings in names.items():
        jobs[f"load of {name}"] = lambda settings=settings: loading(settings)
        jobs[f"serve to /ready, {name}"] = lambda settings=settings: serving(settings)
    took = measure(jobs, rounds)
    limits = {"import workbench": 0.1, "main.py --help": 0.3}
    limits |= {f"serve to /ready, {name}": 2.0 + took[f"load of {name}"] for name in names}
    rows = [(name, f"{s:.2f} s", f"{limits[name]:.2f} s" if name in limits else "") for name, s in took.items()]
    note = f"Medians of {rounds}, by turns, each in a process of its own. {machine.told(utc_now())}."
    return Table("Start", note, ("what", "took", "asked: at most"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = small_workspace(Path(folder) / "small", workers=1)
        flights = demo_workspace(Path(folder) / "flights")
        run(flights.root, "--version_id=first")
        print(table(small, flights, asked.rounds))


if __name__ == "__main__":
    main()
