"""A switch and what becomes of it: the very cycles of the maintainer, in a made-up time, with really bad versions."""

import joblib
import numpy as np
import pandas as pd
import pytest

from tests.conftest import trips
from tests.test_maintainer import Shop
from tests.test_training_data import label
from workbench import steering, switching
from workbench.answers import Answers
from workbench.ensemble import answer
from workbench.features import to_rows
from workbench.moments import utc_now
from workbench.policy import LOST, PASSED, ROLLED_BACK, STUCK
from workbench.records import Request
from workbench.retrainer import ModelRetrainer
from workbench.sections import ProbationSettings


@pytest.fixture
def shop(trained, clock):
    clock.now = utc_now()
    settings = trained.model_copy(update={"probation": ProbationSettings(rows=200, minutes=60)})
    return Shop(settings, clock)


def train(shop, name, **how):
    retrainer = ModelRetrainer(shop.settings, shop.versions, shop.metrics, clock=shop.clock)
    shop.clock.forward(seconds=1)
    return retrainer.retrain(name, **{"promote": "always"} | how)


def corrupted(shop, name="bad"):
    """A version that has learnt from labels without sense."""
    frame = trips(400)
    frame["minutes"] = np.random.default_rng(1).permutation(frame["minutes"])
    frame.to_csv(shop.settings.root / "trips.csv", index=False)
    train(shop, name)
    trips(400).to_csv(shop.settings.root / "trips.csv", index=False)


def requests(shop, n, *, status=200, seconds=0.01):
    live = shop.versions.live_id()
    shop.metrics.append(
        *(
            Request(path="/predict", status=status, rows=1, version=live, response_s=seconds, latency_s=seconds)
            for _ in range(n)
        )
    )


def test_an_equal_version_passes_its_probation_and_stays(shop):
    train(shop, "second")
    for _ in range(4):
        shop.turn(n=60)
    told = [e for e in shop.metrics.events() if e.kind == PASSED]
    assert (shop.versions.live_id(), len(told)) == ("second", 1)
    assert told[0].reason.startswith("probation passed: 200 predictions and 200 actuals")


def test_a_version_that_predicts_nonsense_is_rolled_back_even_before_an_actual_comes(shop, monkeypatch):
    corrupted(shop)
    monkeypatch.setattr(shop.monitor, "feedback", lambda actuals: None)
    decision = shop.turn(n=60)
    events = shop.metrics.events()
    assert shop.versions.live_id() == "first"
    assert [e.kind for e in events if e.kind in (LOST, ROLLED_BACK)] == [LOST, ROLLED_BACK]
    assert "lost on probation: predictions vary 0." in shop.versions.pointer.log()[-1].reason
    assert decision.action == "wait"


def test_a_version_whose_errors_are_larger_is_rolled_back_with_the_figures(shop):
    corrupted(shop)
    shop.turn(n=60)
    (lost,) = [e for e in shop.metrics.events() if e.kind == LOST]
    assert "mae is " in lost.reason
    assert "worse than the version before's on the same 60 actuals" in lost.reason
    assert (lost.version, lost.data["previous"]) == ("bad", "first")


def test_a_version_that_fails_or_is_slow_is_rolled_back(shop):
    requests(shop, 200)
    train(shop, "second")
    shop.clock.forward(seconds=1)
    requests(shop, 6, status=500)
    shop.maintainer.watch()
    assert shop.versions.live_id() == "first"
    train(shop, "third")
    shop.clock.forward(seconds=1)
    requests(shop, 30, seconds=0.6)
    shop.maintainer.watch()
    assert shop.versions.live_id() == "first"
    reasons = [e.reason for e in shop.metrics.events() if e.kind == LOST]
    assert reasons[0].startswith("6 of 6 requests failed")
    assert reasons[1].startswith("p95 of the response time is 600 ms")


def test_what_the_version_before_was_like_is_remembered_when_its_requests_are_off_the_record(shop):
    requests(shop, 200)
    train(shop, "second")
    shop.clock.forward(seconds=1)
    requests(shop, 500)
    shop.maintainer.watch()
    requests(shop, 10 * shop.metrics.window_size, seconds=0.6)
    assert all(r.version == "second" for r in shop.metrics.requests())
    shop.maintainer.watch()
    assert shop.versions.live_id() == "first"


def test_a_new_world_makes_the_better_version_look_odd_and_keeps_it_live(shop):
    """Its outputs lie two standard deviations from the old version's; its actuals before the switch bear it out."""
    label(shop.settings, trips(300, seed=1, start="2026-02-01", minutes_a_km=6.0))
    assert train(shop, "second", promote="gate").promoted
    for _ in range(5):
        shop.turn(n=60, minutes_a_km=6.0)
    assert shop.versions.live_id() == "second"
    assert [e.kind for e in shop.metrics.events() if e.kind in (PASSED, LOST)] == [PASSED]


@pytest.mark.parametrize("hold", ["pin", "pause"])
def test_what_people_hold_is_told_once_and_not_switched(shop, hold):
    corrupted(shop)
    if hold == "pin":
        steering.pin(shop.metrics, "bad", by="test", reason="audit")
    else:
        steering.pause(shop.metrics, by="test", reason="audit")
    for _ in range(3):
        shop.turn(n=60)
    assert shop.versions.live_id() == "bad"
    told = [e for e in shop.metrics.events() if e.kind == "rollback_held"]
    assert len(told) == 1
    assert "it would be rolled back" in told[0].reason
    assert "audit" in told[0].reason


def test_a_rollback_puts_nothing_on_probation_and_can_be_undone(shop):
    corrupted(shop)
    shop.turn(n=60)
    shop.turn(n=60)
    assert shop.versions.live_id() == "first"
    shop.clock.forward(seconds=1)
    switching.rollback(shop.versions, shop.metrics, by="test", reason="a person knows better")
    shop.turn(n=60)
    assert shop.versions.live_id() == "bad"


def test_a_maintainer_that_died_between_verdict_and_switch_goes_back_after_its_restart(shop, monkeypatch):
    corrupted(shop)
    monkeypatch.setattr(shop.versions.pointer, "switch", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        shop.turn(n=60)
    assert shop.versions.live_id() == "bad"
    monkeypatch.undo()
    shop.restart()
    shop.maintainer.watch()
    assert shop.versions.live_id() == "first"


def test_without_the_version_before_failures_still_count_and_what_cannot_be_rolled_back_is_told_once(shop):
    train(shop, "second")
    (shop.versions.folder / "models" / "first" / "model.joblib").write_bytes(b"x")
    shop.turn(n=60)
    assert shop.versions.live_id() == "second"
    requests(shop, 200, status=500)
    for _ in range(3):
        shop.turn(n=60)
    assert shop.versions.live_id() == "second"
    told = [e for e in shop.metrics.events() if e.kind in (LOST, STUCK)]
    assert [e.kind for e in told] == [LOST, STUCK]
    assert "it cannot be rolled back: first: model.joblib has sha256" in told[1].reason
    assert told[1] in shop.told
    assert len(shop.metrics.evaluations()) == 4


def test_a_version_before_that_fails_on_the_new_rows_ends_neither_the_checks_nor_the_probation(shop):
    shop.settings = shop.settings.model_copy(
        update={"model": shop.settings.model.model_copy(update={"ensemble": "tests.bad_models:throws"})}
    )
    train(shop, "odd")
    shop.settings = shop.settings.model_copy(
        update={"model": shop.settings.model.model_copy(update={"ensemble": "voting"})}
    )
    train(shop, "second")
    version = shop.versions.load("second")
    rows = to_rows(trips(60)[["km", "stops", "to"]].assign(to="west"))
    for _ in range(4):
        shop.clock.forward(seconds=5)
        said = answer(version.estimator, version.schema, rows)
        shop.monitor.record_rows(rows, said.predictions, schema=version.schema, version="second", response_s=0.01)
        shop.maintainer.cycle()
    assert len(shop.metrics.evaluations()) == 4
    assert [e.version for e in shop.metrics.events() if e.kind == PASSED] == ["second"]


def test_a_rollback_that_was_cut_off_is_not_taken_for_a_switch_to_be_judged(shop, monkeypatch):
    corrupted(shop)
    monkeypatch.setattr(switching, "_tell", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        shop.turn(n=60)
    assert shop.versions.live_id() == "first"
    monkeypatch.undo()
    shop.restart()
    for _ in range(3):
        shop.turn(n=60)
    assert shop.versions.live_id() == "first"
    assert [e.version for e in shop.metrics.events() if e.kind == LOST] == ["bad"]


def test_what_was_judged_is_rolled_back_and_not_what_somebody_has_switched_to_meanwhile(shop, monkeypatch):
    corrupted(shop)
    shop.serve(60)
    looked = shop.maintainer._switches.look

    def look(live, *, now):
        found = looked(live, now=now)
        switching.rollback(shop.versions, shop.metrics, by="a person", reason="quicker")
        return found

    monkeypatch.setattr(shop.maintainer._switches, "look", look)
    shop.maintainer.watch()
    assert shop.versions.live_id() == "first"
    assert shop.versions.pointer.log()[-1].by == "a person"


def test_a_winner_of_the_gate_is_not_condemned_by_its_outputs_where_truth_came_with_the_base_data(shop):
    new = trips(300, seed=1, start="2026-02-01", minutes_a_km=6.0)
    pd.concat([trips(400), new]).to_csv(shop.settings.root / "trips.csv", index=False)
    assert train(shop, "second", promote="gate").promoted
    shop.clock.forward(seconds=30)
    version = shop.versions.load("second")
    rows = to_rows(trips(200, seed=3)[["km", "stops", "to"]])
    said = answer(version.estimator, version.schema, rows)
    shop.monitor.record_rows(rows, said.predictions, schema=version.schema, version="second", response_s=0.01)
    shop.maintainer.watch()
    assert shop.versions.live_id() == "second"
    assert [e.kind for e in shop.metrics.events() if e.kind in (PASSED, LOST)] == [PASSED]


def test_a_good_old_version_that_a_person_activates_is_not_condemned_by_its_outputs(shop, monkeypatch):
    steering.pause(shop.metrics, by="test", reason="so that the bad one stays")
    corrupted(shop)
    shop.turn(n=60)
    steering.resume(shop.metrics, by="test", reason="")
    shop.clock.forward(seconds=1)
    switching.activate(shop.versions, shop.metrics, "first", by="a person", reason="the old one was right")
    monkeypatch.setattr(shop.monitor, "feedback", lambda actuals: None)
    for _ in range(4):
        shop.turn(n=60)
    assert shop.versions.live_id() == "first"


def test_probabilities_of_two_classes_and_one_of_three_are_compared_by_what_is_said(trained_classifier, clock):
    watch = Shop(trained_classifier, clock).maintainer._switches
    two = Answers(["a", "b"] * 50, [{"a": 0.9, "b": 0.1}, {"a": 0.2, "b": 0.8}] * 50)
    three = Answers(["a", "b"] * 50, [{"a": 0.8, "b": 0.1, "c": 0.1}, {"a": 0.2, "b": 0.7, "c": 0.1}] * 50)
    assert watch._apart(three, two).shift == 0.0


def test_a_classifier_that_turns_its_classes_round_is_rolled_back(trained_classifier, clock):
    clock.now = utc_now()
    shop = Shop(trained_classifier, clock)
    frame = trips(400)
    frame.assign(slow=1 - frame["slow"]).to_csv(shop.settings.root / "trips.csv", index=False)
    train(shop, "bad")
    shop.clock.forward(seconds=1)
    rows = to_rows(trips(80, seed=5)[["km", "stops", "to"]])
    version = shop.versions.load("bad")
    said = answer(version.estimator, version.schema, rows)
    done = shop.monitor.record_rows(
        rows,
        said.predictions,
        schema=version.schema,
        version="bad",
        response_s=0.01,
        probabilities=said.probabilities,
    )
    shop.monitor.feedback([(p.id, int(y)) for p, y in zip(done, trips(80, seed=5)["slow"], strict=True)])
    shop.maintainer.watch()
    assert shop.versions.live_id() == "first"
    assert joblib.load(shop.versions.folder / "models" / "bad" / "model.joblib") is not None
