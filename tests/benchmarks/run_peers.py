"""The same windows, judged by others: scipy's tests here, whole tools in an environment of their own.

The tools' pins do not go together with ours, so they never share a process with the project.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy import stats

HERE = Path(__file__).parent
PINS = HERE / "peers.txt"


def ks_bonferroni(reference: pd.DataFrame, windows: Sequence[pd.DataFrame], alpha: float = 0.05) -> dict[str, object]:
    """A test a column, scipy's two-sample KS or chi-squared, at `alpha` shared equally among the columns.

    Missing values are left out, as scipy cannot take them: a change of their share goes unseen. A column without
    values, or with one category in all, cannot alarm.

    Parameters
    ----------
    reference : DataFrame, shape (n_rows, n_columns)
        Columns of numbers are tested by `ks_2samp`, all others by `chi2_contingency` on the counts.
    windows : DataFrames with the reference's columns

    Returns
    -------
    dict
        As of a tool in `peer_alarms`: "seconds", "columns" (names that alarmed, a list a window) and "alarms", here
        with the one key "any_column".
    """
    start = time.perf_counter()
    level = alpha / len(reference.columns)
    columns = [[c for c in reference if _p_value(reference[c], window[c]) < level] for window in windows]
    return {
        "version": "scipy",
        "seconds": time.perf_counter() - start,
        "columns": columns,
        "alarms": {"any_column": [bool(names) for names in columns]},
    }


def _p_value(reference: pd.Series, window: pd.Series) -> float:
    before, now = reference.dropna(), window.dropna()
    if before.empty or now.empty:
        return 1.0
    if is_numeric_dtype(reference):
        return float(stats.ks_2samp(before, now).pvalue)
    counts = pd.concat([before.value_counts(), now.value_counts()], axis=1).fillna(0)
    return float(stats.chi2_contingency(counts.to_numpy()).pvalue) if len(counts) > 1 else 1.0


def peer_alarms(
    reference: pd.DataFrame,
    windows: Sequence[pd.DataFrame],
    python: Path | str,
    tools: Sequence[str] = ("evidently", "nannyml"),
    timeout_s: float = 1800.0,
) -> dict[str, dict]:
    """What each of these tools says of each window, or why `python` cannot import it; see peers.py for the form.

    Parameters
    ----------
    python : path
        An interpreter that has the tools, such as `peer_pythons` gives.
    tools : names
        Evidently takes seconds a window, NannyML a twentieth of a second, and both some ten seconds to start.
    timeout_s : float
        For all windows and tools together.

    Raises
    ------
    RuntimeError
        If a tool failed, with the end of what it wrote.
    subprocess.TimeoutExpired
        If the tools took longer than `timeout_s`; the process is gone by then.
    """
    with tempfile.TemporaryDirectory() as folder:
        reference.to_parquet(Path(folder) / "reference.parquet")
        for i, window in enumerate(windows):
            window.to_parquet(Path(folder) / f"window_{i:03d}.parquet")
        command = [str(python), "-I", str(HERE / "peers.py"), folder, *tools]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def peer_pythons(folder: Path) -> dict[str, Path]:
    """The interpreter of the environment with the pinned tools, made under `folder` unless it is there already.

    Returns
    -------
    dict
        {"peers": interpreter}; empty, with a line printed that says why, if the environment cannot be made here
        (offline, or a Python that the tools do not support: they want 3.11 or 3.12).
    """
    python = make_environment(folder.resolve() / "peers", PINS.read_text(), ["--no-deps", "-r", str(PINS)])
    return {"peers": python} if python else {}


def make_environment(home: Path, asked: str, arguments: Sequence[str]) -> Path | None:
    """The interpreter of an environment of its own, made unless it is there already.

    Parameters
    ----------
    home : path
        Its folder, which is made anew where it holds anything else.
    asked : text
        What is asked for, kept beside it; another text is another environment.
    arguments : words
        Of `pip install`.

    Returns
    -------
    path or None
        None, with a line printed that says why, if it cannot be made here.
    """
    python, stamp = home / "bin" / "python", home / "asked.txt"
    if stamp.exists() and stamp.read_text() == asked:
        return python
    # As in the Makefile: uv if it is there (seconds), else pip (minutes).
    uv = shutil.which("uv")
    install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    install += ["--quiet", *arguments]
    for command in ([sys.executable, "-m", "venv", "--clear", str(home)], install):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            why = " ".join((done.stderr or done.stdout).split())
            print(f"no {home.name} to compare with: {' '.join(command)} ended with {done.returncode}: {why[-400:]}")
            shutil.rmtree(home, ignore_errors=True)
            return None
    # Kept out of git, and of linters that heed what git ignores.
    (home / ".gitignore").write_text("*\n")
    stamp.write_text(asked)
    return python
