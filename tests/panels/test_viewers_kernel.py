"""What a viewer of the dashboard costs: a kernel of its own, small, and without the libraries that train."""

import json
import pkgutil
import subprocess
import sys

import psutil
import pytest

from workbench import panels

MAX_MB = 150
# What drift is measured with (scipy.special) is small.
HEAVY = ("sklearn", "pandas", "scipy.stats", "joblib", "pyarrow")
LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def test_no_panel_imports_what_only_training_needs():
    rooms = ", ".join(f"workbench.panels.{room.name}" for room in pkgutil.iter_modules(panels.__path__))
    done = subprocess.run([sys.executable, "-c", f"import {rooms}; {LOADED}"], capture_output=True, check=True)
    assert [name for name in HEAVY if name in json.loads(done.stdout)] == []


@pytest.mark.slow
def test_a_viewers_kernel_is_small_and_knows_nothing_of_training(kernel):
    for _ in range(3):
        kernel.run("shown.pulse.tick += 1")
    assert kernel.run("print('60 predictions' in shown.headline.body.value)").strip() == "True"
    kernel.run("shown.drift.sliders.effect.value = 1.5; shown.drift.sliders.window.index = 0")
    loaded = json.loads(kernel.run(LOADED))
    assert [name for name in HEAVY if name in loaded] == []
    used = psutil.Process(kernel.pid).memory_info().rss / 1e6
    assert used < MAX_MB, used
