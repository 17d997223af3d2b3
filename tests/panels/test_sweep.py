"""Garbage is looked for in a tick that draws nothing, never in one that draws."""

import gc
import weakref

import pytest

from workbench.panels.base import Panel
from workbench.panels.page import Page
from workbench.panels.sweep import Sweep


class Ring:
    """Garbage that only the collector can find."""

    def __init__(self):
        self.own = self


class Told(Panel):
    """Draws at each tick whether it could be interrupted."""

    title = "Told"

    def key(self, _view):
        return object()

    def draw(self, _view):
        return str(gc.isenabled())


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    gc.enable()


@pytest.fixture
def full_collections():
    """Filled with one entry a full collection."""
    seen = []

    def note(phase, told):
        if phase == "start" and told["generation"] == 2:
            seen.append(told)

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def test_a_tick_is_not_interrupted_and_the_collector_is_given_back(trained):
    page = Page(trained, Told)
    assert page.panels[0].body.value == "True"
    page.pulse.tick += 1
    assert page.panels[0].body.value == "False"
    assert gc.isenabled()


def test_the_first_quick_tick_after_one_that_drew_collects_once(full_collections):
    sweep = Sweep(quick_s=-1)
    with sweep.tick():
        left = weakref.ref(Ring())
    assert full_collections == []
    sweep.quick_s = 60
    for _ in range(2):
        with sweep.tick():
            pass
    assert len(full_collections) == 1
    assert left() is None


def test_where_a_person_has_switched_the_collector_off_it_stays_off(full_collections):
    gc.disable()
    sweep = Sweep(quick_s=-1)
    with sweep.tick():
        pass
    sweep.quick_s = 60
    with sweep.tick():
        pass
    assert not gc.isenabled()
    assert full_collections == []


def test_what_fails_in_a_tick_gives_the_collector_back():
    with pytest.raises(ZeroDivisionError), Sweep().tick():
        raise ZeroDivisionError
    assert gc.isenabled()
