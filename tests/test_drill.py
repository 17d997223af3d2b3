"""The fire drill: what fires, what is the smallest that does, and how often nothing does."""

import numpy as np
import pandas as pd
import pytest

from tests.conftest import trips
from workbench.drift import check
from workbench.drill import drill
from workbench.errors import DataError, UnknownVersion
from workbench.features import to_rows
from workbench.profiles import categorical, numeric
from workbench.sections import DriftSettings
from workbench.steering import accept
from workbench.workspace import Workbench


def columns(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"km": rng.normal(20, 5, n), "to": rng.choice(["a", "b", "c"], n)}).astype({"to": object})


POOL, WINDOW = columns(3_000, 0), columns(500, 1)
REFERENCE = (numeric("km", "numeric", POOL["km"].to_numpy()), categorical("to", POOL["to"]))
HOW = {"limits": DriftSettings(), "false_alarm_rate": 0.01, "rounds": 20}


def test_a_large_shift_fires_and_its_sentence_names_it():
    done = drill(WINDOW, POOL, REFERENCE, "km", kind="mean", size=1.0, **HOW)
    assert (done.fired, done.state, done.before) == (True, "drift", "ok")
    assert done.sentence.startswith("km: mean")


def test_no_shift_does_not_fire():
    assert not drill(WINDOW, POOL, REFERENCE, "km", kind="mean", size=0.0, **HOW).fired


def test_the_smallest_shift_is_told_at_this_size_and_not_at_half_of_it():
    smallest = drill(WINDOW, POOL, REFERENCE, "km", kind="mean", **HOW).smallest
    rng = np.random.default_rng(7)
    fired = dict.fromkeys((0.5, 1.0), 0)
    for share in fired:
        for _ in range(40):
            window = POOL.iloc[rng.integers(0, len(POOL), 500)].reset_index(drop=True)
            window["km"] += share * smallest * REFERENCE[0].std
            result = check(window, REFERENCE, limits=DriftSettings(), false_alarm_rate=0.01)
            fired[share] += result.feature("km").state == "drift"
    assert fired[1.0] >= 34
    assert fired[0.5] <= 8


def test_false_alarms_are_measured_and_bounded():
    done = drill(WINDOW, POOL, REFERENCE, "to", **HOW)
    assert (done.false_alarms, done.rounds, done.rate_low) == (0, 20, 0.0)
    assert 0.1 < done.rate_high < 0.2
    assert (done.kind, done.size) == ("unseen", 0.1)


def test_the_same_seed_gives_the_same_drill():
    assert drill(WINDOW, POOL, REFERENCE, "to", seed=3, **HOW) == drill(WINDOW, POOL, REFERENCE, "to", seed=3, **HOW)


def test_a_feature_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(DataError, match="has km, to"):
        drill(WINDOW, POOL, REFERENCE, "wind", **HOW)


def test_a_workspace_drills_with_its_own_window_and_training_data(trained):
    bench = Workbench.open(trained.root)
    with pytest.raises(DataError, match="no window to drill with"):
        bench.drill("km")
    live = bench.versions.load("first")
    frame = trips(200, seed=1)
    bench.monitor.record_rows(
        to_rows(frame[["km", "stops", "to"]]),
        frame["minutes"].tolist(),
        schema=live.schema,
        version="first",
        response_s=0,
    )
    done = bench.drill("km", size=3.0, rounds=5)
    assert (done.fired, done.n) == (True, 200)
    assert done.alarms["drift"].startswith("km: mean")
    assert done.alarms["model"].startswith("prediction: mean")
    assert bench.drill("km", kind="unit", rounds=5).alarms["data"].startswith("km: looks like a factor of 1000")
    assert len(bench.metrics.window()) == 200
    assert bench.metrics.evaluations() == []


@pytest.fixture
def with_a_window(trained):
    """A workspace with 300 predictions like those its version has learnt from."""
    bench = Workbench.open(trained.root)
    live, frame = bench.versions.load("first"), trips(300, seed=1)
    bench.monitor.record_rows(
        to_rows(frame[["km", "stops", "to"]]),
        frame["minutes"].tolist(),
        schema=live.schema,
        version="first",
        response_s=0,
    )
    yield bench
    bench.metrics.close()


def test_a_shift_that_hardly_moves_the_predictions_would_not_have_fired(with_a_window):
    """Half a standard deviation of the stops is two minutes of sixty, which this workspace does not mind."""
    toml = with_a_window.settings.root / "workbench.toml"
    toml.write_text(toml.read_text() + "\n[drift]\nmin_impact = 0.2\n")
    bench = Workbench.open(toml.parent)
    live, columns = bench.versions.load("first"), ["km", "stops", "to"]
    limits = {"limits": bench.settings.drift, "false_alarm_rate": 0.006, "rounds": 5}
    alone = drill(trips(300, seed=1)[columns], trips(400)[columns], live.profile, "stops", size=0.8, **limits)
    done = bench.drill("stops", size=0.8, rounds=5)
    assert (alone.fired, alone.state) == (True, "drift")
    assert (done.fired, done.state, done.alarms) == (False, "possible", {})
    assert "it moves the predictions by" in done.sentence


def test_what_was_accepted_would_not_have_fired(with_a_window):
    bench = with_a_window
    accept(bench.metrics, "km", "first", by="anna", reason="a longer route")
    done = bench.drill("km", size=3.0, rounds=5)
    assert (done.state, "drift" in done.alarms) == ("ok", False)
    assert done.sentence.endswith("accepted: a longer route")


def test_without_a_live_version_there_is_nothing_to_drill(settings):
    with pytest.raises(UnknownVersion, match="no version is live"):
        Workbench.open(settings.root).drill("km")
