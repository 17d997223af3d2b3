"""What a version may be called."""

from __future__ import annotations

import re

from workbench.errors import WorkbenchError

VERSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_id(version_id: str) -> None:
    """Raise WorkbenchError unless this can be a version's id."""
    if not VERSION_ID.fullmatch(version_id):
        raise WorkbenchError(
            f"{version_id!r} cannot be a version id: it takes 1 to 64 letters, digits, '.', '_' and '-', "
            f"a letter or digit first"
        )


def taken(version_id: str) -> str:
    """What is said to whom wants an id that is not free."""
    return f"version {version_id!r} exists, or is being made; choose another id (`python main.py versions` lists them)"


def was_taken(version_id: str) -> str:
    """What is said to whom wants the id of a version that was live, and whose files are gone."""
    return f"version {version_id!r} was live once, and records bear its name; choose another id for another model"
