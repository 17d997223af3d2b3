"""What a user without rights meets: root may write everywhere, so that a test as root would prove nothing."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.table import Skipped

NOBODY = 65534


def as_nobody(root: Path, work: Callable[[], Any]) -> Any:
    """Do something in a process of an ordinary user who owns a folder; returns what it returned, as JSON has it.

    Forked, since that user may not be able to read the interpreter: what is imported by now is what there is.
    """
    if os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        answer: dict[str, Any] = {}
        try:
            if not _gave_up_rights():
                answer = {"impossible": "root cannot become another user here"}
            else:
                answer = {"done": work()}
        finally:
            os.write(tell, json.dumps(answer or {"failed": traceback.format_exc()}).encode())
            os._exit(0)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        answer = json.loads(pipe.read() or b'{"failed": "it ended without a word"}')
    os.waitpid(child, 0)
    if "impossible" in answer:
        raise Skipped(answer["impossible"])
    if "failed" in answer:
        raise AssertionError(answer["failed"])
    return answer["done"]


def _gave_up_rights() -> bool:
    if os.geteuid() == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        except OSError:
            return False
    return True
