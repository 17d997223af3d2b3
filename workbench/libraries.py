"""Versions of what a pickled model, and its compiled form, depend on."""

from __future__ import annotations

import platform


def libraries() -> dict[str, str]:
    """By name: python, joblib, numba, numpy, pandas, sklearn, as they are here."""
    import joblib
    import numba
    import numpy
    import pandas
    import sklearn

    return {"python": platform.python_version()} | {
        m.__name__: m.__version__ for m in (joblib, numba, numpy, pandas, sklearn)
    }
