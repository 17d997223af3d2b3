"""Services of several machines: copies of a workspace on ports of their own, with one database in common."""

import shutil
import threading
from pathlib import Path

import httpx2

from tests.conftest import until
from tests.processes import free_port
from workbench.settings import Settings, load_settings

ROWS = [{"km": 1.0 + i, "stops": 1, "to": "north"} for i in range(5)]


def machines(settings: Settings, folder: Path, names: str, url: str) -> list[Settings]:
    """A copy of a workspace for each name."""
    made = []
    for name in names:
        root = shutil.copytree(settings.root, folder / name)
        with (root / "workbench.toml").open("a") as toml:
            toml.write(f'\n[service]\nport = {free_port()}\nheartbeat_s = 1\n[metrics]\nurl = "{url}"\n')
        made.append(load_settings(root))
    return made


class Load:
    """One client a service that asks until it is told to stop."""

    def __init__(self, services: list[str]) -> None:
        self.answered: list[str] = []
        self.failed: list[object] = []
        # Of each answer the first row is owed an actual.
        self.owed: set[str] = set()
        # What each service said last that it answered with.
        self.versions: dict[str, str] = {}
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(one,)) for one in services]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait until so many more are answered."""
        goal = len(self.answered) + count
        until(lambda: len(self.answered) >= goal or self.failed)

    def _ask(self, service: str) -> None:
        with httpx2.Client(timeout=60) as client:
            while not self._ended.is_set():
                answer = client.post(f"{service}/predict", json={"instances": ROWS})
                if answer.status_code != 200:
                    self.failed.append((answer.status_code, answer.text))
                    return
                ids = answer.json()["prediction_ids"]
                self.answered += ids
                self.owed.add(ids[0])
                self.versions[service] = answer.json()["model_version"]
                self._ended.wait(0.01)
