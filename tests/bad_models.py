"""Models that are well until they meet what only the traffic has: rows to the west."""

import time

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression


class Bad(RegressorMixin, BaseEstimator):
    """Minutes by km and stops; to the west, `how` says what goes wrong."""

    def __init__(self, how="throws"):
        self.how = how

    def fit(self, X, y):
        self.model_ = LinearRegression().fit(X[["km", "stops"]], y)
        return self

    def predict(self, X):
        said = self.model_.predict(X[["km", "stops"]])
        if not (X["to"] == "west").any():
            return said
        if self.how == "throws":
            raise RuntimeError("no way to the west")
        if self.how == "tells":
            raise RuntimeError(f"no way from {X.to_dict('records')}")
        if self.how == "slow":
            time.sleep(0.25)
        return np.full(len(X), 7.0) if self.how == "nonsense" else said


def throws():
    return Bad("throws")


def tells():
    return Bad("tells")


def slow():
    return Bad("slow")


def nonsense():
    return Bad("nonsense")
