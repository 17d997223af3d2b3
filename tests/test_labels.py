"""How actuals come: made-up histories whose delays are known; scipy is the oracle of the curve."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from workbench.labels import delay_curve, describe, mature_after, mature_until
from workbench.moments import utc_text
from workbench.records import Actual, Prediction

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return utc_text(START + timedelta(seconds=float(seconds)))


def predictions(n, every_s=10.0, inputs=lambda i: {"km": float(i % 7)}, output=lambda i: float(i % 11)):
    return [
        Prediction(
            id=str(i), recorded_at=at(i * every_s), event_time=at(i * every_s), version="v", inputs=inputs(i),
            output=output(i), response_s=0.01,
        )
        for i in range(n)
    ]  # fmt: skip


def arrivals(rows, delays, now):
    """Actuals that are there by now; a delay of NaN is an actual that never comes."""
    told = {}
    for row, delay in zip(rows, delays, strict=True):
        moment = datetime.fromisoformat(row.recorded_at) + timedelta(seconds=0 if np.isnan(delay) else float(delay))
        if not np.isnan(delay) and utc_text(moment) <= now:
            told[row.id] = Actual(id=row.id, recorded_at=utc_text(moment), prediction_id=row.id, actual=1.0)
    return told


def test_a_young_history_does_not_make_labels_look_quick():
    rows = predictions(1_000)
    delays = np.random.default_rng(0).exponential(3_000, 1_000)
    now = at(10_000)
    told = arrivals(rows, delays, now)
    naive = np.quantile([delays[int(i)] for i in told], 0.5)
    found = mature_after(delay_curve(rows, told, now=now), 0.5)
    truth = 3_000 * np.log(2)
    assert naive < 0.85 * truth
    assert found == pytest.approx(truth, rel=0.12)


def test_labels_that_never_come_do_not_count_as_late():
    rows = predictions(2_000)
    rng = np.random.default_rng(1)
    delays = np.where(rng.random(2_000) < 0.3, np.nan, rng.uniform(0, 600, 2_000))
    now = at(40_000)
    found = mature_after(delay_curve(rows, arrivals(rows, delays, now), now=now), 0.95)
    assert found == pytest.approx(570, abs=20)


def test_before_the_first_label_nothing_is_mature():
    rows = predictions(50)
    curve = delay_curve(rows, {}, now=at(1_000))
    assert mature_after(curve, 0.95) is None
    assert mature_until(None, now=at(1_000)) == ""
    told = describe(rows, {}, curve, now=at(1_000), quantile=0.95)
    assert told.sentence == "no actual has come yet for 50 predictions"


def told(rows, delays, now, **more):
    there = arrivals(rows, delays, now)
    return describe(rows, there, delay_curve(rows, there, now=now), now=now, quantile=0.95, **more)


def test_coverage_is_of_mature_predictions_and_the_curve_ends_at_all():
    rng = np.random.default_rng(2)
    delays = np.where(rng.random(1_000) < 0.2, np.nan, rng.uniform(0, 1_000, 1_000))
    found = told(predictions(1_000), delays, at(10_000))
    assert found.mature == pytest.approx(905, abs=10)
    assert found.coverage == pytest.approx(0.8, abs=0.04)
    seconds, shares = zip(*found.delays, strict=True)
    assert list(seconds) == sorted(seconds)
    assert shares[-1] == 1.0
    assert seconds[-1] == pytest.approx(1_000, abs=10)
    assert "95% of the actuals come within 1" in found.sentence


def test_labels_that_are_missing_selectively_are_named():
    rng = np.random.default_rng(3)
    rows = predictions(1_500, inputs=lambda i: {"to": ("north", "south", "east")[i % 3], "km": float(i % 7)})
    lost = [row.inputs["to"] == "north" and rng.random() < 0.4 for row in rows]
    found = told(rows, np.where(lost, np.nan, 60.0), at(30_000))
    assert found.selective.startswith("actuals are missing more often where to is north")
    assert found.selective in found.sentence


def test_labels_that_are_missing_by_lot_are_not():
    rng = np.random.default_rng(4)
    delays = np.where(rng.random(1_500) < 0.3, np.nan, 60.0)
    assert told(predictions(1_500), delays, at(30_000)).selective is None


def test_labels_missing_where_the_prediction_is_large_are_named():
    rows = predictions(1_500, output=lambda i: float(i % 30))
    rng = np.random.default_rng(5)
    lost = [row.output > 20 and rng.random() < 0.5 for row in rows]
    assert "where the prediction is above" in told(rows, np.where(lost, np.nan, 60.0), at(30_000)).selective


def test_what_was_not_taken_is_counted():
    found = told(predictions(50), np.full(50, 5.0), at(1_000), conflict=3, expired=1_200)
    assert (found.conflict, found.expired) == (3, 1_200)
    assert found.sentence.endswith("3 conflicting and 1,200 expired ones were not taken")


def test_a_clock_that_jumped_back_makes_no_negative_delay():
    rows = predictions(30)
    actuals = {r.id: Actual(id=r.id, recorded_at=at(-500), prediction_id=r.id, actual=1.0) for r in rows}
    assert mature_after(delay_curve(rows, actuals, now=at(300)), 0.95) == 0.0
