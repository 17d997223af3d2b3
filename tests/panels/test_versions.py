from dataclasses import replace

import msgspec

from workbench.panels.versions import Versions
from workbench.panels.view import Reader


def test_the_live_version_is_marked_and_the_newest_comes_first(trained, desk):
    view = Reader(trained).read()
    older = view.versions[0]
    newer = msgspec.structs.replace(older, version_id="second")
    panel = Versions(desk)
    panel.show(replace(view, versions=[older, newer]))
    table = panel.body.value
    assert table.index("second") < table.index("first")
    assert table.count("● live") == 1
    assert table.index("second") < table.index("● live") < table.index("first")


def test_a_version_tells_why_it_was_made_and_what_the_gate_said(trained, desk):
    view = Reader(trained).read()
    panel = Versions(desk)
    panel.show(view)
    made = view.versions[0]
    assert made.reason in panel.body.value
    assert "✓ no champion" in panel.body.value


def test_a_reason_with_markup_is_shown_as_text(trained, desk):
    view = Reader(trained).read()
    evil = msgspec.structs.replace(view.versions[0], version_id="<b>id</b>", reason="<script>x</script>")
    panel = Versions(desk)
    panel.show(replace(view, versions=[evil]))
    assert "&lt;script&gt;x&lt;/script&gt;" in panel.body.value
    assert "&lt;b&gt;id" in panel.body.value
    assert "<script" not in panel.body.value
