"""Does a deed in a copy of a workspace again and again, each time killed with SIGKILL one write later than before.

    python -m tests.kill_points WORKSPACE publish|activate|rollback|prune|import

Forks after everything is imported; prints a JSON line a round: what was live afterwards, and what the next start found.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from itertools import count
from pathlib import Path

from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.kept import files
from workbench import housekeeping, switching
from workbench.errors import WorkbenchError
from workbench.importing import import_workspace
from workbench.maintainer import Maintainer
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings, load_settings
from workbench.version_store import VersionStore

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir")


def numbers(frame):
    return frame[["km", "stops"]]


def ridge():
    return make_pipeline(FunctionTransformer(numbers), Ridge())


def stores(settings: Settings) -> tuple[VersionStore, MetricsStore]:
    return VersionStore(settings.versions_dir), MetricsStore.of(settings)


def publish(settings: Settings) -> None:
    ModelRetrainer(settings, *stores(settings)).retrain("second", promote="always")


def activate(settings: Settings) -> None:
    switching.activate(*stores(settings), "zero", by="test", reason="kill")


def rollback(settings: Settings) -> None:
    switching.rollback(*stores(settings), by="test", reason="kill")


def prune(settings: Settings) -> None:
    housekeeping.prune(settings, *stores(settings), keep=0, yes=True)


def take_in(settings: Settings) -> None:
    import_workspace(settings.root / "ws.tar.gz", settings.root / "new")


DEEDS = {"publish": publish, "activate": activate, "rollback": rollback, "prune": prune, "import": take_in}


def die_at(number: int, folder: Path) -> None:
    """Arrange for death just before the `number`th change below the folder."""
    left = number

    def watch(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if event == "open" and not (isinstance(args[2], int) and args[2] & WRITES):
            return
        # What is below an open folder is named by that folder's number.
        inside = str(args[0]).startswith(str(folder)) or (event in CHANGES and args[-1] not in (-1, None))
        if (event == "open" or event in CHANGES) and inside:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def aftermath(settings: Settings) -> dict[str, object]:
    """What the next start finds; it raises where a hand would be needed."""
    versions, metrics = stores(settings)
    live = versions.live()
    assert live is not None
    versions.load(live.version_id)
    events = [e.kind for e in metrics.events()]
    with versions.retrain_lock().acquire(timeout=1):
        swept = versions.sweep()
        for name in versions.ids():
            versions.load(name)
        if "second" not in versions.ids():
            versions.claim("second")
            versions.release("second")
    # What a maintainer that starts now would do: nothing that needs a hand.
    monitor = ModelMonitor(metrics, settings)
    Maintainer(settings, monitor, versions, start=lambda decision: None, running=lambda: False).watch()
    switching.activate(versions, metrics, "first", by="test", reason="afterwards")
    log = versions.pointer.log()
    generations = [p.generation for p in log]
    assert generations == list(range(1, len(log) + 1)), generations
    left = [p.name for p in (versions.folder / "models").iterdir() if p.name not in versions.ids()]
    return {"live": live.version_id, "ids": versions.ids(), "events": events, "swept": swept, "left": left}


def after_a_prune(settings: Settings) -> dict[str, object]:
    """What a reader meets, and what the next prune makes of it."""
    versions, metrics = stores(settings)
    live = versions.live()
    assert live is not None
    ids = versions.ids()
    for name in ids:
        versions.load(name)
    housekeeping.prune(settings, versions, metrics, keep=0, yes=True)
    models, snapshots = ((versions.folder / name).iterdir() for name in ("models", "training_data"))
    pruned = [e.data for e in stores(settings)[1].events() if e.kind == "pruned"]
    told = [name for data in pruned for name in (*data["versions"], *map(os.path.basename, data["leftovers"]))]
    return {
        "live": live.version_id,
        "ids": ids,
        "afterwards": [versions.ids(), [path.name for path in models], len(list(snapshots))],
        "told": told,
    }


def after_an_import(settings: Settings) -> dict[str, object]:
    """Whether the workspace was there; else nothing was, to a reader, and it can be imported anew. Then it is whole."""
    new, there = settings.root / "new", (settings.root / "new" / "workbench.toml").exists()
    try:
        take_in(settings)
        refused = ""
    except WorkbenchError as error:
        refused = str(error)
    assert ("already holds workbench.toml" in refused) == there, refused
    assert files(new) == files(settings.root / "expected")
    return {"there": there}


AFTERMATHS = {"prune": after_a_prune, "import": after_an_import}


def main() -> None:
    root, deed = Path(sys.argv[1]), sys.argv[2]
    for number in count(1):
        with tempfile.TemporaryDirectory() as folder:
            settings = load_settings(shutil.copytree(root, Path(folder) / "ws"))
            child = os.fork()
            if child == 0:
                die_at(number, settings.root)
                DEEDS[deed](settings)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            killed = os.WIFSIGNALED(status)
            assert killed or os.waitstatus_to_exitcode(status) == 0
            print(
                json.dumps({"number": number, "killed": killed, **AFTERMATHS.get(deed, aftermath)(settings)}),
                flush=True,
            )
            if not killed:
                return


if __name__ == "__main__":
    main()
