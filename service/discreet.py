"""What an error may tell those who ask: never where on this machine something lies."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

# The interpreter, the packages, the home of who runs this, and what is there for a moment.
PLACES = {sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]), str(Path.home()), tempfile.gettempdir()}


def discreet(text: str, root: Path) -> str:
    """A message without the machine's folders; what lies in the workspace is named from there.

    Examples
    --------
    >>> discreet("[Errno 2] No such file or directory: '/srv/ws/versions/live.json'", Path("/srv/ws"))
    "[Errno 2] No such file or directory: 'versions/live.json'"
    """
    text = text.replace(f"{root}/", "").replace(str(root), "the workspace")
    for place in sorted((p for p in PLACES if p != "/"), key=len, reverse=True):
        text = re.sub(rf"{re.escape(place)}(?:/[^\s'\"]*/|/|\b)", ".../", text)
    return text
