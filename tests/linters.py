"""Linters of other projects, which are right about their formats; a test without its linter says so and is skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BESIDE = str(Path(sys.executable).parent)


def linted_by(name: str, *words: str | Path, text: str = "") -> str:
    """What a linter says, of a text too where it reads one; fails unless it ends with 0."""
    tool = shutil.which(name, path=os.pathsep.join([BESIDE, os.environ.get("PATH", "")]))
    if tool is None:
        pytest.skip(f"no {name} found")
    done = subprocess.run([tool, *map(str, words)], input=text, capture_output=True, text=True, check=False)
    told = (done.stdout + done.stderr).strip()
    assert done.returncode == 0, told
    return told
