"""A part of a panel with controls of its own, which are offered while the page is unlocked."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as W

from workbench.panels.base import tag, visible
from workbench.panels.desk import Desk
from workbench.panels.view import View


class Section(W.VBox):
    """A heading, controls, the place of its deeds, and what came of them.

    Parameters
    ----------
    desk : Desk
    *controls : widgets
    below : sequence of widgets
        Stay while the page is locked.
    """

    title = ""

    def __init__(self, desk: Desk, *controls: W.Widget, below: Sequence[W.Widget] = ()) -> None:
        self.desk, self.deed = desk, desk.deed()
        self.controls = W.VBox([W.HTML(tag("h3", self.title)), *controls])
        super().__init__([self.controls, self.deed, *below])
        self.add_class("wb-section")
        desk.lock.observe(lambda _: self.arrange(), "locked")
        self.deed.observe(lambda _: self.arrange(), "running")
        self.arrange()

    @property
    def busy(self) -> bool:
        return self.deed.busy

    def arrange(self) -> None:
        """Offer what can be done now."""
        visible(self.controls, not self.desk.lock.locked)

    def poll(self) -> None:
        self.deed.poll()

    def show(self, view: View) -> None:
        raise NotImplementedError


def offer(choice: W.Dropdown, names: Sequence[str], default: str | None = None) -> None:
    """Give a dropdown other options; what was chosen stays chosen while it is there."""
    if list(choice.options) == list(names):
        return
    kept = choice.value
    choice.options = list(names)
    choice.value = kept if kept in names else default if default in names else next(iter(names), None)
