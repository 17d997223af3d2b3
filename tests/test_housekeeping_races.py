"""A prune that is killed, or that meets a switch, leaves nothing to trip over."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import until
from tests.kept import many
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.workspace import Workbench


def test_after_a_prune_training_goes_on(trained):
    store = many(trained, 2)
    Workbench(trained).prune(keep=0, yes=True)
    ModelRetrainer(trained, store, MetricsStore.of(trained)).retrain("next", promote="always")
    assert store.ids() == ["first", "next"]


@pytest.mark.slow
def test_a_prune_killed_anywhere_leaves_nothing_to_trip_over_and_the_next_one_finishes(trained):
    many(trained, 2)
    command = [sys.executable, "-m", "tests.kill_points", str(trained.root), "prune"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 20
    assert not found[-1]["killed"]
    assert {tuple(r["ids"]) for r in found} == {("first", "v01", "v02"), ("first", "v02"), ("first",)}
    for r in found:
        assert r["live"] == "first"
        assert r["afterwards"] == [["first"], ["first"], 1]
    # Whenever the files of one were gone, an event named it.
    assert all({"v01", "v02"} <= set(r["told"]) for r in found)


def test_a_switch_and_a_prune_race_for_the_same_version_and_it_is_live_and_whole_or_gone(trained):
    store = many(trained, 1)
    code = (
        "import sys\n"
        "from workbench.version_store import VersionStore\n"
        "from workbench.errors import UnknownVersion, CorruptVersion\n"
        "store = VersionStore(sys.argv[1]); print('ready', flush=True); sys.stdin.readline()\n"
        "try: store.activate('v01', by='other', reason='race')\n"
        "except (UnknownVersion, CorruptVersion) as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(store.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        Workbench(trained).prune(keep=0, yes=True)
        other.stdin.close()
        until(lambda: other.poll() is not None)
        assert other.returncode == 0
    assert store.load(store.live_id()).id == store.live_id()
    assert store.ids() == (["first", "v01"] if store.live_id() == "v01" else ["first"])
