"""Golden predictions: some inputs and what a version answered them at publish, asked again before it goes live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from workbench.answers import Answers
from workbench.errors import CorruptVersion
from workbench.records import Label, Task, Value

RTOL, ATOL = 1e-9, 1e-12


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """About twenty rows with their answers."""

    rows: list[dict[str, Value]]
    predictions: list[Label]
    probabilities: list[dict[str, float]] | None = None


def prove(version_id: str, ask: Callable[[list[dict[str, Value]]], Answers], task: Task, golden: Golden) -> None:
    """Raise CorruptVersion unless a version answers as it did: numbers to rtol 1e-9, atol 1e-12, equal classes."""
    try:
        said = ask(golden.rows)
    except Exception as error:
        raise CorruptVersion(f"{version_id}: fails on its golden inputs: {error!r}") from error
    if task == "regression":
        same = _close(said.predictions, golden.predictions)
    else:
        same = said.predictions == golden.predictions and _close(
            _chances(said.probabilities), _chances(golden.probabilities)
        )
    if not same:
        raise CorruptVersion(
            f"{version_id}: answers its golden inputs otherwise than when it was published "
            f"(other library versions? see `python main.py show {version_id}`)"
        )


def _close(said: Any, told: Any) -> bool:
    return len(said) == len(told) and bool(np.allclose(said, told, rtol=RTOL, atol=ATOL))


def _chances(probabilities: list[dict[str, float]] | None) -> list[list[float]]:
    return [[row[name] for name in sorted(row)] for row in probabilities or []]
