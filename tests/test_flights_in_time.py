"""What the issue asks of the real flights: the wind's change is named in May, recall's fall is found in April."""

import pandas as pd
import pytest

from tests.benchmarks.flights_in_time import AIR_TIME, LATE, fallen, first, follow, gap

pytestmark = pytest.mark.slow


def days(start: str, end: str, freq: str) -> set[pd.Timestamp]:
    return set(pd.date_range(start, end, freq=freq))


def test_on_air_time_the_gap_between_estimate_and_actuals_is_named_in_the_first_week_of_may(tmp_path):
    checks = list(follow(AIR_TIME, tmp_path, until="2013-05-09", days=days("2013-03-12", "2013-05-08", "3D")))
    day, said = first(checks, gap)
    assert pd.Timestamp("2013-04-29") < day <= pd.Timestamp("2013-05-08")
    assert "possible concept drift" in dict(checks)[day].estimate.sentence
    assert said.endswith("worse than that")
    # What no input shows the estimate cannot see; while it is wrong it must not be believed.
    assert all(check.estimate.state != "alarm" for _, check in checks)


def test_on_late_recalls_fall_is_found_by_the_end_of_april_and_not_before_it_fell(tmp_path):
    looked = days("2013-03-12", "2013-04-30", "7D") | days("2013-04-22", "2013-04-30", "2D")
    checks = list(follow(LATE, tmp_path, until="2013-05-01", days=looked))
    day, _ = first(checks, fallen("recall"))
    assert day >= pd.Timestamp("2013-04-01")
    assert dict(checks)[day].alarms["performance"].startswith(("f1 ", "recall "))
