"""The name of one machine's records among those that share a database: a line in metrics/replica, made once."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path

from workbench.errors import SettingsError
from workbench.files import sync

# There once everybody's records lie in this folder's files.
MOVED_BACK = "moved-back"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


def replica_name(folder: Path) -> str:
    """The name that belongs to a folder; of several processes that come first at once, one gives it.

    Raises
    ------
    SettingsError
        If the file holds no name, or what others recorded was moved here.
    """
    path = folder / "replica"
    if (folder / MOVED_BACK).exists():
        raise SettingsError(
            f"what all machines recorded was moved into {folder}; take [metrics] url out of the settings. To share it "
            f"again, name a [metrics] schema_name that holds nothing yet and delete {folder / MOVED_BACK} and {path}"
        )
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60].strip("-.") or "replica"
        aside = folder / f".replica-{os.getpid()}-{secrets.token_hex(4)}"
        aside.write_text(f"{host}-{secrets.token_hex(4)}\n")
        sync(aside)
        try:
            # All or nothing, and only one of many.
            os.link(aside, path)
        except FileExistsError:
            pass  # another process was quicker; its name counts
        finally:
            aside.unlink()
    name = path.read_text().strip()
    if not NAME.fullmatch(name):
        raise SettingsError(f"{path} holds no name of a replica; delete it, and another is given")
    return name
