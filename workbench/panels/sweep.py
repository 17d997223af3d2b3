"""When a page's kernel looks for garbage: not while it draws, but in the next tick that has nothing to draw.

A picture leaves ten thousand objects that point at each other. Left alone, Python looks through everything the kernel
holds in the midst of the next one, which can take as long as drawing it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Sweep:
    """Holds the garbage collector back during a tick, and calls it in the first quick tick after one that drew.

    Where a person has switched it off, it stays off. Ticks that all draw leave it to Python, between them.

    Parameters
    ----------
    quick_s : float
        Seconds of processor time; a tick that took no longer has drawn nothing to speak of.
    """

    def __init__(self, quick_s: float = 0.02) -> None:
        self.quick_s = quick_s
        self._due = False

    @contextmanager
    def tick(self) -> Iterator[None]:
        """What is done inside is not interrupted."""
        wanted, begun = gc.isenabled(), time.process_time()
        gc.disable()
        try:
            yield
            quick = time.process_time() - begun <= self.quick_s
            if quick and self._due and wanted:
                gc.collect()
            self._due = not quick or (self._due and not wanted)
        finally:
            if wanted:
                gc.enable()
