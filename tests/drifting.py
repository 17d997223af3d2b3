"""Windows and references to judge, small enough to check by hand."""

import msgspec
import numpy as np
import pandas as pd

from workbench.drift import check
from workbench.evaluation import DriftResult, FeatureProfile
from workbench.profiles import categorical, numeric
from workbench.sections import DriftSettings

RATE = 0.01


def reference(frame, in_order: bool = False) -> list[FeatureProfile]:
    frame = pd.DataFrame(frame)
    return [
        categorical(name, frame[name], in_order)
        if frame[name].dtype == object
        else numeric(name, "boolean" if frame[name].dtype == bool else "numeric", frame[name].to_numpy(float), in_order)
        for name in frame
    ]


def look(window, profiles, *, rate: float = RATE, limits: DriftSettings | None = None, **how) -> DriftResult:
    """A check whose every figure is finite, and which survives the way through JSON."""
    limits = limits or DriftSettings()
    result = check(pd.DataFrame(window), profiles, limits=limits, false_alarm_rate=rate, **how)
    assert all(np.isfinite(figures(msgspec.to_builtins(result))))
    assert msgspec.json.decode(msgspec.json.encode(result), type=DriftResult) == result
    return result


def figures(part) -> list[float]:
    if isinstance(part, dict | list | tuple):
        return [x for p in (part.values() if isinstance(part, dict) else part) for x in figures(p)]
    return [part] if isinstance(part, float) else []


def normal(n: int, seed: int, mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, n)


def texts(values) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def drawn(n: int, seed: int, shares=(0.5, 0.3, 0.2)) -> pd.Series:
    return texts(np.random.default_rng(seed).choice(["a", "b", "d"], n, p=shares))


X, C = normal(5_000, 0), drawn(5_000, 0)
REFERENCE = reference({"x": X, "c": C})
JUST_X, JUST_C = REFERENCE[:1], REFERENCE[1:]


def without(values: np.ndarray, every: int) -> np.ndarray:
    return np.where(np.arange(len(values)) % every == 0, np.nan, values)


def bimodal(n: int, seed: int) -> np.ndarray:
    """Mean 0 and standard deviation 1, and nothing near 0."""
    rng = np.random.default_rng(seed)
    return rng.choice([-1, 1], n) * rng.normal(0.95, np.sqrt(1 - 0.95**2), n)


MOVED = {
    "mean": ({"x": normal(500, 1, mean=0.8)}, "x", r"x: mean 0\.\d+, was -?0\.\d+ \(\+0\.\d+ sd, [\d.]+x noise\)"),
    "std": ({"x": normal(500, 1, sd=1.5)}, "x", r"x: standard deviation 1\.\d+, was \d.*\(x1\.\d, [\d.]+x noise\)"),
    "narrow": ({"x": normal(500, 1, sd=0.5)}, "x", r"x: standard deviation 0\.\d+, was \d.*\(x0\.\d+, .*x noise\)"),
    "distribution": (
        {"x": bimodal(1_000, 1)},
        "x",
        r"x: \d+\.\d% of the values from .* to .*, was 5\.0% \(distance 0\.\d+, [\d.]+x noise\)",
    ),
    "missing": ({"x": without(normal(500, 1), 8)}, "x", r"x: 12\.6% missing, was 0\.0% \([\d.]+x noise\)"),
    "range": (
        {"x": np.append(normal(960, 1), [-4.1, 4.1] * 20)},
        "x",
        r"x: 4\.\d% of the values lie outside -3\.\d+ to 3\.\d+ \([\d.]+x noise\)",
    ),
    "unseen": (
        {"c": texts([*drawn(450, 1), *["new"] * 50])},
        "c",
        r"c: 10\.0% of the values are unseen: 'new' \([\d.]+x noise\)",
    ),
    "shares": (
        {"c": drawn(500, 1, (0.2, 0.3, 0.5))},
        "c",
        r"c: '[ad]' has \d+\.\d% of the values, was \d+\.\d% \(distance 0\.\d+, [\d.]+x noise\)",
    ),
}
