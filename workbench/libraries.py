"""Versions of what a pickled model depends on."""

from __future__ import annotations

import platform


def libraries() -> dict[str, str]:
    """By name: python, joblib, numpy, pandas, sklearn, as they are here."""
    import joblib
    import numpy
    import pandas
    import sklearn

    return {"python": platform.python_version()} | {m.__name__: m.__version__ for m in (joblib, numpy, pandas, sklearn)}
