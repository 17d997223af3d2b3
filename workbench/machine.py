"""The machine that figures were taken on, in a line."""

from __future__ import annotations

import os
import platform
from datetime import datetime


def told(now: datetime) -> str:
    """Date, cores that this process may use, and Python.

    >>> from datetime import UTC
    >>> told(datetime(2026, 3, 1, tzinfo=UTC)).split(", ")[0]
    '1 March 2026'
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    return f"{now.day} {now:%B %Y}, {cores} cores, {system}, Python {platform.python_version()}"
