"""The clock of a page: the browser ticks, the kernel answers; when no answer comes the page says so."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t


class Pulse(anywidget.AnyWidget):
    """An almost invisible widget: a light that says whether the page is live, and a banner when it is not.

    Parameters
    ----------
    interval : int
        Milliseconds between ticks; a hidden page does not tick.
    patience : int
        Milliseconds without an answer after which the connection counts as lost.
    """

    # The text itself: a path would be watched for changes, and the watcher would never end.
    _esm = (Path(__file__).parent / "pulse.js").read_text(encoding="utf-8")

    uid = t.Unicode().tag(sync=True)
    interval = t.Int(2_000).tag(sync=True)
    patience = t.Int(8_000).tag(sync=True)
    running = t.Bool(True).tag(sync=True)
    tick = t.Int(0).tag(sync=True)
    pong = t.Int(0).tag(sync=True)
    # Something is left to be drawn: the browser ticks again at once.
    more = t.Bool(False).tag(sync=True)
    width = t.Int(1_180).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(uid=secrets.token_hex(4), **kwargs)
