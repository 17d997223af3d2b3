"""Bars for long steps: a line in a terminal, a widget in a notebook, nothing where nobody looks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

# What is over by then needs no bar.
AT_ONCE_S = 1.0
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


class Bar:
    """One bar, from its first step to its last; a context manager.

    Parameters
    ----------
    desc : str
    **options
        As tqdm takes them; `delay` (seconds) is for what is mostly over at once.

    `TQDM_DISABLE` in the environment silences all of them, as it does tqdm's own.
    """

    def __init__(self, desc: str = "", **options: Any) -> None:
        from tqdm.auto import tqdm

        notebook = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)
        # Our steps are few: each may be drawn.
        told = {"leave": False, "miniters": 1, "disable": not (notebook or sys.stderr.isatty()), **options}
        told["disable"] |= bool(os.environ.get("TQDM_DISABLE"))
        self._bar = tqdm(desc=desc, file=sys.stderr, **told)

    def to(self, done: int, total: int) -> None:
        """So much of so much is done."""
        if self._bar.total != total:
            self._bar.reset(total)
        self._bar.update(done - self._bar.n)

    def step(self, stage: str, done: int, total: int) -> None:
        """The same within a stage."""
        self._bar.set_description_str(stage, refresh=False)
        self.to(done, max(done, total))

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._bar.close()
