"""A whole workspace into one file and back: settings, versions, records, and base data that lie in it.

Tokens are secrets and never go along. The service may go on writing: segments only grow and are cut at their last whole
line, versions do not change, pointer and log are read under their lock; what refers is read before what it refers to.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock
import msgspec

from workbench import settings as settings_of
from workbench.archive import ArchiveWriter, Head, is_plain, writing
from workbench.errors import Busy, CorruptVersion, SettingsError, UnknownVersion, WorkbenchError
from workbench.jobs import OPEN, Jobs
from workbench.leftovers import size
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now, utc_text
from workbench.settings import Settings
from workbench.tokens import HASH_KEY_FILE
from workbench.version_store import VersionStore

# What is folded from events is in force whether other records go along or not. What refers to predictions comes first.
ALWAYS, RECORDS = ("events",), ("evaluations", "refused", "actuals", "service", "predictions")
WAIT_S = 60.0
# With the one anybody can write to a channel; with the other, where it holds a password, to the database.
SECRETS = (("alerts", "webhook"), ("metrics", "url"))
Progress = Callable[[str, int, int], None]


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written; `notes` say what was left out or is not sound."""

    path: str
    files: int
    bytes: int
    versions: tuple[str, ...]
    notes: tuple[str, ...]


def export(
    settings: Settings,
    path: Path | str,
    *,
    records: bool = True,
    data_mb: float = 100.0,
    clock: Callable[[], datetime] = utc_now,
    progress: Progress = lambda stage, done, total: None,
) -> Exported:
    """Write a workspace into a .tar.gz file.

    Parameters
    ----------
    path : of a file that is not there yet
    records : bool
        Without, neither predictions, actuals, requests and evaluations nor labelled rows go along; events do, because
        what is in force is folded from them.
    data_mb : float
        A file of base data that [model] or [replay] names goes along if it lies in the workspace, is no larger, and
        [store] keeps nothing out.

    Raises
    ------
    WorkbenchError
        If the file is there already or cannot be written, or a secret cannot be kept out of it.
    Busy
        If a prune is under way.
    """
    path = Path(path)
    if path.exists():
        raise WorkbenchError(f"{path} is there already; choose another name, or delete it")
    versions, metrics = VersionStore.of(settings), MetricsStore.of(settings)
    toml, notes = _without_secrets((settings.root / settings_of.FILE).read_text(encoding="utf-8"))
    data, left_out = _data(settings, data_mb)
    head = Head(
        exported_at=utc_text(clock()),
        model=settings.model.name,
        records=records,
        data=tuple(data),
        left_out=tuple(left_out),
    )
    notes += left_out
    if records and settings.metrics.url is not None:
        notes.append(
            "what other machines recorded lies in the shared database and was left out; "
            "`python main.py migrate postgres-to-json` brings it here"
        )
    if (settings.root / HASH_KEY_FILE).exists():
        notes.append(
            f"{HASH_KEY_FILE} is a secret and was left out: versions that learnt hashed inputs cannot be asked where "
            f"they are imported until it is copied there"
        )
    total = size(settings.versions_dir) + (size(settings.metrics_dir) if records else 0)
    try:
        with (
            _nothing_deleted(versions, metrics),
            writing(path, head, step=lambda n: progress("export", n, total)) as to,
        ):
            to.add_bytes(settings_of.FILE, toml.encode())
            for kind in (*ALWAYS, *(RECORDS if records else ())):
                for segment in sorted((metrics.folder / kind).glob("[!.]*.jsonl")):
                    to.add(f"metrics/{kind}/{segment.name}", segment, whole_lines=True)
            if records:
                _jobs(to, Jobs(settings, metrics))
            for name, content in versions.pointer.copy().items():
                # A torn last line of the log stays behind.
                whole = content[: content.rfind(b"\n") + 1] if name.endswith(".jsonl") else content
                to.add_bytes(f"versions/{name}", whole)
            exported = _versions(to, versions, notes)
            for file in sorted((versions.folder / "labelled").glob("[!.]*.parquet")) if records else ():
                to.add(f"versions/labelled/{file.name}", file)
            for name, file in data.items():
                to.add(name, file)
    except OSError as error:
        raise WorkbenchError(f"{path} was not written: {error}") from error
    return Exported(
        path=str(path),
        files=len(to.entries),
        bytes=path.stat().st_size,
        versions=tuple(exported),
        notes=tuple(notes),
    )


@contextmanager
def _nothing_deleted(versions: VersionStore, metrics: MetricsStore) -> Iterator[None]:
    with ExitStack() as held:
        for lock in (versions.deletion_lock(), metrics.pruning_lock()):
            try:
                held.enter_context(lock.acquire(timeout=WAIT_S))
            except filelock.Timeout as error:
                raise Busy(f"not exported: a prune is under way, and has been for {WAIT_S:.0f} s; try again") from error
        yield


def _jobs(to: ArchiveWriter, jobs: Jobs) -> None:
    """Those that have ended: a process of this machine is none of another."""
    for job in jobs.all():
        if job.state not in OPEN:
            for name in (f"{job.id}.json", f"{job.id}.log"):
                to.add(f"metrics/jobs/{name}", jobs.folder / name)


def _versions(to: ArchiveWriter, versions: VersionStore, notes: list[str]) -> list[str]:
    """All versions and the training rows they use; returns their ids."""
    exported, snapshots = [], set()
    for name in versions.files.names():
        try:
            hashes = versions.files.hashes(name)
            snapshots.add(versions.metadata(name).training_data.sha256)
        except (CorruptVersion, UnknownVersion) as error:
            notes.append(f"version left out: {error}")
            continue
        to.add(f"versions/manifests/{name}.json", versions.files.manifest(name))
        found = {file: to.add(f"versions/models/{name}/{file}", versions.files.path(name, file)) for file in hashes}
        damaged = [file for file, entry in found.items() if entry is None or entry.sha256 != hashes[file]]
        if damaged:
            notes.append(f"version {name} does not match its manifest, and is no better in the copy: {damaged[0]}")
        exported.append(name)
    for digest in sorted(snapshots):
        entry = to.add(
            f"versions/training_data/{digest}.parquet", versions.folder / "training_data" / f"{digest}.parquet"
        )
        if entry is None or entry.sha256 != digest:
            notes.append(f"training rows {digest[:12]}... are missing or damaged, here and in the copy")
    live = versions.live_id()
    if live is not None and live not in exported:
        notes.append(f"the live version {live} is not in the copy")
    return exported


def _data(settings: Settings, data_mb: float) -> tuple[dict[str, Path], list[str]]:
    """Files of base data that go along, by their path in the workspace, and what does not, and why."""
    taken: dict[str, Path] = {}
    left: list[str] = []
    for setting, source in (("[model] data", settings.model.data), ("[replay] data", settings.replay.data)):
        path = settings.root / (source or "")
        name = os.path.normpath(source or "")
        if source is None or name in taken:
            continue
        if not path.is_file():
            left.append(f"{setting} = {source!r} is no file of the workspace: where it is imported, it has to be there")
        elif not _inside(path, settings.root) or Path(source).is_absolute() or not is_plain(name):
            left.append(f"{setting} = {source!r} lies outside the workspace and was left out")
        elif set(settings.store.values()) - {"raw"}:
            left.append(f"{setting} = {source!r} was left out: it may hold what [store] keeps out")
        elif path.stat().st_size > data_mb * 2**20:
            mb = path.stat().st_size / 2**20
            left.append(f"{setting} = {source!r} was left out: {mb:.1f} MB, and --data-mb is {data_mb:g}")
        else:
            taken[name] = path
    return taken, left


def _inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _without_secrets(toml: str) -> tuple[str, list[str]]:
    """The settings without the keys that let whoever reads them in, each with a note."""
    notes = []
    for section, key in SECRETS:
        told = tomllib.loads(toml)
        if key not in told.get(section, {}):
            continue
        variable = f"WORKBENCH_{section}__{key}".upper()
        left = _without_line(toml, section, key)
        del told[section][key]
        if _parsed(left) not in (told, {name: part for name, part in told.items() if name != section or part}):
            raise SettingsError(
                f"workbench.toml holds [{section}] {key}, a secret, in a form that cannot be left out; not exported: "
                f"put it into {variable}"
            )
        toml = left
        notes.append(f"[{section}] {key} is a secret and was left out: set {variable} where it is imported")
    return toml, notes


def _without_line(toml: str, section: str, key: str) -> str:
    lines, here = [], ""
    for line in toml.splitlines(keepends=True):
        header = re.match(r"\s*\[\s*([\w-]+)\s*\]", line)
        here = header[1] if header else here
        name = re.match(rf"\s*({section}\s*\.\s*)?{key}\s*=", line)
        hit = name is not None and here == ("" if name[1] else section)
        lines.append(f"# {key}: a secret, not exported\n" if hit else line)
    return "".join(lines)


def _parsed(toml: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(toml)
    except tomllib.TOMLDecodeError:
        return None
