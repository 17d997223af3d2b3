"""Tables as production has them, without drift and with a known one.

Every generator takes the random generator it draws from: the same seed gives the same table.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.signal import lfilter

CITIES = ("north", "south", "east")


def mixed(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Independent rows of 20 independent features of the kinds that upset drift checks.

    Parameters
    ----------
    n : int
        Rows.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame, shape (n, 20)
        17 numeric columns (15 float, of which `boolean` holds 0.0 and 1.0 and `constant` never varies; `poisson` and
        `integer_5` are int) and 3 of text, as objects. NaN marks a missing value in `missing_30` and
        `cat_missing_30` and is nowhere else.
    """
    return pd.DataFrame(
        {
            "normal_1": rng.normal(0, 1, n),
            "normal_2": rng.normal(50, 10, n),
            "normal_3": rng.normal(-2000, 300, n),
            "normal_4": rng.normal(0.5, 0.01, n),
            "student_3": rng.standard_t(3, n),
            "lognormal_1": rng.lognormal(0, 1, n),
            "lognormal_2": rng.lognormal(3, 2, n),
            "cauchy": rng.standard_cauchy(n),
            "uniform": rng.uniform(0, 24, n),
            "exponential": rng.exponential(5, n),
            "spiked_90": _spiked(n, rng, zeros=0.90),
            "spiked_95": _spiked(n, rng, zeros=0.95),
            "constant": np.full(n, 7.0),
            "poisson": rng.poisson(4, n),
            "integer_5": rng.integers(1, 6, n),
            "boolean": (rng.random(n) < 0.3).astype(float),
            "cat_3": _text(rng.choice(CITIES, n, p=(0.5, 0.3, 0.2))),
            "cat_200": _text(_zipf(n, rng, categories=200)),
            "missing_30": np.where(_some(n, rng, 0.3), np.nan, rng.normal(0, 1, n)),
            "cat_missing_30": _text(rng.choice(CITIES, n)).mask(_some(n, rng, 0.3), np.nan),
        }
    )


def ar1(
    n: int, rng: np.random.Generator, rho: float = 0.8, columns: Sequence[str] = ("x_1", "x_2", "x_3")
) -> pd.DataFrame:
    """Rows that remember: each column a stationary AR(1) series of standard normal values.

    Parameters
    ----------
    rho : float
        Correlation of a row with the one before it; above -1 and below 1. The columns are independent.

    Returns
    -------
    DataFrame, shape (n, len(columns))
        Every value, the first one too, has mean 0 and standard deviation 1.
    """
    steps = rng.normal(0, np.sqrt(1 - rho**2), (n, len(columns)))
    steps[:1] = rng.normal(0, 1, (1, len(columns)))
    return pd.DataFrame(lfilter([1.0], [1.0, -rho], steps, axis=0), columns=list(columns))


def correlated(n: int, rng: np.random.Generator, rho: float, others: int = 3) -> pd.DataFrame:
    """Standard normal columns `x` and `y` of correlation `rho`, and `z_1`, `z_2`, ... independent of everything.

    A drift that only joint checks can see: no single column tells one `rho` from another.

    Returns
    -------
    DataFrame, shape (n, 2 + others)
    """
    x, noise, *rest = rng.normal(0, 1, (2 + others, n))
    independent = {f"z_{i}": column for i, column in enumerate(rest, start=1)}
    return pd.DataFrame({"x": x, "y": rho * x + np.sqrt(1 - rho**2) * noise, **independent})


def shifted(
    frame: pd.DataFrame, kind: str, size: float, rng: np.random.Generator, column: str = "normal_1"
) -> pd.DataFrame:
    """A copy of the frame in which one column has drifted.

    Parameters
    ----------
    kind : {"mean", "scale", "unseen", "missing"}
        "mean": every value moves up by `size` standard deviations of this column.
        "scale": every value lies `size` times as far from this column's median.
        "unseen": a share `size` of all rows changes to one of five categories that the column did not have.
        "missing": a share `size` of all rows loses its value, on top of those that have none.
    size : float
        0 is no drift, but for "scale", where 1 is.
    rng : numpy.random.Generator
        Chooses the rows, and the new categories.

    Raises
    ------
    ValueError
        If the kind is unknown, or if "unseen" or "missing" needs more values than the column has.
    """
    values = frame[column]
    if kind == "mean":
        drifted = values + size * values.std()
    elif kind == "scale":
        drifted = values.median() + size * (values - values.median())
    elif kind == "unseen":
        rows = _rows_present(values, size, rng)
        drifted = values.astype(object)
        drifted.iloc[rows] = [f"new_{i}" for i in rng.integers(1, 6, len(rows))]
    elif kind == "missing":
        rows = _rows_present(values, size, rng)
        drifted = values.astype(object if values.dtype == object else float)
        drifted.iloc[rows] = np.nan
    else:
        raise ValueError(f"no shift of kind {kind!r}; take mean, scale, unseen or missing")
    return frame.assign(**{column: drifted})


def _some(n: int, rng: np.random.Generator, share: float) -> np.ndarray:
    return rng.random(n) < share


def _spiked(n: int, rng: np.random.Generator, zeros: float) -> np.ndarray:
    return np.where(_some(n, rng, zeros), 0.0, rng.lognormal(2, 1, n))


def _zipf(n: int, rng: np.random.Generator, categories: int) -> list[str]:
    shares = 1 / np.arange(1, categories + 1)
    return [f"c{i:03d}" for i in rng.choice(categories, n, p=shares / shares.sum())]


def _text(values: Sequence[str]) -> pd.Series:
    return pd.Series([str(v) for v in values], dtype=object)


def _rows_present(values: pd.Series, share: float, rng: np.random.Generator) -> np.ndarray:
    present, wanted = np.flatnonzero(values.notna()), round(share * len(values))
    if wanted > len(present):
        raise ValueError(
            f"{wanted} rows of {values.name!r} should change, only {len(present)} hold a value; ask for less"
        )
    return rng.choice(present, wanted, replace=False)
