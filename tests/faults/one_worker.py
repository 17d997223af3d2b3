"""One worker of the service in this process, asked by a client that keeps account of what was acknowledged.

The account is held against the lines on disk, read here and by no reader of the product.
"""

from __future__ import annotations

import io
import json
import logging
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from service.app import create_app
from tests.conftest import make_workspace, trips, until
from tests.faults.table import Outcome
from tests.kept import clone
from workbench import cli
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.records import Prediction
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings, load_settings
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore

ROWS = to_rows(trips(200, seed=5)[["km", "stops", "to"]])
SERVICE = "\n[service]\nheartbeat_s = 0.05\ntoken_failures = 1000\n"


@cache
def _made() -> tempfile.TemporaryDirectory[str]:
    """A workspace whose version `first` is live, and `second`, as good, is not; trained once for all faults."""
    folder = tempfile.TemporaryDirectory(prefix="fault-workspace-")
    settings = make_workspace(Path(folder.name) / "ws", extra=SERVICE)
    metrics = MetricsStore.of(settings)
    ModelRetrainer(settings, VersionStore(settings.versions_dir), metrics).retrain("first")
    metrics.close()
    clone(VersionStore(settings.versions_dir), "second")
    return folder


def workspace(root: Path, extra: str = "") -> Settings:
    """A copy of it."""
    shutil.copytree(Path(_made().name) / "ws", root)
    path = root / "workbench.toml"
    path.write_text(path.read_text() + extra)
    return load_settings(root)


def lines(folder: Path, field: str = "id") -> list[str]:
    """One field of each whole line in a folder of segments that is a JSON object."""
    found = []
    for path in folder.glob("*.jsonl"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            try:
                found.append(json.loads(line)[field])
            except (ValueError, KeyError, TypeError):
                continue
    return found


class Account:
    """What one worker acknowledged, and what it should not have answered."""

    def __init__(self, settings: Settings, client: TestClient, rng: random.Random) -> None:
        self.settings = settings
        self.client = client
        self.rng = rng
        self.predicted: list[str] = []
        self.labelled: list[str] = []
        self.wrong: list[str] = []
        self._operator = {"Authorization": f"Bearer {maintenance_token(settings.root)}"}
        self._said = dict(enumerate(self.ask(ROWS)["predictions"]))

    def expect(self, so: bool, otherwise: str) -> None:
        """Note what is wrong, and go on: the table counts it."""
        if not so:
            self.wrong.append(otherwise)

    @property
    def store(self) -> MetricsStore:
        return self.client.app.state.monitor.store

    def get(self, path: str) -> Any:
        """Any endpoint, as operator; never a traceback, nor a 5xx but 503."""
        return self._fair(self.client.get(path, headers=self._operator))

    def post(self, path: str, content: dict[str, Any]) -> Any:
        return self._fair(self.client.post(path, json=content, headers=self._operator))

    def predict(self, most: int = 20) -> bool:
        """Ask some rows: the answers have to be those of before. Whether they wait for the disk."""
        start = self.rng.randrange(len(ROWS) - most)
        chosen = range(start, start + self.rng.randint(1, most))
        answer = self.ask([ROWS[i] for i in chosen])
        self.expect(answer["predictions"] == [self._said[i] for i in chosen], f"{chosen} were answered otherwise")
        return answer["deferred"]

    def label(self, most: int = 5) -> None:
        """Send actuals of some predictions that have none; those that are accepted are on the account."""
        known = set(self.labelled)
        ids = [name for name in self.rng.sample(self.predicted, min(most, len(self.predicted))) if name not in known]
        answer = self.post("/feedback", {"actuals": [{"prediction_id": name, "actual": 1.0} for name in ids]})
        if ids and answer.status_code == 200:
            self.labelled += answer.json()["accepted"]

    def health(self) -> str:
        """What needs a person, but that no maintainer runs."""
        told = self.get("/health").json()["reasons"]
        return "; ".join(reason for reason in told if "no maintainer" not in reason)

    def live(self) -> str | None:
        return self.client.app.state.versions.live_id()

    def lost_predictions(self) -> int:
        """As the store counts them."""
        return self.store.lost_of(Prediction)

    def say(self) -> None:
        """What was wrong, for whoever looks for the cause."""
        for told in self.wrong[:10]:
            print(f"  {told}")

    def outcome(self, rounds: int, *folders: Path, detail: str) -> Outcome:
        lost, twice = self.check(*folders)
        self.say()
        checked = f"{len(self.predicted):,} predictions, {len(self.labelled):,} actuals; {detail}"
        return Outcome(rounds, checked, lost + self.store.lost, twice + len(self.wrong))

    def settled(self) -> None:
        """Wait until nothing waits for the disk any more."""
        try:
            until(lambda: not self.store.deferred, timeout_s=20)
        except AssertionError as error:
            raise AssertionError(f"{self.store.deferred} records still wait: {self.store.trouble}") from error

    def check(self, *folders: Path) -> tuple[int, int]:
        """Acknowledged records that are not in these folders of `metrics/`, and records that are there twice."""
        lost = twice = 0
        for kind, field, told in (("predictions", "id", self.predicted), ("actuals", "prediction_id", self.labelled)):
            found = Counter(name for folder in folders for name in lines(folder / kind, field))
            lost += sum(1 for name in told if name not in found)
            twice += sum(count - 1 for count in found.values())
        return lost, twice

    def ask(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Predictions of some rows: whatever is broken, they are answered and acknowledged."""
        answer = self.client.post("/predict", json={"instances": rows})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        self.predicted += told["prediction_ids"]
        return {**told, "deferred": "x-recorded" in answer.headers}

    def _fair(self, answer: Any) -> Any:
        where = answer.request.url.path
        self.expect(answer.status_code < 500 or answer.status_code == 503, f"{where}: {answer.text}")
        self.expect("Traceback" not in answer.text, f"{where}: a traceback")
        return answer


@contextmanager
def one_worker(settings: Settings, rng: random.Random) -> Iterator[Account]:
    """A worker until the block ends; what it logs is left to whoever runs this."""
    app = create_app(settings, note_together_s=0)
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50_000)) as client:
        until(lambda: client.get("/ready").status_code == 200)
        yield Account(settings, client, rng)


def command(settings: Settings, *words: str) -> tuple[object, str]:
    """Exit code and output of a command."""
    said, before = io.StringIO(), sys.argv
    sys.argv = ["workbench", "--root", str(settings.root), *words]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            cli.main()
    except SystemExit as end:
        return end.code, said.getvalue()
    finally:
        sys.argv = before
    return 0, said.getvalue()


@contextmanager
def silence() -> Iterator[None]:
    """Troubles are made on purpose here: their logs would bury the table."""
    logger = logging.getLogger("workbench")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
