"""Tokens: made at first start, kept in files that only their owner can read, never on a command line.

The maintenance token opens all that changes anything; the viewer's lets a person look at the dashboard, where that
answers other machines, too. The hash key stands for the inputs that are kept hashed: who has it can find out values by
trying them, and without it no version that has learnt hashes can be asked.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.files import replace_whole

FILE = ".workbench-token"
VIEWER_FILE = ".workbench-viewer-token"
HASH_KEY_FILE = ".workbench-hash-key"
SHORTEST_KEY = 32


def maintenance_token(root: Path, *, rotate: bool = False) -> str:
    """The workspace's token; made if there is none, and made anew if it is to rotate."""
    return _token(root / FILE, rotate)


def viewer_token(root: Path, *, rotate: bool = False) -> str:
    """As `maintenance_token`, of those who may look at the dashboard from another machine."""
    return _token(root / VIEWER_FILE, rotate)


def _token(path: Path, rotate: bool) -> str:
    if not rotate:
        token = read_token(path)
        if token:
            return token
        try:
            # Exclusive, so that two processes that start together agree on one token.
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        except OSError as error:
            raise WorkbenchError(
                f"the token {path} cannot be made: {error.strerror}; where the folder cannot be written, make it "
                f"elsewhere with `python main.py token` and put it there"
            ) from error
        else:
            with os.fdopen(fd, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
            return read_token(path)
        if (token := read_token(path)) != "":
            return token
    replace_whole(path, secrets.token_urlsafe(32).encode() + b"\n")
    return read_token(path)


def read_token(path: Path) -> str:
    """The token in a file; empty if there is none."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def hash_key(root: Path) -> bytes:
    """The key of hashed inputs; made if there is none, and never another one.

    Raises
    ------
    WorkbenchError
        If its file is damaged: with a new key, nothing that was hashed would be known again.
    """
    path = root / HASH_KEY_FILE
    if not path.exists():
        aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        replace_whole(aside, secrets.token_urlsafe(32).encode() + b"\n")
        try:
            # Whole and exclusive, so that no process ever hashes with a key that another one replaces.
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    key = read_token(path)
    if len(key) < SHORTEST_KEY:
        raise WorkbenchError(
            f"{path} is cut off: restore it from a copy, or delete it and train anew (`python main.py "
            f"--promote=always`): versions that learnt hashes cannot be asked without their key"
        )
    return key.encode()
