"""The notebooks' kernels start in this folder; the workspace is the folder above, unless another is named."""

import os
from pathlib import Path

os.environ.setdefault("WORKBENCH_ROOT", str(Path(__file__).resolve().parents[1]))
