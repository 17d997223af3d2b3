"""The table of versions: what it tells, and in which order."""

from dataclasses import replace

import msgspec
import pytest

from workbench.panels.version_table import COLUMNS, SHOWN, ordered, version_table
from workbench.panels.versions import Versions
from workbench.panels.view import Reader
from workbench.records import GateVerdict, Promotion


@pytest.fixture
def view(trained):
    return Reader(trained).read()


def made(view, version_id, **changes):
    return msgspec.structs.replace(view.versions[0], version_id=version_id, **changes)


def gate(advantage):
    return GateVerdict(verdict="better", metric="mae", rows=60, sentence="better: much", advantage=advantage)


@pytest.fixture
def four(view):
    """Four versions that every column puts into another order."""
    first = view.versions[0]
    data = first.training_data

    def rows(n):
        return msgspec.structs.replace(data, fit=msgspec.structs.replace(data.fit, rows=n))

    told = [
        ("d", "2026-01-01", "drift", 4, 2.5, 0.4, "2026-03-05"),
        ("c", "2026-01-02", "schedule", 3, 1.5, None, "2026-03-06"),
        ("b", "2026-01-03", "alarm", 2, None, 0.1, None),
        ("a", "2026-01-04", "manual", 1, 3.5, 0.2, "2026-03-01"),
    ]
    versions = [
        made(
            view,
            name,
            created_at=created,
            trigger=why,
            training_data=rows(n),
            metrics={"mae": mae},
            gate=gate(advantage),
        )
        for name, created, why, n, mae, advantage, _ in told
    ]
    switches = sorted((at, name) for name, *_, at in told if at)
    promotions = [
        Promotion(version_id=name, previous=None, generation=k, activated_at=at, by="test", reason="test")
        for k, (at, name) in enumerate(switches, 1)
    ]
    live = msgspec.structs.replace(view.live, version_id="c")
    return replace(view, versions=versions, promotions=promotions, live=live)


def shown(panel):
    """The ids as the table has them, from its first row on."""
    return "".join(part[0] for part in panel.body.value.split("<code><span>")[1:])


@pytest.mark.parametrize(
    ("by", "down", "up"),
    [
        ("created", "abcd", "dcba"),
        ("version", "dcba", "abcd"),
        ("why", "cadb", "bdac"),
        ("rows", "dcba", "abcd"),
        ("metric", "adcb", "cdab"),
        ("gate", "dabc", "badc"),
        ("live", "cdab", "adcb"),
    ],
)
def test_the_table_sorts_by_any_column_both_ways_and_what_is_unknown_stands_last(desk, four, by, down, up):
    panel = Versions(desk)
    panel.show(four)
    panel.sort.value = by
    assert shown(panel) == down
    assert "▼" in panel.body.value
    panel.descending.value = False
    assert shown(panel) == up
    assert "▲" in panel.body.value
    assert panel.descending.description == "▲ ascending"


def test_sorting_is_for_everybody(desk, four):
    panel = Versions(desk)
    desk.lock.locked = True
    panel.show(four)
    panel.sort.value = "rows"
    assert shown(panel) == "dcba"
    assert all(section.controls.layout.display == "none" for section in panel.sections)


def test_before_anything_was_read_sorting_does_nothing(desk):
    panel = Versions(desk)
    panel.sort.value = "rows"
    assert panel.body.value == ""


def test_every_column_that_sorts_is_offered(desk):
    assert Versions(desk).sort.options == COLUMNS


def test_the_table_is_drawn_when_something_has_changed_and_only_then(desk, four):
    panel, drawn = Versions(desk), []
    panel.body.observe(lambda change: drawn.append(change["new"]), "value")
    for view in (four, replace(four, predictions=5), replace(four, promotions=four.promotions[:1])):
        panel.show(view)
    assert len(drawn) == 2


def test_the_live_version_is_marked_and_the_newest_comes_first(desk, four):
    panel = Versions(desk)
    panel.show(four)
    table = panel.body.value
    assert table.count("● live") == 1
    assert table.index("<span>b<") < table.index("● live") < table.index("<span>d<")


def test_when_a_version_was_live_stands_in_its_row(four):
    table = version_table(four)
    assert "since 2026-03-06Z" in table
    assert "2026-03-01Z to 2026-03-05Z" in table
    assert table.count("never") == 1


def test_of_many_stretches_the_newest_are_told(four):
    back_and_forth = [
        msgspec.structs.replace(four.promotions[0], version_id="cd"[k % 2], activated_at=f"2026-04-{k:02}")
        for k in range(1, 10)
    ]
    table = version_table(replace(four, promotions=back_and_forth))
    assert "2026-04-09Z" in table
    assert "and 3 times before" in table


def test_a_version_tells_why_it_was_made_and_what_the_gate_said(view):
    table = version_table(view)
    assert view.versions[0].reason in table
    assert "✓ no champion" in table


def test_notes_are_told_in_full(view):
    table = version_table(replace(view, versions=[made(view, "a", notes=("one <b>", "two"))]))
    assert "2 notes" in table
    assert "<li>one &lt;b&gt;</li><li>two</li>" in table


def test_a_reason_with_markup_is_shown_as_text(view):
    table = version_table(replace(view, versions=[made(view, "<b>id</b>", reason="<script>x</script>")]))
    assert "&lt;script&gt;x&lt;/script&gt;" in table
    assert "&lt;b&gt;id" in table
    assert "<script" not in table


def test_of_many_versions_the_first_in_order_are_shown(view):
    many = replace(view, versions=[made(view, f"v{k:03}", created_at=f"2026-01-01T{k:05}") for k in range(SHOWN + 9)])
    table = version_table(many)
    assert f"{SHOWN + 9} published, the first {SHOWN} of them" in table
    assert table.count("<code>") == SHOWN
    assert f"v{SHOWN + 8:03}" in table


def test_versions_that_are_alike_in_a_column_stay_in_the_order_they_were_made(view):
    alike = [made(view, name) for name in "abc"]
    assert [m.version_id for m in ordered(alike, lambda m: m.trigger, descending=True)] == ["c", "b", "a"]
    assert [m.version_id for m in ordered(alike, lambda m: m.trigger, descending=False)] == ["a", "b", "c"]
    assert [m.version_id for m in ordered(alike, lambda m: None, descending=False)] == ["c", "b", "a"]
