"""SIGKILL before every single write of a publish, a switch and a rollback: afterwards all is whole, old or new."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import make_workspace
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.version_store import VersionStore

ENSEMBLE = 'features = ["km", "stops", "to"]\nensemble = "tests.kill_points:ridge"\n'


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """`zero` and then `first` went live."""
    settings = make_workspace(tmp_path_factory.mktemp("kill") / "ws")
    path = settings.root / "workbench.toml"
    path.write_text(path.read_text().replace('features = ["km", "stops", "to"]\n', ENSEMBLE))
    settings = settings.model_copy(
        update={"model": settings.model.model_copy(update={"ensemble": "tests.kill_points:ridge"})}
    )
    versions, metrics = VersionStore(settings.versions_dir), MetricsStore.of(settings)
    for name in ("zero", "first"):
        ModelRetrainer(settings, versions, metrics).retrain(name, promote="always")
    metrics.close()
    return settings.root


def rounds(workspace, deed):
    command = [sys.executable, "-m", "tests.kill_points", str(workspace), deed]
    done = subprocess.run(
        command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_a_publish_killed_anywhere_leaves_the_old_or_the_new_version_live_and_whole(workspace):
    found = rounds(workspace, "publish")
    assert len(found) > 25
    assert not found[-1]["killed"]
    assert [r["live"] for r in found] == sorted(r["live"] for r in found)
    assert {r["live"] for r in found} == {"first", "second"}
    for r in found:
        assert r["ids"] in (["zero", "first"], ["zero", "first", "second"])
        assert r["left"] == []
        assert r["live"] in r["ids"]
    # The id is free again wherever it was not published.
    assert any("second" in r["swept"] for r in found)


@pytest.mark.slow
@pytest.mark.parametrize("deed", ["activate", "rollback"])
def test_a_switch_killed_anywhere_is_done_or_not_done(workspace, deed):
    found = rounds(workspace, deed)
    assert len(found) >= 4
    assert not found[-1]["killed"]
    assert [r["live"] for r in found] == sorted((r["live"] for r in found), key=["first", "zero"].index)
    assert {r["live"] for r in found} == {"first", "zero"}
