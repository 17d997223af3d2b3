from itertools import accumulate, chain, repeat

import pytest

from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.stages import STAGES, prediction_stages
from workbench.version_store import VersionStore

ROW = {"km": 10.0, "stops": 1, "to": "north"}


@pytest.fixture
def asked(trained, tmp_path):
    store = MetricsStore(tmp_path / "thrown away")
    return VersionStore(trained.versions_dir).load("first").predictor, ModelMonitor(store, trained), store


def test_each_stage_has_the_median_of_its_own_time_and_is_really_done(asked):
    predictor, monitor, store = asked
    # Three repeats; their stages take 1 to 5 microseconds, ten times that, and two times that.
    steps = chain.from_iterable([1000, *(n * times * 1000 for n in (1, 2, 3, 4, 5))] for times in (1, 10, 2))
    found = prediction_stages(predictor, monitor, [ROW, ROW], repeats=3, clock_ns=accumulate(steps).__next__)
    assert [stage.name for stage in found] == list(STAGES)
    assert [stage.microseconds for stage in found] == [2, 4, 6, 8, 10]
    assert [p.inputs for p in store.window()] == list(repeat(ROW, 6))
    assert len(store.requests()) == 3


def test_rows_that_the_schema_does_not_allow_are_refused(asked):
    with pytest.raises(ValueError, match="schema"):
        prediction_stages(asked[0], asked[1], [{"km": "far"}], repeats=1)
