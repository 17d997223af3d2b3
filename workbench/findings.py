"""What an examination of a workspace says: findings, each with what to do, beside disk use and locks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import psutil

from workbench.errors import WorkbenchError
from workbench.settings import Settings
from workbench.show import Shown
from workbench.show.sheet import Sheet, Table, Told, clock, many
from workbench.show.sheets import sheet_of

if TYPE_CHECKING:
    import pandas as pd

Area = Literal[
    "settings",
    "disk",
    "permissions",
    "locks",
    "jobs",
    "records",
    "clock",
    "versions",
    "pointer",
    "training",
    "libraries",
]
# What may be met on a disk that others write to; anything else is a mistake of ours.
TROUBLE = (OSError, ValueError, WorkbenchError, RecursionError, psutil.Error)
# Findings of one kind that are listed one by one.
SHOWN = 20


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, where, and what to do; a note is worth knowing, and no reason to act."""

    area: Area
    what: str
    where: str
    todo: str
    level: Literal["problem", "note"] = "problem"


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Disk use of a folder of the workspace, all below it included."""

    folder: str
    files: int
    bytes: int


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A lock of the workspace; `pid` and `command` of its holder where they can be told."""

    path: str
    what: str
    held: bool
    pid: int | None = None
    command: str = ""


class Examination(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Of one workspace at one time. `needed_bytes` is what one history of records and one retrain take."""

    root: str
    examined_at: str
    healthy: bool
    findings: tuple[Finding, ...]
    disk: tuple[Use, ...]
    free_bytes: int
    needed_bytes: int
    locks: tuple[Lock, ...]

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "problem"]

    def to_frame(self) -> pd.DataFrame:
        """A row a finding."""
        import pandas as pd

        return pd.DataFrame([msgspec.structs.asdict(f) for f in self.findings], columns=Finding.__struct_fields__)


@sheet_of.register
def _sheet(found: Examination) -> Sheet:
    marks = {"problem": Told("✗ problem", "bad"), "note": Told("· note", "wait")}
    healthy = Told("✓ nothing is wrong", "good")
    return Sheet(
        f"Examination of {found.root}",
        healthy if found.healthy else Told(f"✗ {many(len(found.problems), 'problem')}", "bad"),
        facts=[
            ("examined", clock(found.examined_at)),
            ("disk", f"{found.free_bytes / 1e9:,.1f} GB free, {found.needed_bytes / 1e6:,.0f} MB needed"),
            ("locks held", ", ".join(lock.what for lock in found.locks if lock.held) or "none"),
        ],
        tables=[
            Table(
                many(len(found.findings), "finding"),
                ["", "area", "what", "where", "what to do"],
                [(marks[f.level], f.area, f.what, f.where, f.todo) for f in found.findings],
            ),
            Table(
                "disk use",
                ["folder", "files", "MB"],
                [(use.folder, use.files, f"{use.bytes / 1e6:,.1f}") for use in found.disk],
            ),
        ],
    )


@dataclass(frozen=True)
class Case:
    """The workspace that is looked at; `settings` is None where they cannot be loaded.

    `read` hears how many bytes were read just now.
    """

    root: Path
    settings: Settings | None
    clock: Callable[[], datetime]
    read: Callable[[int], None] = lambda done: None

    @property
    def versions(self) -> Path:
        return self.root / "versions"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics"

    def named(self, path: Path) -> str:
        """A path as it is shown."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def each(
    case: Case, area: Area, items: Iterable[Path], examine: Callable[[Path], Iterable[Finding]], where: str
) -> Iterator[Finding]:
    """The findings of every file; one that cannot be examined is a finding itself, and no end.

    Parameters
    ----------
    where : str
        Named if the files cannot even be listed.
    """
    remaining = iter(items)
    while True:
        at = where
        try:
            item = next(remaining, None)
            if item is None:
                return
            at = case.named(item)
            if item.is_file():
                found = list(examine(item))
            elif os.path.lexists(item):
                # Not even opened: a pipe would be waited for, a device read for ever.
                found = [Finding(area=area, what="is no plain file", where=at, todo="move it elsewhere")]
            else:
                continue
        except FileNotFoundError:
            continue  # Gone since it was listed: others are at work here.
        except TROUBLE as error:
            yield Finding(
                area=area,
                what=f"cannot be examined: {error}",
                where=at,
                todo="see who may read it (`ls -l`), and whether the disk is sound",
            )
        else:
            yield from found


def listing(folder: Path, suffix: str = "") -> Iterator[Path]:
    """What lies in a folder, in order, nothing hidden; raises when it is asked for, if it cannot be listed."""
    yield from sorted(p for p in folder.iterdir() if p.name.endswith(suffix) and not p.name.startswith("."))


def some(names: Iterable[str]) -> str:
    """Names for a sentence; not more than a few.

    >>> some(f"v{i}" for i in range(5))
    'v0, v1, v2 and 2 more'
    """
    listed = list(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more
