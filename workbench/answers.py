"""What a version says to some rows, and how a class is written."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from workbench.records import Label


class Answers(msgspec.Struct, frozen=True):
    """What a version says to some rows; `probabilities` (a mapping a row) and `classes` for classification."""

    predictions: list[Label]
    probabilities: list[dict[str, float]] | None = None
    classes: list[Label] | None = None


def plain(label: Any) -> Label:
    """A class as JSON has it: a whole float is an integer there.

    >>> plain(np.float64(1.0)), plain(np.str_("late"))
    (1, 'late')
    """
    value = label.item() if isinstance(label, np.generic) else label
    return int(value) if isinstance(value, float) and value.is_integer() else value
