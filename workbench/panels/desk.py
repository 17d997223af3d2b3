"""What panels are given: the workspace's settings and files, the page's lock, and how commands are started."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.panels.commands import Command, Run
from workbench.panels.deed import Deed
from workbench.panels.lock import Lock
from workbench.panels.view import Reader
from workbench.settings import Settings


@dataclass(frozen=True)
class Desk:
    """Shared by the panels of one page."""

    settings: Settings
    lock: Lock
    run: Run = Command
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reader", Reader(self.settings))

    def deed(self) -> Deed:
        """A place where a panel's deeds are asked for and told."""
        return Deed(self.lock, self.settings.root, run=self.run)
