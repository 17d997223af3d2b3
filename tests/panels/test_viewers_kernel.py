"""What a viewer of the dashboard costs: a kernel of its own, small, and without the libraries that train."""

import json
import os
import pkgutil
import subprocess
import sys

import psutil
import pytest
from jupyter_client.manager import KernelManager

from workbench import panels
from workbench.cli.pages import CELLS

MAX_MB = 150
# What drift is measured with (scipy.special) is small.
HEAVY = ("sklearn", "pandas", "scipy.stats", "joblib", "pyarrow")
LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"


@pytest.fixture
def kernel(traffic):
    """A kernel as Voila and JupyterLab start it, over a workspace with some traffic."""
    traffic.send(60)
    manager = KernelManager()
    # This interpreter, whatever kernels are installed on the machine.
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(env={**os.environ, "WORKBENCH_ROOT": str(traffic.settings.root)})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(60)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def run(client, code):
    """What a cell printed; fails if it failed."""
    printed = []

    def keep(message):
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    reply = client.execute_interactive(code, output_hook=keep, timeout=60)
    assert reply["content"]["status"] == "ok", reply["content"]
    return "".join(printed)


def test_no_panel_imports_what_only_training_needs():
    rooms = ", ".join(f"workbench.panels.{room.name}" for room in pkgutil.iter_modules(panels.__path__))
    done = subprocess.run([sys.executable, "-c", f"import {rooms}; {LOADED}"], capture_output=True, check=True)
    assert [name for name in HEAVY if name in json.loads(done.stdout)] == []


@pytest.mark.slow
def test_a_viewers_kernel_is_small_and_knows_nothing_of_training(kernel):
    manager, client = kernel
    run(client, "\n".join(CELLS[:-1]) + f"\nshown = {CELLS[-1]}")
    for _ in range(3):
        run(client, "shown.pulse.tick += 1")
    assert run(client, "print('60' in shown.headline.body.value)").strip() == "True"
    loaded = json.loads(run(client, LOADED))
    assert [name for name in HEAVY if name in loaded] == []
    used = psutil.Process(manager.provisioner.pid).memory_info().rss / 1e6
    assert used < MAX_MB, used
