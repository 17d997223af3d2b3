"""One-row requests beside other projects' servers: the same pipeline, the same rows, one worker each: a table.

    python -m tests.benchmarks.peers_serving [--rounds N] [--seconds S] [--only PROJECT ...] [--home FOLDER]

The flights' voting ensemble is trained here; the service serves it with recording and the maintainer on. Each other
project gets it as a joblib file, in an environment of its own under FOLDER that is made where it is not there yet; one
that cannot be made, or does not start, is a line and not a failure. All are asked by turns, at concurrency 1, 8 and 32.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import joblib
import msgspec
import numpy as np
from tqdm import tqdm

from tests.benchmarks import load
from tests.benchmarks.run_peers import make_environment
from tests.benchmarks.tables import Table
from tests.processes import demo_workspace, free_port, run, serving
from workbench import demo, machine
from workbench.features import align, to_rows
from workbench.moments import utc_now
from workbench.settings import Settings
from workbench.version_store import VersionStore

HERE = Path(__file__).parent
# What a pickled pipeline asks for: as it is here.
SHARED = ("scikit-learn", "numpy", "pandas", "joblib")
CONCURRENCY = (1, 8, 32)
ASKED = 40.0
ROWS = 100
READY_S = 120.0
NOT_INSTALLED = 3


def _mlserver_body(row: dict) -> dict:
    def column(name: str, value: object) -> dict:
        text = isinstance(value, str)
        about = {"name": name, "shape": [1], "datatype": "BYTES" if text else "FP64", "data": [value]}
        return about | ({"parameters": {"content_type": "str"}} if text else {})

    return {"parameters": {"content_type": "pd"}, "inputs": [column(*item) for item in row.items()]}


@dataclass(frozen=True)
class Peer:
    """How a project is installed and asked, and where its answer has the prediction."""

    pins: tuple[str, ...]
    path: str
    body: Callable[[dict], object]
    said: Callable[[object], float]


PEERS = {
    "vetiver": Peer(("vetiver==0.2.6",), "/predict", lambda row: [row], lambda told: told["predict"][0]),
    "mlserver": Peer(
        # Its pool of workers does not start with a later uvloop.
        ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22"),
        "/v2/models/flights/infer",
        _mlserver_body,
        lambda told: told["outputs"][0]["data"][0],
    ),
    "bentoml": Peer(("bentoml==1.4.40",), "/predict", lambda row: {"rows": [row]}, lambda told: told[0]),
    "mlflow": Peer(
        ("mlflow==3.17.2",),
        "/invocations",
        lambda row: {"dataframe_records": [row]},
        lambda told: told["predictions"][0],
    ),
}
OURS = "this project"


@dataclass
class Server:
    """Where somebody answers, and how often and how quickly so far, by concurrency."""

    name: str
    port: int
    path: str
    bodies: list[bytes]
    a_second: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in CONCURRENCY})
    p99_ms: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in CONCURRENCY})
    failed: int = 0

    def ask(self, concurrency: int, seconds: float) -> None:
        loaded = load.generate("127.0.0.1", self.port, self.path, self.bodies, concurrency=concurrency, seconds=seconds)
        self.failed += sum(code != 200 for code in loaded.codes)
        self.a_second[concurrency].append(loaded.a_second)
        self.p99_ms[concurrency].append(loaded.percentile_ms(99))


def environment(name: str, home: Path) -> Path | None:
    """The interpreter of a project's own environment, with this one's scikit-learn; None, and a line, without it."""
    asked = [*PEERS[name].pins, *(f"{library}=={version(library)}" for library in SHARED)]
    return make_environment(home.resolve() / f"serving-{name}", "\n".join(asked), asked)


@contextmanager
def served(name: str, python: Path, folder: Path, model: object, rows: Sequence[dict]) -> Iterator[Server | str]:
    """A project's server until the block ends, or why there is none."""
    folder.mkdir()
    joblib.dump(model, folder / "model.joblib")
    (folder / "rows.json").write_text(json.dumps(rows))
    peer, port = PEERS[name], free_port()
    command = [str(python), "-I", str(HERE / "serve_peer.py"), name, str(folder), str(port)]
    log = folder / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
            start_new_session=True,
        )
    try:
        bodies = [msgspec.json.encode(peer.body(row)) for row in rows]
        server = Server(name, port, peer.path, bodies)
        yield server if _answers(server, process) else _why(process, log)
    finally:
        # What it has started is of its group.
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(15)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def _answers(server: Server, process: subprocess.Popen) -> bool:
    """Whether the first request is answered in time; it is asked again until then."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        once = load.generate("127.0.0.1", server.port, server.path, server.bodies[0], requests=1)
        if once.codes == [200]:
            return True
        time.sleep(0.5)
    return False


def _why(process: subprocess.Popen, log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    how = "is not installed" if process.poll() == NOT_INSTALLED else "did not answer"
    return f"{how}: {lines[-1][-300:] if lines else 'it said nothing'}"


def right(server: Server, expected: Sequence[float]) -> bool:
    """Whether a server says what scikit-learn says here, row by row."""
    asked = load.generate(
        "127.0.0.1", server.port, server.path, server.bodies, requests=len(server.bodies), keep_answers=True
    )
    said = PEERS[server.name].said if server.name in PEERS else (lambda told: told["predictions"][0])
    return all(
        code == 200 and math.isclose(said(msgspec.json.decode(text)), expected[number], rel_tol=1e-9)
        for code, (number, text) in zip(asked.codes, asked.answers, strict=True)
    )


def measure(servers: Sequence[Server], rounds: int, seconds: float) -> None:
    """All by turns, so that a busy moment of the machine hits each of them."""
    bar = tqdm(total=(rounds + 1) * len(CONCURRENCY) * len(servers), desc="serving")
    for number in range(rounds + 1):
        for concurrency in CONCURRENCY:
            for server in servers:
                # The first round warms them up.
                server.ask(concurrency, seconds if number else min(seconds, 1.0))
                if not number:
                    server.a_second[concurrency].clear()
                    server.p99_ms[concurrency].clear()
                bar.update()
    bar.close()


def table(servers: Sequence[Server], missing: Sequence[str], rounds: int, seconds: float) -> Table:
    ours, rows = servers[0], []
    for concurrency in CONCURRENCY:
        for server in servers:
            # By round: the two of a ratio were asked in the same minute.
            pairs = zip(ours.a_second[concurrency], server.a_second[concurrency], strict=True)
            ratio = float(np.median([mine / theirs for mine, theirs in pairs]))
            rows.append(
                (
                    server.name if server is ours else f"{server.name} {PEERS[server.name].pins[0].split('==')[1]}",
                    concurrency,
                    f"{np.median(server.a_second[concurrency]):,.0f}",
                    f"{np.median(server.p99_ms[concurrency]):,.1f}",
                    "" if server is ours else f"{ratio:.1f} x",
                    server.failed,
                )
            )
    note = (
        f"The flights' voting ensemble, one row a request, one worker each, ours with monitoring; medians of {rounds} "
        f"rounds of {seconds:g} s, by turns. Asked: {ASKED:g} x each, p99 below theirs. {machine.told(utc_now())}."
    )
    if missing:
        note += f" Not here: {'; '.join(missing)}."
    head = ("server", "concurrency", "requests a second", "p99 ms", "ours is faster", "failed")
    return Table("Serving beside others", note, head, rows)


def questions(settings: Settings) -> tuple[object, list[dict], list[float]]:
    """The fitted pipeline, rows without missing values (not all servers take null), and what it says to them."""
    live = VersionStore(settings.versions_dir).load("first")
    frame = align(demo.traffic().head(2_000), live.schema).dropna().head(ROWS)
    return live.estimator, to_rows(frame), [float(value) for value in live.estimator.predict(frame)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--home", type=Path, default=Path(".venv-peers"))
    asked = parser.parse_args()
    missing, wrong = [], []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pythons = {name: environment(name, asked.home) for name in asked.only}
        settings = demo_workspace(folder / "ws")
        run(settings.root, "--version_id=first")
        model, rows, expected = questions(settings)
        stack.enter_context(serving(settings))
        bodies = [msgspec.json.encode({"instances": [row]}) for row in rows]
        servers = [Server(OURS, settings.service.port, "/predict", bodies)]
        for name, python in pythons.items():
            if python is None:
                missing.append(f"{name}: its environment cannot be made here, see above")
                continue
            server = stack.enter_context(served(name, python, folder / name, model, rows))
            if isinstance(server, str):
                missing.append(f"{name} {server}")
            else:
                servers.append(server)
        wrong = [server.name for server in servers if not right(server, expected)]
        measure(servers, asked.rounds, asked.seconds)
    print(table(servers, missing, asked.rounds, asked.seconds))
    if wrong:
        print(f"not the predictions of the pipeline: {', '.join(wrong)}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
