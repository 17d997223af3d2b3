"""Processes that a file names: whether the one that wrote it still lives, and how to end it."""

from __future__ import annotations

import os
import signal

import psutil


def born(pid: int) -> float:
    """When a process began; with its number that tells it from all others."""
    return psutil.Process(pid).create_time()


def alive(pid: int, created: float) -> bool:
    """Whether the process that had this number then is still there.

    >>> alive(os.getpid(), born(os.getpid())), alive(os.getpid(), 0.0)
    (True, False)
    """
    try:
        process = psutil.Process(pid)
        # A number may be given out again: the time of birth tells one process from another.
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - created) < 1
    except psutil.NoSuchProcess:
        return False


def end(pid: int, created: float) -> bool:
    """Ask a process to end; False if it is gone already."""
    if not alive(pid, created):
        return False
    os.kill(pid, signal.SIGTERM)
    return True
