"""Would a notebook go red? The package is broken in one place after another, and the notebook compared again.

    python -m tests.benchmarks.notebook_mutations [--only WORDS]

Each mutation is made in a copy of the checkout; the notebook that should see it must fail there, and pass as it is.
Exits with 1 if one is not seen.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.tables import Table

CHECKOUT = Path(__file__).resolve().parents[2]
COPIED = ("workbench", "service", "notebooks", "examples", "main.py", "pyproject.toml", "workbench.toml")
FLAGS = ("--nbval-current-env", "--nbval-cell-timeout=180", "--nbval-kernel-startup-timeout=120")


@dataclass(frozen=True)
class Mutation:
    """One text of one file replaced by another, and the notebook that should see it."""

    what: str
    notebook: str
    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        assert text.count(self.old) == 1, f"{self.file} does not hold {self.old!r} once; the mutation is out of date"
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


def unwired(what: str, notebook: str, file: str, line: str) -> Mutation:
    """A control that nobody listens to any more."""
    return Mutation(f"{what} is not wired", notebook, f"workbench/panels/{file}", line, "pass")


MUTATIONS = (
    unwired("the picker of a month", "1_explore", "explore.py", 'choice.observe(self._show, "value")'),
    unwired("what performance is looked at", "1_explore", "performance.py", 'choice.observe(self._chosen, "value")'),
    unwired("the span of time", "1_explore", "health.py", 'self.span.observe(self._chosen, "value")'),
    Mutation(
        "statistic: a recovered share is 5 % too large",
        "5_backtest",
        "workbench/recovery.py",
        "share = Left(gained / able,",
        "share = Left(1.05 * gained / able,",
    ),
    unwired("the button Run", "5_backtest", "backtest.py", "self.start.on_click(lambda _: self._start())"),
    unwired("the button As set", "5_backtest", "backtest.py", "self.reset.on_click(lambda _: self.policy.put_back())"),
    Mutation(
        "statistic: the shift of a mean is 5 % too large",
        "2_drift",
        "workbench/channels.py",
        "value = (col.mean - (col.profile.mean or 0.0)) / (col.profile.std or 1.0)",
        "value = 1.05 * (col.mean - (col.profile.mean or 0.0)) / (col.profile.std or 1.0)",
    ),
    Mutation(
        "threshold: the smallest shift of a mean that counts is ten times as large",
        "2_drift",
        "workbench/sections.py",
        "min_mean_shift: float = Field(0.1,",
        "min_mean_shift: float = Field(1.0,",
    ),
    unwired(
        "the picker of an input", "2_drift", "drift_feature.py", 'self.choice.observe(lambda _: self._draw(), "value")'
    ),
    unwired(
        "the slider of the window",
        "2_drift",
        "drift_sliders.py",
        'self.window.observe(lambda _: self._measure(), "value")',
    ),
    unwired(
        "the sliders of thresholds", "2_drift", "drift_sliders.py", 'slider.observe(lambda _: self._draw(), "value")'
    ),
    unwired(
        "the button of the fire drill", "2_drift", "drift_drill.py", "self.start.on_click(lambda _: self._start())"
    ),
    Mutation(
        "statistic: the gate's advantage is 5 % too large",
        "3_retrain",
        "workbench/gate.py",
        "value = float(advantage(np.arange(n)))",
        "value = 1.05 * float(advantage(np.arange(n)))",
    ),
    Mutation(
        "threshold: the gate lets pass whoever is not sure to be worse",
        "3_retrain",
        "workbench/gate.py",
        "if low > margin:",
        "if high > margin:",
    ),
    unwired("the button Retrain", "3_retrain", "retrain.py", "self.start.on_click(lambda _: self._ask())"),
    unwired("the button Confirm", "3_retrain", "deed.py", "self.confirm.on_click(lambda _: self._confirmed())"),
    unwired("the button Cancel", "3_retrain", "deed.py", "self.cancel.on_click(lambda _: self._cancelled())"),
    unwired("the button Promote", "3_retrain", "challenger.py", "self.promote.on_click(lambda _: self._ask())"),
    unwired("the button Pin", "3_retrain", "hold.py", "self.pin.on_click(lambda _: self._ask_pin())"),
    Mutation(
        "statistic: a paired difference has the wrong sign",
        "4_versions",
        "workbench/paired.py",
        "moved = _difference(was[name], is_[name])",
        "moved = _difference(is_[name], was[name])",
    ),
    Mutation(
        "the order of versions is not wired",
        "4_versions",
        "workbench/panels/versions.py",
        "    def _sorted(self) -> None:\n",
        "    def _sorted(self) -> None:\n        return\n",
    ),
    unwired("the button Switch", "4_versions", "switch.py", "self.apply.on_click(lambda _: self._ask_switch())"),
    unwired("the button Roll back", "4_versions", "switch.py", "self.back.on_click(lambda _: self._ask_back())"),
)


def passes(notebook: str, mutation: Mutation | None = None) -> bool:
    """Whether a notebook says what it said, in a copy that is broken like this."""
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        root = Path(folder)
        for name in COPIED:
            source = CHECKOUT / name
            leave = shutil.ignore_patterns("__pycache__", "versions", "metrics")
            (
                shutil.copytree(source, root / name, ignore=leave)
                if source.is_dir()
                else shutil.copy(source, root / name)
            )
        if mutation is not None:
            mutation.apply(root)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--nbval", *FLAGS]
        command += ["--nbval-sanitize-with=notebooks/sanitize.cfg", f"notebooks/{notebook}.ipynb"]
        environment = {**os.environ, "PYTHONPATH": str(root), "TQDM_DISABLE": "1"}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 0


def tried(mutations: Iterable[Mutation]) -> list[tuple[str, str, str]]:
    """A line for each notebook as it is, and one for each mutation."""
    chosen = list(mutations)
    rows = []
    for notebook in dict.fromkeys(m.notebook for m in chosen):
        rows.append((notebook, "as it is", "passes" if passes(notebook) else "FAILS"))
        for mutation in (m for m in chosen if m.notebook == notebook):
            rows.append((notebook, mutation.what, "NOT SEEN" if passes(notebook, mutation) else "red"))
            print(*rows[-1], sep=": ", file=sys.stderr)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mutations whose notebook and description hold these words")
    words = parser.parse_args().only
    rows = tried(m for m in MUTATIONS if words in f"{m.notebook}: {m.what}")
    note = "Each is made alone; the notebook is run and compared with what it was saved with."
    print(Table("Notebooks: mutations", note, ("notebook", "mutation", "verdict"), rows))
    return int(any(verdict in ("FAILS", "NOT SEEN") for *_, verdict in rows))


if __name__ == "__main__":
    raise SystemExit(main())
