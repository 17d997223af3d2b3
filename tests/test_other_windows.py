"""Windows of other sizes, beside checks of stores that had those sizes from the beginning."""

import msgspec
import pytest

from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.other_windows import Recorded, evenly, rows_of
from workbench.records import Promotion
from workbench.settings import with_values
from workbench.version_store import VersionStore

ROWS = 260


@pytest.fixture(scope="module")
def played(_regression, tmp_path_factory):
    """Four checks over traffic that moves, each by a window of 100 and, beside it, of 40."""
    settings = _regression
    reference = VersionStore(settings.versions_dir).reference("first")
    checks = {}
    for size in (100, 40):
        store = MetricsStore(tmp_path_factory.mktemp("metrics"), window=size)
        monitor = ModelMonitor(store, with_values(settings, {"monitor.window": size}))
        checks[size] = []
        for start in range(0, ROWS, 65):
            rows = [
                {"km": 10.0 + (i * 7) % 40 + start / 10, "stops": i % 4, "to": "north" if i % 3 else "south"}
                for i in range(start, start + 65)
            ]
            rows[5]["km"] = "far"
            monitor.record_rows(rows, [1.0] * 65, schema=reference.schema, version="first", response_s=0.01)
            checks[size].append(monitor.check(reference))
        if size == 100:
            recorded = store.history()
        store.close()
    return settings, reference, recorded, checks


def of(recorded, reference, *, switches=(), whole=True):
    return Recorded(
        place={p.id: i for i, p in enumerate(recorded)},
        rows={"first": rows_of(recorded, "first", reference.schema)},
        profiles={"first": reference.profile},
        switches=switches,
        whole=whole,
    )


def measure(here, check, size, settings):
    return here.measure(check, size, limits=settings.drift, false_alarm_rate=0.6 * settings.monitor.false_alarm_rate)


@pytest.mark.parametrize("size", [100, 40])
def test_a_window_of_another_size_is_what_a_check_of_that_size_has_found(played, size):
    settings, reference, recorded, checks = played
    here = of(recorded, reference)
    for wide, same in zip(checks[100], checks[size], strict=True):
        found = measure(here, wide, size, settings)
        told = {f.feature: (f.state, f.channels, f.bins, f.shares) for f in found.features}
        assert told == {f.feature: (f.state, f.channels, f.bins, f.shares) for f in same.drift.features}
        assert found.n == same.n


def test_a_window_that_reaches_beyond_what_was_read_is_not_measured(played):
    settings, reference, recorded, checks = played
    here = of(recorded[100:], reference, whole=False)
    measured = [measure(here, check, 100, settings) is not None for check in checks[100]]
    assert measured == [False, False, False, True]


def test_rows_of_a_check_that_are_no_longer_on_record_are_not_measured(played):
    settings, reference, recorded, checks = played
    unknown = msgspec.structs.replace(checks[100][0], last_id="gone")
    assert measure(of(recorded, reference), unknown, 40, settings) is None
    other = msgspec.structs.replace(checks[100][0], version="other")
    assert measure(of(recorded, reference), other, 40, settings) is None


def test_what_a_version_answered_before_it_went_live_again_is_not_looked_at(played):
    settings, reference, recorded, checks = played
    again = Promotion(
        version_id="first",
        previous=None,
        generation=2,
        activated_at=recorded[-30].recorded_at,
        by="test",
        reason="back",
    )
    found = measure(of(recorded, reference, switches=[again]), checks[100][-1], 100, settings)
    in_time = sum(p.recorded_at >= again.activated_at for p in recorded)
    assert found.n == in_time < 100


def test_some_of_many_checks_are_evenly_spread_with_the_newest():
    assert evenly([1, 2, 3], 5) == [1, 2, 3]
    assert evenly(list(range(101)), 5) == [0, 25, 50, 75, 100]
