"""The flights are what the measured facts say: the static Ridge curve, month by month."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from workbench.demo import flights, reference, traffic

NUMBERS = ["distance", "sched_minute", "weekday", "plane_year", "seats"]
TEXTS = ["carrier", "origin", "dest", "engine"]
# MAE in minutes: the holdout, then March to December.
CURVE = [8.08, 9.63, 9.70, 14.37, 13.24, 15.83, 14.70, 16.49, 11.66, 8.35, 8.64]


def test_the_table_has_33899_flights_and_24_columns_in_time_order():
    frame = flights()
    assert frame.shape == (33_899, 24)
    assert frame["time"].is_monotonic_increasing
    assert int(frame["air_time"].isna().sum()) == 980


def test_reference_is_january_and_february_and_traffic_the_rest():
    assert set(reference()["time"].dt.month) == {1, 2}
    assert set(traffic()["time"].dt.month) == set(range(3, 13))


def test_new_destinations_arrive_from_march_on():
    unseen = ~traffic()["dest"].isin(reference()["dest"])
    assert (traffic()["dest"][unseen].nunique(), int(unseen.sum())) == (12, 168)


def test_the_static_ridge_curve_is_reproduced():
    base, rest = reference().dropna(subset="air_time"), traffic().dropna(subset="air_time")
    model = make_pipeline(
        ColumnTransformer(
            [
                ("numbers", make_pipeline(SimpleImputer(strategy="mean"), StandardScaler()), NUMBERS),
                ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS),
            ],
            sparse_threshold=0,  # dense, so that Ridge solves exactly
        ),
        Ridge(alpha=1.0),
    )
    fitted = model.fit(base[:-1000], base["air_time"][:-1000])

    def mae(frame):
        return float(np.abs(fitted.predict(frame) - frame["air_time"]).mean())

    found = [mae(base[-1000:]), *(mae(rest[rest["time"].dt.month == month]) for month in range(3, 13))]
    assert np.round(found, 2) == pytest.approx(CURVE, abs=1e-3)
