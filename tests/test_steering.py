from workbench.records import Event
from workbench.steering import steering


def event(kind: str, reason: str = "r", version: str | None = None, **data) -> Event:
    return Event(kind=kind, reason=reason, version=version, data=data)


def test_nothing_is_in_force_at_first():
    assert steering([], "v").hold is None


def test_the_last_word_counts():
    events = [event("paused", "holidays"), event("pinned", "audit", "v"), event("resumed")]
    assert steering(events, "v").hold == "pinned to v: audit"
    assert steering([*events, event("unpinned")], "v").hold is None
    assert steering([*events, event("paused", "again")], "v").hold == "paused: again"


def test_a_feature_is_accepted_for_the_version_that_was_live():
    events = [event("accepted", "new sensor", "v", feature="km")]
    assert steering(events, "v").accepted == {"km": "new sensor"}
    assert steering(events, "w").accepted == {}
