"""The arithmetic of a compiled ensemble: inputs -> encoded vector -> trees and coefficients -> outputs.

Written for numba, which turns it into machine code (on the first call of a machine; later processes read it from a
cache). Sums are taken in scikit-learn's order, so that answers agree to the last bits; forests and gradient boosting
compare in float32 as scikit-learn does, hist gradient boosting and linear members work in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

# A node: the threshold, or the value of a leaf; the feature it looks at, -1 for a leaf; the left one of its two
# children, which stand side by side, or the leaf's row among the leaves with several values.
NODE = np.dtype([("at", "f8"), ("feature", "i4"), ("next", "i4")])
# How a member adds up: one dot product an output; the mean of its trees; their sum upon a base.
LINEAR, FOREST, BOOSTED, HIST_BOOSTED = range(4)
# What becomes of the sum: nothing, the probability of the second of two classes, or of one of several.
AS_IT_IS, BINARY, SOFTMAX = range(3)
# The columns of the members' table: how it adds up, the link, its sums, its trees, and where its numbers begin.
HOW, LINK, SUMS, FIRST_TREE, END_TREE, NUMBERS = range(6)
TOO_LARGE = -1
# Rows that are walked through a tree together, while its top is in the cache.
BLOCK = 64


@njit
def _find(
    nodes: np.ndarray, roots: np.ndarray, by_root: int, seen: np.ndarray, by_row: int, walks: int, found: np.ndarray
) -> None:
    """The leaves that some walks come to: one row down several trees (by_root 1, by_row 0), or several down one (0, 1).

    Four of them go side by side: each waits for memory at every step, and they do not wait for each other.
    """
    b = 0
    while b + 4 <= walks:
        i, j, k, n = (
            np.int64(roots[b * by_root]),
            np.int64(roots[(b + 1) * by_root]),
            np.int64(roots[(b + 2) * by_root]),
            np.int64(roots[(b + 3) * by_root]),
        )
        p, q, r, s = b * by_row, (b + 1) * by_row, (b + 2) * by_row, (b + 3) * by_row
        while True:
            f, g, h, m = nodes[i].feature, nodes[j].feature, nodes[k].feature, nodes[n].feature
            # Only if all are negative, so is this.
            if f & g & h & m < 0:
                break
            if f >= 0:
                i = nodes[i].next + np.int64(not (seen[p, f] <= nodes[i].at))
            if g >= 0:
                j = nodes[j].next + np.int64(not (seen[q, g] <= nodes[j].at))
            if h >= 0:
                k = nodes[k].next + np.int64(not (seen[r, h] <= nodes[k].at))
            if m >= 0:
                n = nodes[n].next + np.int64(not (seen[s, m] <= nodes[n].at))
        found[b], found[b + 1], found[b + 2], found[b + 3] = i, j, k, n
        b += 4
    while b < walks:
        i = np.int64(roots[b * by_root])
        while nodes[i].feature >= 0:
            i = nodes[i].next + np.int64(not (seen[b * by_row, nodes[i].feature] <= nodes[i].at))
        found[b] = i
        b += 1


def _walk(
    numbers: np.ndarray,
    codes: np.ndarray,
    medians: np.ndarray,
    indicators: np.ndarray,
    means: np.ndarray,
    scales: np.ndarray,
    members: np.ndarray,
    weights: np.ndarray,
    roots: np.ndarray,
    nodes: np.ndarray,
    leaves: np.ndarray,
    width: int,
    out: np.ndarray,
) -> int:
    """Answer rows into `out`, shape (rows, outputs).

    Parameters
    ----------
    numbers : array of float, shape (rows, n_numbers)
        NaN is missing.
    codes : array of int, shape (rows, n_texts)
        The encoded column that a text sets to one; -1 for none.
    medians, indicators : what stands for a missing number; the numbers whose absence is told in a column of its own
    means, scales : of the numbers and the indicators
    members : array of int, shape (n_members, 6)
    weights : array of float
        Coefficients and intercepts of linear members, bases of boosted ones.
    roots, nodes, leaves : the trees
    width : of the encoded vector

    Returns
    -------
    int
        0, or TOO_LARGE where an encoded value is beyond what the members can take.
    """
    rows, outputs = out.shape
    n_numbers = numbers.shape[1]
    single = False
    linear = False
    for m in range(len(members)):
        single |= members[m, HOW] == FOREST or members[m, HOW] == BOOSTED
        linear |= members[m, HOW] == LINEAR
    block = max(1, min(rows, BLOCK))
    x = np.empty((block, width), np.float64)
    x32 = np.empty((block, width), np.float64)
    found = np.empty(max(block, len(roots)), np.int64)
    total = np.empty((block, max(outputs, 1)), np.float64)
    for start in range(0, rows, block):
        size = min(block, rows - start)
        # Encode: impute, tell what was missing, scale, one-hot.
        for b in range(size):
            for j in range(n_numbers):
                value = numbers[start + b, j]
                if math.isnan(value):
                    value = medians[j]
                x[b, j] = (value - means[j]) / scales[j]
            for i in range(len(indicators)):
                missing = 1.0 if math.isnan(numbers[start + b, indicators[i]]) else 0.0
                j = n_numbers + i
                x[b, j] = (missing - means[j]) / scales[j]
            for j in range(n_numbers + len(indicators), width):
                x[b, j] = 0.0
            for i in range(codes.shape[1]):
                if codes[start + b, i] >= 0:
                    x[b, codes[start + b, i]] = 1.0
            if single:
                for j in range(width):
                    x32[b, j] = np.float64(np.float32(x[b, j]))
                    if not math.isfinite(x32[b, j]):
                        return TOO_LARGE
            elif linear:
                for j in range(width):
                    if not math.isfinite(x[b, j]):
                        return TOO_LARGE
        for b in range(size):
            for k in range(outputs):
                out[start + b, k] = 0.0
        for m in range(len(members)):
            how, link, sums, at = members[m, HOW], members[m, LINK], members[m, SUMS], members[m, NUMBERS]
            first, end = members[m, FIRST_TREE], members[m, END_TREE]
            if how == LINEAR:
                for b in range(size):
                    for k in range(sums):
                        value = 0.0
                        for j in range(width):
                            value += x[b, j] * weights[at + k * width + j]
                        total[b, k] = value + weights[at + sums * width + k]
            else:
                for b in range(size):
                    for k in range(sums):
                        total[b, k] = 0.0 if how == FOREST else weights[at + k]
                seen = x if how == HIST_BOOSTED else x32
                if size == 1:
                    _find(nodes, roots[first:end], 1, seen, 0, end - first, found)
                for tree in range(first, end):
                    if size > 1:
                        _find(nodes, roots[tree:end], 0, seen, 1, size, found)
                    for b in range(size):
                        i = found[tree - first] if size == 1 else found[b]
                        if how != FOREST:
                            total[b, (tree - first) % sums] += nodes[i].at
                        elif sums == 1:
                            total[b, 0] += nodes[i].at
                        else:
                            for k in range(sums):
                                total[b, k] += leaves[nodes[i].next, k]
                if how == FOREST:
                    for b in range(size):
                        for k in range(sums):
                            total[b, k] /= end - first
            for b in range(size):
                if link == AS_IT_IS:
                    for k in range(outputs):
                        out[start + b, k] += total[b, k]
                elif link == BINARY:
                    chance = 1.0 / (1.0 + math.exp(-total[b, 0]))
                    out[start + b, 0] += 1.0 - chance
                    out[start + b, 1] += chance
                else:
                    largest = total[b, 0]
                    for k in range(1, sums):
                        largest = max(largest, total[b, k])
                    whole = 0.0
                    for k in range(sums):
                        total[b, k] = math.exp(total[b, k] - largest)
                        whole += total[b, k]
                    for k in range(sums):
                        out[start + b, k] += total[b, k] / whole
        for b in range(size):
            for k in range(outputs):
                out[start + b, k] /= len(members)
    return 0


def _machine_code(**options: Any) -> Callable[..., int]:
    try:
        return njit(cache=True, **options)(_walk)
    except RuntimeError:
        # No folder for the cache can be written to: compiled anew by each process, a few seconds at its start.
        return njit(**options)(_walk)


# For a few rows on an event loop: to let go of the interpreter would cost more than the walk, should others take it.
walk = _machine_code()
# For many rows in a thread.
walk_aside = _machine_code(nogil=True)
