"""The page as a whole, pressed and refreshed in code."""

import re
import subprocess
import sys

import ipywidgets as W
import pytest

from workbench.panels.base import Panel, anchor
from workbench.panels.dashboard import Dashboard
from workbench.panels.events import Events
from workbench.panels.headline import Headline
from workbench.panels.page import Page
from workbench.records import Event

EVIL = "<img src=x onerror=alert(1)>"


def drawn(widget):
    """Whatever of a page is drawn by the kernel."""
    if isinstance(widget, W.HTML):
        yield widget
    for child in getattr(widget, "children", ()):
        yield from drawn(child)


def text(widget):
    return widget.body.value


def test_a_page_without_a_version_says_what_to_do(settings):
    page = Dashboard(settings)
    assert "Nothing live" in text(page.headline)
    assert "python main.py" in text(page.headline)
    assert page.status.value == ""


def test_a_page_without_a_check_says_so(trained):
    page = Dashboard(trained)
    assert "No check yet" in text(page.headline)
    assert "first" in text(page.headline)


def test_the_cards_tell_what_the_last_check_found(trained, traffic):
    evaluation = traffic.send()
    page = Dashboard(trained)
    assert "✓ Healthy" in text(page.headline)
    assert f"{evaluation.performance.metrics['mae']:.4g}" in text(page.headline)
    assert "40 in the window" in text(page.headline)
    assert evaluation.performance.sentence in text(page.performance)
    assert 'role="img"' in text(page.drift)


def test_every_panel_is_one_jump_away(trained):
    page = Dashboard(trained)
    shown = "".join(widget.value for widget in page.children if isinstance(widget, W.HTML))
    for panel in page.panels[1:]:
        assert f'href="#{anchor(panel.title)}"' in shown
        assert f'id="{anchor(panel.title)}"' in panel.children[0].value


def test_an_alarm_is_told_by_sign_and_word(trained, traffic):
    traffic.metrics.append(Event(kind="alarm", reason="too far off", version="first"))
    assert "▲ alarm" in text(Dashboard(trained).events)


def test_the_last_decision_is_told_in_its_words(trained, traffic):
    traffic.metrics.append(Event(kind="decision", reason="wait: nothing in alarm"), Event(kind="alarm", reason="later"))
    assert "wait: nothing in alarm" in text(Dashboard(trained).headline)


class Unmade(Panel):
    title = "Of somebody's own"

    def __init__(self, desk):
        raise ZeroDivisionError("nothing to share")


def test_a_panel_that_cannot_be_made_is_told_with_its_time_and_the_others_live(trained, traffic):
    page = Page(trained, Headline, Unmade, Events)
    told = '<div class="wb-alert" role="alert">▲ \\d\\d:\\d\\d:\\d\\dZ Of somebody&#x27;s own: making it: ZeroDivision'
    assert re.match(told, page.status.value)
    traffic.send()
    traffic.metrics.append(Event(kind="kept_out", reason="it was worse"))
    page.pulse.tick += 1
    headline, gap, events = page.panels
    assert "✓ Healthy" in text(headline)
    assert "it was worse" in text(events)
    assert "could not be made" in text(gap)
    assert anchor(Unmade.title) in gap.children[0].value
    assert re.match(told, page.status.value)
    assert len(page.status.troubles) == 1


def test_a_refresh_draws_nothing_while_nothing_has_changed(trained, traffic):
    traffic.send()
    page = Dashboard(trained)
    drawn = []
    for panel in page.panels:
        panel.body.observe(lambda change: drawn.append(change["new"]), "value")
        panel.draw = lambda view: pytest.fail("drawn again")
    page.refresh()
    assert drawn == []
    assert page.status.value == ""


def test_a_refresh_draws_what_is_new(trained, traffic):
    page = Dashboard(trained)
    traffic.metrics.append(Event(kind="kept_out", reason="it was worse"))
    page.refresh()
    assert "it was worse" in text(page.events)


def test_a_tick_of_the_page_refreshes_and_is_answered(trained, traffic):
    page = Dashboard(trained)
    traffic.metrics.append(Event(kind="kept_out", reason="it was worse"))
    page.pulse.tick = 7
    assert "it was worse" in text(page.events)
    assert page.pulse.pong == 7


def test_a_tick_that_has_drawn_long_enough_leaves_the_rest_to_the_next(trained, traffic):
    page = Dashboard(trained)
    page.draw_s = 0
    sentence = traffic.send().performance.sentence
    page.pulse.tick = 1
    assert "40 in the window" in text(page.headline)
    assert sentence not in text(page.performance)
    for tick in range(2, len(page.panels) + 1):
        assert page.pulse.more
        page.pulse.tick = tick
    assert sentence in text(page.performance)
    assert not page.pulse.more
    assert page.pulse.pong == len(page.panels)


def test_no_tick_after_a_check_sends_more_than_sixty_kilobytes(trained, traffic):
    traffic.send(60)
    page, sent = Dashboard(trained), []
    for widget in drawn(page):
        widget.observe(lambda change: sent.append(len(change["new"].encode())), "value")
    page.draw_s = 0
    traffic.send(60)
    for tick in range(1, len(page.panels) + 1):
        sent.clear()
        page.pulse.tick = tick
        assert sum(sent) < 60_000


def test_an_error_goes_to_the_status_line_and_the_last_picture_stays(trained, traffic, monkeypatch):
    traffic.send()
    page = Dashboard(trained)
    before = text(page.performance)
    monkeypatch.setattr(page.performance, "draw", lambda view: 1 / 0)
    traffic.send()
    page.refresh()
    assert "ZeroDivisionError" in page.status.value
    assert "Error over time" in page.status.value
    assert text(page.performance) == before
    assert text(page.drift) != ""
    monkeypatch.undo()
    page.refresh()
    assert page.status.value == ""
    assert text(page.performance) != before


def test_a_damaged_pointer_is_told_and_the_rest_of_the_page_stays(trained):
    (trained.versions_dir / "live.json").write_text("{")
    page = Dashboard(trained)
    assert "live.json is damaged" in text(page.headline)
    assert "first" in text(page.versions)


def test_files_that_cannot_be_read_are_told_and_the_page_stays(trained, traffic, monkeypatch):
    traffic.send()
    page = Dashboard(trained)
    before = text(page.headline)

    def refuse():
        raise OSError("no disk")

    monkeypatch.setattr(page.desk.reader.metrics, "checks", refuse)
    page.refresh()
    assert "OSError: no disk" in page.status.value
    assert text(page.headline) == before


def test_what_comes_from_data_is_shown_as_text(trained, traffic):
    traffic.metrics.append(
        Event(kind=f"odd{EVIL}", reason=EVIL, version=EVIL, by=EVIL), Event(kind="decision", reason=EVIL)
    )
    page = Dashboard(trained)
    pages = "".join(text(panel) for panel in page.panels)
    assert "<img" not in pages
    assert pages.count("&lt;img src=x") >= 3


def test_what_an_error_says_is_shown_as_text(trained, monkeypatch):
    page = Dashboard(trained)

    def refuse():
        raise OSError(EVIL)

    monkeypatch.setattr(page.desk.reader.metrics, "events", refuse)
    page.refresh()
    assert "&lt;img" in page.status.value
    assert "<img" not in page.status.value


def test_the_repr_names_the_model_alone_so_that_a_notebook_output_is_stable(trained, traffic):
    before = repr(Dashboard(trained))
    traffic.send()
    assert repr(Dashboard(trained)) == before == "Dashboard('trips')"


def test_a_viewer_loads_neither_scikit_learn_nor_the_service(trained, traffic):
    traffic.send()
    code = (
        "import sys; from workbench import Workbench; Workbench.open(sys.argv[1]).dashboard();"
        "print([m for m in ('sklearn', 'fastapi', 'uvicorn', 'service', 'workbench.cli') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(trained.root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_maintenance_is_at_is_told_and_a_pause_is_not_overlooked(trained, traffic):
    page = Dashboard(trained)
    assert "Maintenance</b>: " in text(page.headline)
    assert "paused" not in text(page.headline)
    traffic.metrics.append(Event(kind="paused", reason="holidays"))
    page.refresh()
    assert "paused: holidays" in text(page.headline)
    assert "‖ paused" in text(page.events)


def test_a_version_that_has_just_gone_live_is_said_to_be_on_probation(trained, traffic):
    traffic.versions.pointer.switch("second", by="test", reason="test")
    traffic.versions.pointer.switch("first", by="test", reason="test")
    assert "probation: the live version is on probation" in text(Dashboard(trained).headline)
