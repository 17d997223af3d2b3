"""Policies to set side by side: settings files laid over the workspace's, or a small grid of some keys."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.errors import SettingsError
from workbench.settings import FILE, Settings, load_settings, with_values

MOST = 24
# What `suggest` tries: how large a loss counts, and how much has to be new before the next attempt.
USUAL_GRID: Mapping[str, tuple[object, ...]] = {
    "performance.min_loss": (0.05, 0.1, 0.2),
    "retrain.min_new_rows": (350, 700, 1400),
}


def from_files(root: Path, files: Sequence[str]) -> dict[str, Settings]:
    """A policy a file, named by the file."""
    names = [Path(file).stem for file in files]
    if len(set(names)) < len(names):
        names = list(files)
    return {name: load_settings(root, over=file) for name, file in zip(names, files, strict=True)}


def yardstick(root: Path, policies: Mapping[str, Settings]) -> Settings:
    """What policies are held beside: the workspace's settings where several are laid over it, so that their order says
    nothing; else the first one's."""
    first = next(iter(policies.values()))
    if len(policies) > 1 and (root / FILE).is_file():
        workspace = load_settings(root)
        if all(policy.model == workspace.model for policy in policies.values()):
            # They are played over one history: where they agree on another than the workspace's, over that.
            return workspace.model_copy(update={"backtest": first.backtest})
    return first


def grid(settings: Settings, axes: Mapping[str, Sequence[object]]) -> dict[str, Settings]:
    """A policy a combination of values; each key is "section.key".

    Raises
    ------
    SettingsError
        If a key or a value is none, or there are more than `MOST` combinations.
    """
    made = {}
    for values in itertools.product(*axes.values()):
        told = dict(zip(axes, values, strict=True))
        name = ", ".join(f"{key.partition('.')[2]}={value}" for key, value in told.items())
        made[name] = with_values(settings, told)
        if len(made) > MOST:
            raise SettingsError(f"a grid of more than {MOST} policies takes hours and finds noise; take fewer values")
    return made


def axis(text: str) -> tuple[str, list[object]]:
    """A key and its values, as a person writes them.

    >>> axis("performance.min_loss=0.05,0.1")
    ('performance.min_loss', [0.05, 0.1])
    """
    key, equals, values = text.partition("=")
    section, dot, name = key.partition(".")
    if not (equals and dot and section and name and values):
        raise SettingsError(f"--grid {text!r}: write section.key=value,value, like performance.min_loss=0.05,0.1,0.2")
    return key.strip(), [_value(part.strip()) for part in values.split(",")]


def _value(text: str) -> object:
    """As TOML reads it; a bare word is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
