"""Many checks held small: of each version the last one whole, the others with all that is drawn over time."""

import msgspec
import pytest

from tests.qualities import checked
from workbench.brief_checks import brief, briefly, is_brief
from workbench.evaluation import FeatureDrift
from workbench.metrics_store import MetricsStore


def check(version, hour):
    made = checked()
    feature = FeatureDrift(
        feature="km", kind="numeric", state="ok", sentence="km: as before", n=9, missing_share=0,
        reference_missing_share=0, mean=3.0, bins=(0.5, 0.5),
    )  # fmt: skip
    drift = msgspec.structs.replace(made.drift, features=(feature,))
    return msgspec.structs.replace(made, id="", recorded_at="", version=version, n=hour, drift=drift)


@pytest.fixture
def store(tmp_path):
    made = MetricsStore(tmp_path, window=10, history=50, segment_rows=4)
    yield made
    made.close()


def test_a_brief_check_keeps_its_verdicts_and_what_is_drawn_over_time():
    whole = check("a", 1)
    told = brief(whole)
    assert told.alarms == whole.alarms
    assert {k: v.sentence for k, v in told.verdicts.items()} == {k: v.sentence for k, v in whole.verdicts.items()}
    assert told.performance.metrics == whole.performance.metrics
    assert told.performance.intervals == whole.performance.intervals
    assert told.drift.features[0].mean == 3.0
    assert (told.drift.features[0].bins, told.performance.over_time, told.estimate.record) == ((), (), ())
    assert len(msgspec.json.encode(told)) < len(msgspec.json.encode(whole))


def test_the_last_of_each_version_stays_whole():
    checks = [check("a", 1), check("b", 2), check("a", 3), check("b", 4), check("b", 5)]
    assert [is_brief(c) for c in briefly(checks)] == [True, True, False, True, False]


def test_what_is_brief_already_is_left_alone():
    told = briefly([check("a", 1), check("a", 2)])
    assert briefly(told)[0] is told[0]


def test_a_store_that_is_opened_and_one_that_is_followed_hold_the_same(store, tmp_path):
    versions = "aabbbaabab"
    for hour, version in enumerate(versions):
        store.append(check(version, hour))
        held = store.checks()
    opened = MetricsStore(tmp_path, window=10, history=50).checks()
    assert [(c.n, c.version, is_brief(c)) for c in held] == [(c.n, c.version, is_brief(c)) for c in opened]
    assert [c.n for c in held if not is_brief(c)] == [8, 9]
    assert [c.n for c in store.evaluations() if is_brief(c)] == []
    assert store.checks() is held


def test_no_more_than_asked_for_are_held(store):
    store.append(*(check("a", hour) for hour in range(9)))
    assert [c.n for c in store.checks(keep=3)] == [6, 7, 8]
