"""A fitted ensemble in the form the service answers from: dict -> encoded vector -> trees and coefficients.

compiling.py makes one of what scikit-learn fitted, and parity.py tells whether it may be used. It lies beside the
version's pickle as one JSON file and two arrays, of which workers share one copy in memory (shelf.py); reading it needs
no scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from workbench.answers import Answers
from workbench.records import Label, Schema, Task
from workbench.shelf import of_bytes
from workbench.walking import (
    END_TREE,
    FIRST_TREE,
    FOREST,
    HOW,
    LINEAR,
    NODE,
    NUMBERS,
    SUMS,
    TOO_LARGE,
    walk,
    walk_aside,
)

FORMAT = 1
FORM, NODES, LEAVES = "compiled.json", "compiled_nodes.npy", "compiled_leaves.npy"
FILES = (FORM, NODES, LEAVES)
REFUSED = "the inputs contain a value too large for the model's members, once it is scaled"


class TextCode(msgspec.Struct, frozen=True):
    """The encoded column that a text sets to one, by text; -1 for none."""

    name: str
    columns: dict[str, int]
    missing: int
    unseen: int


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """All of a compiled ensemble but its trees; the tables are those that `walking.walk` takes."""

    format: int = FORMAT
    task: Task
    numbers: tuple[str, ...]
    texts: tuple[TextCode, ...]
    medians: list[float]
    indicators: list[int]
    means: list[float]
    scales: list[float]
    width: int
    members: list[list[int]]
    weights: list[float]
    roots: list[int]
    classes: tuple[Label, ...] = ()
    names: tuple[str, ...] = ()


class Compiled:
    """Answers rows that the schema allows; holds nothing but arrays, so that several threads may ask at once.

    Parameters
    ----------
    form : Form
    nodes : array of `walking.NODE`, shape (nodes,)
    leaves : array of float, shape (leaves, outputs)
        Of forests that have several outputs.
    """

    def __init__(self, form: Form, nodes: np.ndarray, leaves: np.ndarray) -> None:
        self.form = form
        self.nodes = _fixed(nodes)
        # What the walk takes after the rows, in its order.
        self._tables = (
            _fixed(np.array(form.medians, dtype=float)),
            _fixed(np.array(form.indicators, dtype=np.int64)),
            _fixed(np.array(form.means, dtype=float)),
            _fixed(np.array(form.scales, dtype=float)),
            _fixed(np.array(form.members, dtype=np.int64)),
            _fixed(np.array(form.weights, dtype=float)),
            _fixed(np.array(form.roots, dtype=np.int32)),
            self.nodes,
            _fixed(leaves),
            form.width,
        )
        self._outputs = len(form.classes) or 1
        self._numbers = _taker(form.numbers)

    def answer(self, rows: Sequence[Mapping[str, Any]], *, aside: bool = False) -> Answers:
        """What the ensemble says to rows, as `ensemble.answer` tells it.

        Parameters
        ----------
        aside : bool
            Whether a thread asks, which lets others work meanwhile.

        Raises
        ------
        ValueError
            If a value is beyond what the members can take, as scikit-learn's members raise it.
        FloatingPointError
            If the answer to a row is not finite.
        """
        table = self.outputs(rows, aside=aside)
        if not self.form.classes:
            values: list[Label] = table[:, 0].tolist()
            for value in values:
                if not math.isfinite(float(value)):
                    raise FloatingPointError(f"the model answered {value} to a row")
            return Answers(values)
        classes, names = self.form.classes, self.form.names
        likeliest: list[Label] = [classes[i] for i in table.argmax(axis=1).tolist()]
        return Answers(likeliest, [dict(zip(names, row, strict=True)) for row in table.tolist()], list(classes))

    def outputs(self, rows: Sequence[Mapping[str, Any]], *, aside: bool = False) -> np.ndarray:
        """The same as values, or probabilities of the classes; array of float, shape (rows, outputs)."""
        numbers = np.array(list(map(self._numbers, rows)), dtype=float)
        if not numbers.size:
            numbers = numbers.reshape(len(rows), len(self.form.numbers))
        codes = np.empty((len(rows), len(self.form.texts)), np.int32)
        for i, text in enumerate(self.form.texts):
            columns, name, unseen, missing = text.columns, text.name, text.unseen, text.missing
            codes[:, i] = [
                missing if value is None else columns.get(value, unseen) for value in (row[name] for row in rows)
            ]
        out = np.empty((len(rows), self._outputs))
        if (walk_aside if aside else walk)(numbers, codes, *self._tables, out) == TOO_LARGE:
            raise ValueError(REFUSED)
        return out

    def save(self, folder: Path) -> None:
        """Write `FILES` into a folder."""
        (folder / FORM).write_bytes(msgspec.json.encode(self.form))
        np.save(folder / NODES, self.nodes)
        np.save(folder / LEAVES, self._tables[-2])


def read(content: Callable[[str], bytes], array: Callable[[bytes], np.ndarray] = of_bytes) -> Compiled:
    """What `save` wrote.

    Parameters
    ----------
    content : callable
        What a file of this name holds.
    array : callable
        Makes an array of what a .npy file holds.

    Raises
    ------
    ValueError
        If it is of a form that this release does not read, or if its tables do not belong together: machine code
        would read beyond them.
    """
    form = msgspec.json.decode(content(FORM), type=Form)
    if form.format != FORMAT:
        raise ValueError(f"{FORM} is of format {form.format}; this release reads {FORMAT}")
    nodes = array(content(NODES))
    if nodes.dtype != NODE:
        raise ValueError(f"{NODES} has nodes of another form")
    leaves = array(content(LEAVES))
    _check(form, nodes, leaves)
    return Compiled(form, nodes, leaves)


def _check(form: Form, nodes: np.ndarray, leaves: np.ndarray) -> None:
    members, outputs = np.array(form.members).reshape(-1, 6), len(form.classes) or 1
    encoded = len(form.numbers) + len(form.indicators)
    columns = [c for text in form.texts for c in (*text.columns.values(), text.missing, text.unseen)]
    leaf = nodes["feature"] < 0
    trees, several = members[members[:, HOW] != LINEAR], outputs > 1
    linear = members[members[:, HOW] == LINEAR]
    told = {
        "numbers": len(form.medians) == len(form.numbers) and len(form.means) == len(form.scales) == encoded,
        "indicators": all(0 <= i < len(form.numbers) for i in form.indicators),
        "columns": encoded <= form.width and all(c == -1 or encoded <= c < form.width for c in columns),
        "members": bool(len(members)) and set(members[:, SUMS].tolist()) <= {1, outputs},
        "trees": all(0 <= first <= end <= len(form.roots) for first, end in trees[:, [FIRST_TREE, END_TREE]]),
        "weights": all(at + sums * (form.width + 1) <= len(form.weights) for sums, at in linear[:, [SUMS, NUMBERS]])
        and all(at + sums <= len(form.weights) or how == FOREST for how, sums, at in trees[:, [HOW, SUMS, NUMBERS]]),
        "roots": all(0 <= root < len(nodes) for root in form.roots),
        "features": bool((nodes["feature"] < form.width).all()),
        "children": bool(((nodes["next"] > np.arange(len(nodes))) & (nodes["next"] + 1 < len(nodes)))[~leaf].all()),
        "leaves": leaves.ndim == 2 and bool((nodes["next"][leaf & several] < max(1, len(leaves))).all()),
    }
    wrong = [name for name, right in told.items() if not right]
    if wrong:
        raise ValueError(f"{FORM} and its arrays do not belong together: {', '.join(wrong)}")


def _fixed(array: np.ndarray) -> np.ndarray:
    """As numba is to see all of them: plain and read-only, whether they come from memory or from a file."""
    plain = np.asarray(array).view()
    plain.setflags(write=False)
    return plain


def _taker(names: Sequence[str]) -> Any:
    """The values of a row that have these names, as a tuple; numpy takes None for a missing number."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple(row[name] for name in names)


def numbers_of(schema: Schema) -> tuple[str, ...]:
    """The features that are encoded as numbers."""
    return tuple(f.name for f in schema.features if f.kind != "categorical")


def texts_of(schema: Schema) -> tuple[str, ...]:
    """The features that are encoded as one-hot columns."""
    return tuple(f.name for f in schema.features if f.kind == "categorical")
