"""Functions that settings name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from workbench.errors import SettingsError


def import_function(path: str, setting: str) -> Callable[..., Any]:
    """The function that "module:function" names in a setting."""
    module, colon, name = path.partition(":")
    try:
        if not colon:
            raise ValueError("it has no colon")
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"{setting} = {path!r} is not an importable module:function: {error}") from error
    if not callable(found):
        raise SettingsError(f"{setting} = {path!r} is no function")
    return found
