"""Whether a compiled ensemble says what scikit-learn says, and from how many rows on scikit-learn is the faster one.

Both are asked the whole training snapshot and a thousand hostile rows: missing values, unseen texts, extremes, and
numbers that lie beside the trees' thresholds, where one bit decides which way a row goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from workbench.compilation import Compilation
from workbench.compiled import Compiled
from workbench.compiling import Uncompilable, compile_ensemble
from workbench.ensemble import answer, ask
from workbench.features import to_frame, to_rows
from workbench.golden import ATOL, RTOL
from workbench.records import LARGEST, Schema, Value

Row = dict[str, Value]
HOSTILE = 1_000
# Asked in one go: what the encoded rows of a few thousand take is small beside a model.
CHUNK = 5_000
SIZES = (100, 1_000, 10_000)
TIMES = 2
# So much faster it must be: to keep what scikit-learn fitted in memory costs, too.
CLEARLY = 1.25
EXTREMES = (LARGEST, -LARGEST, 1e15, -1e15, 1e-30, 5e-324, 0.0, -0.0, 1.0, float(2**53 + 1))
STRANGE = ("", " ", "never seen", "\u00e9\u4e16\U0001f680", "a" * 1_000, "0", "nan", "None")


def compiled_and_proven(
    estimator: Any, schema: Schema, snapshot: pd.DataFrame, seed: int
) -> tuple[Compiled | None, Compilation]:
    """Compile an ensemble and prove it.

    Parameters
    ----------
    estimator : fitted
    snapshot : DataFrame
        Features of all rows of the training snapshot.
    seed : int
        Of the hostile rows.

    Returns
    -------
    Compiled or None
        None where it cannot be compiled, or gives other answers.
    Compilation
        What came of it.
    """
    try:
        compiled = compile_ensemble(estimator, schema)
        hostile = hostile_rows(compiled, schema, snapshot, np.random.default_rng(seed))
        for start in range(0, len(snapshot), CHUNK):
            part = to_rows(snapshot.iloc[start : start + CHUNK])
            _same(compiled, estimator, schema, part)
        _same(compiled, estimator, schema, hostile)
    except Uncompilable as error:
        return None, Compilation(why_not=str(error))
    rows = to_rows(snapshot.head(CHUNK))
    return compiled, Compilation(
        rows=len(snapshot),
        hostile=len(hostile),
        row_us=_median_us(compiled.answer, rows[:100]),
        sklearn_row_us=_median_us(partial(answer, estimator, schema), rows[:20]),
        crossover_rows=crossover(compiled, estimator, schema, rows),
    )


def hostile_rows(compiled: Compiled, schema: Schema, frame: pd.DataFrame, rng: np.random.Generator) -> list[Row]:
    """A thousand rows that the schema allows and that are hard to answer equally.

    Parameters
    ----------
    frame : DataFrame
        Rows to begin with.
    """
    base = to_rows(frame.iloc[rng.integers(len(frame), size=HOSTILE)])
    numbers = [f.name for f in schema.features if f.kind == "numeric"]
    texts = {f.name: f.categories for f in schema.features if f.kind == "categorical"}
    beside = [(name, v) for name, v in _beside_thresholds(compiled, rng) if name in numbers and abs(v) <= LARGEST]
    for i, row in enumerate(base):
        if i % 4 == 0:
            row |= {name: None for name in row if rng.random() < 0.4}
        if i % 4 == 1:
            row |= {name: _strange(known, rng) for name, known in texts.items() if rng.random() < 0.6}
        if i % 20 == 2:
            row |= {name: EXTREMES[rng.integers(len(EXTREMES))] for name in numbers if rng.random() < 0.5}
        elif i % 4 >= 2 and beside:
            row |= dict(beside[k] for k in rng.integers(len(beside), size=3))
    return base


def _strange(known: Sequence[str], rng: np.random.Generator) -> str:
    # Also texts that training saw, the rare ones among them.
    among = (*STRANGE, *known)
    return among[rng.integers(len(among))]


def _beside_thresholds(compiled: Compiled, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Numbers that are encoded as a threshold, or as one of its neighbours in float32 or float64."""
    form, nodes = compiled.form, compiled.nodes
    inner = np.flatnonzero((nodes["feature"] >= 0) & (nodes["feature"] < len(form.numbers)))
    for i in rng.choice(inner, size=min(len(inner), 2 * HOSTILE), replace=False):
        j = int(nodes["feature"][i])
        at, single = float(nodes["at"][i]), np.float32(nodes["at"][i])
        near = (at, single, np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf)))
        encoded = float(near[rng.integers(len(near))])
        value = encoded * form.scales[j] + form.means[j]
        yield (
            form.numbers[j],
            float((value, np.nextafter(value, np.inf), np.nextafter(value, -np.inf))[rng.integers(3)]),
        )


def _same(compiled: Compiled, estimator: Any, schema: Schema, rows: Sequence[Row]) -> None:
    """Raise Uncompilable unless both say the same to rows, or both refuse them.

    Where one refuses some row of many, they are asked row by row.
    """
    ours = _said(lambda: compiled.outputs(rows, aside=True))
    theirs = _said(lambda: ask(estimator, schema, to_frame(rows, schema)))
    if ours is None or theirs is None:
        if len(rows) > 1:
            for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                _same(compiled, estimator, schema, half)
        elif ours is not theirs:
            raise Uncompilable("of its compiled form and scikit-learn one refuses a row that the other one answers")
        return
    wrong = ~np.isclose(ours, theirs, rtol=RTOL, atol=ATOL, equal_nan=True).all(axis=1)
    if schema.task == "classification":
        wrong |= ours.argmax(axis=1) != theirs.argmax(axis=1)
    if wrong.any():
        i = int(wrong.argmax())
        raise Uncompilable(
            f"its compiled form gives other answers to {wrong.sum()} of {len(rows)} rows: "
            f"{ours[i].tolist()} instead of {theirs[i].tolist()}"
        )


def _said(asked: Callable[[], np.ndarray]) -> np.ndarray | None:
    """An answer; None where the rows are refused."""
    try:
        # Extremes go beyond float32: what matters is whether they are refused.
        with np.errstate(over="ignore"):
            return asked()
    except ValueError:
        return None


def crossover(compiled: Compiled, estimator: Any, schema: Schema, rows: Sequence[Row]) -> int | None:
    """From how many rows on scikit-learn answers clearly faster, of 100, 1,000 and 10,000; None if it never does."""
    found = None
    for size in reversed(SIZES):
        asked = [rows[i % len(rows)] for i in range(size)]
        ours, theirs = (
            min(_timed(way, asked) for _ in range(TIMES))
            for way in (partial(compiled.answer, aside=True), partial(answer, estimator, schema))
        )
        if theirs * CLEARLY >= ours:
            break
        found = size
    return found


def _median_us(way: Callable[[Sequence[Row]], Any], rows: Sequence[Row]) -> float:
    return float(np.median([_timed(way, [row]) for row in rows])) * 1e6


def _timed(way: Callable[[Sequence[Row]], Any], rows: Sequence[Row]) -> float:
    begun = time.perf_counter()
    way(rows)
    return time.perf_counter() - begun
