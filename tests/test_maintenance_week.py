"""A week of hours in a made-up time, left alone: maintainer and retrainer are the real ones."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from tests.conftest import trips
from tests.test_maintainer import Shop
from workbench.ensemble import answer
from workbench.features import to_rows
from workbench.moments import parse_utc, utc_now
from workbench.policy import ATTEMPT, WENT_BACK
from workbench.retrainer import ModelRetrainer

HOURS, STEP = 7 * 24, 4
COOLDOWN = timedelta(hours=10)


class Week(Shop):
    """Thirty rows an hour; a retrain is done as soon as it is started."""

    def start(self, decision) -> None:
        self.started.append(decision)
        retrainer = ModelRetrainer(self.settings, self.versions, self.metrics, clock=self.clock)
        retrainer.retrain(trigger=decision.trigger, reason=decision.reason, by="maintainer")

    def hours(self, truth, labelled: int = 30 * STEP):
        """`truth` gives minutes for a frame of trips and the hour of the week; of so many rows actuals come."""
        for hour in range(0, HOURS, STEP):
            self.clock.forward(hours=STEP)
            frame = trips(30 * STEP, seed=hour)
            version = self.maintainer._load(self.versions.live_id())
            rows = to_rows(frame[["km", "stops", "to"]])
            said = answer(version.estimator, version.schema, rows)
            done = self.monitor.record_rows(
                rows, said.predictions, schema=version.schema, version=version.id, response_s=0.01
            )
            actuals = truth(frame, hour)
            self.monitor.feedback([(p.id, float(y)) for p, y in zip(done[:labelled], actuals[:labelled], strict=True)])
            self.maintainer.cycle()

    def times(self, *kinds):
        return [parse_utc(e.recorded_at) for e in self.metrics.events() if e.kind in kinds]


@pytest.fixture
def week(trained, clock):
    clock.now = utc_now()
    return Week(changed(trained, cooldown_s=COOLDOWN.total_seconds(), max_attempts_a_day=2, checks_in_a_row=1), clock)


def changed(settings, **retrain):
    update = {
        "retrain": settings.retrain.model_copy(update=retrain),
        "model": settings.model.model_copy(update={"ensemble": "tests.kill_points:ridge"}),
    }
    return settings.model_copy(update=update)


@pytest.mark.slow
def test_permanent_drift_makes_no_more_attempts_than_the_governor_allows(week):
    week.hours(lambda frame, hour: (2 + hour / 12) * frame["km"] + 3 * frame["stops"])
    attempts = week.times(ATTEMPT)[1:]
    assert 7 <= len(attempts) <= 7 * 2 + 1
    assert len(week.times("promoted", WENT_BACK)) > 5
    assert all(b - a >= COOLDOWN for a, b in pairwise(attempts))
    assert all(sum(a - timedelta(days=1) < t <= a for t in attempts) <= 2 for a in attempts)
    refusals = {e.data.get("refusal") or "" for e in week.metrics.events()}
    assert any(told.startswith("cooling down until") for told in refusals)


@pytest.mark.slow
def test_degraded_training_data_are_never_promoted(week):
    """Half of what is learnt has lost its sense; the rows of the gate have not."""
    frame = trips(400)
    frame["minutes"] = np.random.default_rng(0).permutation(frame["minutes"])
    frame.to_csv(week.settings.root / "trips.csv", index=False)
    week.settings = changed(week.settings, every_days=0.5, recipes=("everything",))
    week.restart()
    week.hours(lambda frame, hour: 2 * frame["km"] + 3 * frame["stops"], labelled=15)
    verdicts = [e.data["gate"]["verdict"] for e in week.metrics.events() if e.kind == "kept_out"]
    assert len(week.times(ATTEMPT)) - 1 == len(verdicts) > 3
    assert set(verdicts) <= {"worse", "cannot tell"}
    assert week.versions.live_id() == "first"
