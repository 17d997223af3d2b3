"""The same windows, judged by this project, by scipy's tests and by two other tools with their defaults."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from tests.benchmarks.run_peers import ks_bonferroni, peer_alarms, peer_pythons
from tests.benchmarks.streams import mixed, shifted
from tests.benchmarks.tables import Table, alarmed, interval, look, percent, reference_of

REFERENCE = 5_000
# Evidently takes seconds a window; the others see more.
WINDOWS = {"ours": 25, "scipy": 25, "nannyml": 25, "evidently": 10}
SIGNS = {
    "ours": "this project, a feature in alarm",
    "scipy": "scipy KS / chi-squared, Bonferroni, alpha 0.05",
    "nannyml": "NannyML, a column alerts",
    "evidently": "Evidently, a column drifted",
    "evidently_dataset": "Evidently, its dataset drift",
}
SHIFTED = "normal_1"
# name, rows, whether SHIFTED has moved
CELLS = {"100 rows": (100, False), "1,000 rows": (1_000, False), "mean 0.25 sd": (1_000, True)}


@dataclass
class Score:
    alarms: int = 0
    named: int = 0
    windows: int = 0


def tables(*, quick: bool, seed: int, home: Path = Path(".venv-peers")) -> Iterator[Table]:
    references = 1 if quick else 2
    tools = ["ours", "scipy"]
    python = peer_pythons(home).get("peers")
    if python:
        tools += ["nannyml", "evidently"]
    scores = {(sign, cell): Score() for sign in SIGNS for cell in CELLS}
    versions, missing = (
        {},
        [] if python else ["NannyML and Evidently: their environment cannot be made here, see above"],
    )
    bar = tqdm(total=references * len(tools), desc="beside peers")
    for draw in range(references):
        rng = np.random.default_rng([seed, draw, 4])
        reference = mixed(REFERENCE, rng)
        drawn = {
            cell: [_window(n, moved, rng) for _ in range(max(WINDOWS.values()))] for cell, (n, moved) in CELLS.items()
        }
        for tool in tools:
            count = 2 if quick and tool == "evidently" else WINDOWS[tool]
            windows = [window for cell in CELLS for window in drawn[cell][:count]]
            said = _ask(tool, reference, windows, python)
            bar.update()
            if "not_installed" in said:
                missing.append(f"{tool}: {said['not_installed']}")
                continue
            versions[tool] = said["version"]
            _add(scores, tool, said, count)
    bar.close()
    rows = []
    for sign, name in SIGNS.items():
        few, many, moved = (scores[sign, cell] for cell in CELLS)
        if not few.windows:
            continue
        rows.append(
            (
                name,
                percent(few.alarms, few.windows),
                interval(few.alarms, few.windows),
                percent(many.alarms, many.windows),
                "-" if sign == "evidently_dataset" else percent(moved.named, moved.windows),
                percent(moved.alarms, moved.windows),
                few.windows,
            )
        )
    known = ", ".join(f"{tool} {version}" for tool, version in versions.items() if tool not in ("ours", "scipy"))
    note = (
        f"20 mixed features, reference {REFERENCE:,}, everyone's defaults{f' ({known})' if known else ''}; of this "
        "project `drift.check` at 1 %. False alarms: no column has moved. Then one column, its mean by 0.25 sd. "
        + (f"Not here: {'; '.join(dict.fromkeys(missing))}." if missing else "")
    )
    head = (
        "who",
        "false alarms, 100 rows",
        "95 % interval",
        "false alarms, 1,000 rows",
        "shifted column named",
        "any alarm then",
        "windows a cell",
    )
    yield Table("Beside others", note.strip(), head, rows)


def _window(n: int, moved: bool, rng: np.random.Generator) -> pd.DataFrame:
    window = mixed(n, rng)
    return shifted(window, "mean", 0.25, rng, SHIFTED) if moved else window


def _ask(tool: str, reference: pd.DataFrame, windows: Sequence[pd.DataFrame], python: Path | None) -> dict:
    if tool == "scipy":
        return ks_bonferroni(reference, windows)
    if tool == "ours":
        profile = reference_of(reference)
        return {"version": "", "columns": [alarmed(look(window, profile)) for window in windows]}
    assert python is not None
    return peer_alarms(reference, windows, python, [tool])[tool]


def _add(scores: dict[tuple[str, str], Score], tool: str, said: dict, count: int) -> None:
    for place, cell in enumerate(CELLS):
        part = slice(place * count, (place + 1) * count)
        columns = said["columns"][part]
        score = scores[tool, cell]
        score.windows += count
        score.alarms += sum(map(bool, columns))
        score.named += sum(SHIFTED in names for names in columns)
        if tool == "evidently":
            dataset = scores["evidently_dataset", cell]
            dataset.windows += count
            dataset.alarms += sum(said["alarms"]["dataset_drift"][part])
