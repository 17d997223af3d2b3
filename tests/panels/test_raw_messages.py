"""What a locked page could be made to send: a disabled or hidden button is no lock, so every handler asks it."""

import psutil
import pytest

from workbench.panels.deed import LOCKED

pytestmark = pytest.mark.slow


def disk(root):
    """Every file of a workspace with what would change if it were touched."""
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(root.rglob("*")) if p.is_file()}


def buttons(states):
    return [comm for comm, state in states.items() if state["_model_name"] == "ButtonModel"]


def named(states, description, kind="ButtonModel"):
    found = [c for c, s in states.items() if s["_model_name"] == kind and s.get("description") == description]
    assert found, description
    return found[0]


def others(name, value):
    """Values that a trait could be set to instead."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, 0, 1]
    if isinstance(value, str) and not value.startswith("IPY_MODEL_"):
        return ["first", "<b>other</b>"]
    return [0] if name == "index" else []


def meddle(viewer):
    """Set every synced trait of every widget, and press every button before and after each."""
    states = viewer.states()
    for comm in buttons(states):
        viewer.press(comm)
    for comm, state in states.items():
        viewer.update(comm, locked=False, running=None, asked=None)
        for name, value in state.items():
            # The name of a model or a view says what a widget is: to a page, not to the kernel.
            for other in [] if name.startswith("_") else others(name, value):
                viewer.update(comm, **{name: other})
    for _ in range(2):
        for comm in buttons(states):
            viewer.press(comm)
    viewer.run("shown.refresh()")


def test_nothing_happens_on_disk_whatever_a_locked_page_sends(kernel, traffic):
    root = traffic.settings.root
    assert len(buttons(kernel.states())) >= 5
    before = disk(root)
    meddle(kernel)
    assert disk(root) == before
    assert psutil.Process(kernel.pid).children() == []
    assert kernel.run("print(shown.lock.locked)").strip() == "True"


def test_messages_do_arrive_and_the_token_opens_what_they_ask_for(kernel, token):
    states = kernel.states()
    kernel.press(named(states, "Retrain"))
    assert any(LOCKED in str(state.get("value", "")) for state in kernel.states().values())
    kernel.update(named(states, "Token", "PasswordModel"), value=token)
    kernel.press(named(states, "Unlock"))
    kernel.press(named(states, "Retrain"))
    assert any("Train a new version now?" in str(state.get("value", "")) for state in kernel.states().values())
