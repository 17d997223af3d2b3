"""The flights of 2013 that the demo runs on: the reference, and the traffic that follows it.

One table serves two tasks: `air_time` (minutes in the air; what drifts is the wind, which no input shows) and `late`
(arrival delay over 15 minutes, asked before departure; what drifts is the weather, which the inputs do show).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

DATA = Path(__file__).parent / "data" / "flights.parquet"
TRAFFIC_STARTS = pd.Timestamp("2013-03-01")


def flights() -> pd.DataFrame:
    """All flights in time order.

    Returns
    -------
    DataFrame, shape (33899, 24)
        Columns as described in workbench/data/README.md; numbers as float64, missing as NaN.
        The targets `air_time` and `late` are missing for flights that were cancelled or did not arrive.
    """
    frame = pd.read_parquet(DATA)
    numbers = frame.select_dtypes("number").columns
    frame[numbers] = frame[numbers].astype("float64")
    texts = frame.select_dtypes("category").columns
    frame[texts] = frame[texts].astype(object)
    return frame


def reference() -> pd.DataFrame:
    """January and February: what the first version is trained on.

    >>> reference()["time"].max() < TRAFFIC_STARTS
    True
    """
    frame = flights()
    return frame[frame["time"] < TRAFFIC_STARTS]


def traffic() -> pd.DataFrame:
    """Everything from 1 March on, in time order: what arrives at the service.

    >>> len(reference()) + len(traffic())
    33899
    """
    frame = flights()
    return frame[frame["time"] >= TRAFFIC_STARTS].reset_index(drop=True)
