"""The lock of a page: what changes anything is done by those alone who know the workspace's maintenance token."""

from __future__ import annotations

import hmac

import ipywidgets as W
import traitlets as t

from workbench.panels.base import row, said, visible
from workbench.settings import Settings
from workbench.tokens import FILE, read_token


class Lock(W.VBox):
    """A password field while it is locked, a button to lock again while it is not.

    `locked` stays in the kernel: no message from a page can set it, and whoever does anything asks it first.

    Parameters
    ----------
    settings : Settings
    locked : bool
        In a person's own notebook nothing is, whose kernel could read the token anyway.
    """

    locked = t.Bool(True)

    def __init__(self, settings: Settings, *, locked: bool = True) -> None:
        self.file = settings.root / FILE
        # Sent as a whole: letters on their way would be overtaken by the press of the button.
        self.token = W.Password(
            description="Token", placeholder="python main.py token shows it", continuous_update=False
        )
        self.unlock = W.Button(description="Unlock", icon="unlock")
        self.lock = W.Button(description="Lock again", icon="lock")
        self.status = W.HTML()
        self.door = row(self.token, self.unlock)
        self.inside = row(self.lock)
        super().__init__([self.door, self.inside, self.status], locked=locked)
        self.add_class("wb-lock")
        self.unlock.on_click(lambda _: self._try_token())
        self.lock.on_click(lambda _: self._lock())
        self.observe(lambda _: self._arrange(), "locked")
        self._arrange()

    def _arrange(self) -> None:
        visible(self.door, self.locked)
        visible(self.inside, not self.locked)

    def _try_token(self) -> None:
        told, given = read_token(self.file), self.token.value.strip()
        self.token.value = ""
        if told and hmac.compare_digest(told.encode(), given.encode()):
            self.locked = False
            self.status.value = said("✓ unlocked; lock again when you are done")
        elif told:
            self.status.value = said("✗ that is not the token; python main.py token shows it")
        else:
            self.status.value = said("✗ this workspace has no token yet; python main.py token makes one")

    def _lock(self) -> None:
        self.locked = True
        self.status.value = said("locked")
