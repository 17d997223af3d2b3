"""Bars for long steps: a line in a terminal, a widget in a notebook, nothing where nobody looks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


class Bar:
    """One bar, from its first step to its last; a context manager.

    Parameters
    ----------
    desc : str
    **options
        As tqdm takes them.
    """

    def __init__(self, desc: str = "", **options: Any) -> None:
        from tqdm.auto import tqdm

        notebook = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)
        # Our steps are few: each may be drawn.
        told = {"leave": False, "miniters": 1, "disable": not (notebook or sys.stderr.isatty()), **options}
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
