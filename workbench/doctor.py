"""Examine a workspace, at work or at rest: what is wrong, where, and what to do. Nothing is written into it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from workbench import locks as locks_of
from workbench.doctor_records import AHEAD, Segment, records
from workbench.doctor_versions import libraries, pointer, training, versions
from workbench.errors import DatabaseAway, SettingsError
from workbench.findings import TROUBLE, Area, Case, Examination, Finding, Lock, Use, each, listing
from workbench.jobs import OPEN, Job, alive
from workbench.leftovers import size
from workbench.moments import utc_now, utc_text
from workbench.replica import MOVED_BACK
from workbench.sections import MonitorSettings
from workbench.settings import FILE, Settings, find_root, load_settings
from workbench.tokens import FILE as TOKEN
from workbench.tokens import HASH_KEY_FILE, VIEWER_FILE

Progress = Callable[[str, int, int], None]
LEAST_FREE = 0.05
# Until there are predictions to go by.
BYTES_A_PREDICTION = 500
GIB = 2**30


def examine(
    root: Path | str | None = None,
    *,
    clock: Callable[[], datetime] = utc_now,
    progress: Progress = lambda stage, done, total: None,
) -> Examination:
    """Look at everything in a workspace.

    Parameters
    ----------
    root : path, optional
        As for `load_settings`; settings that cannot be loaded are a finding.
    progress : callable (stage, bytes read, bytes to read)
    """
    folder = find_root(root)
    findings: list[Finding] = []
    settings: Settings | None = None
    try:
        if (folder / FILE).exists() and not (folder / FILE).is_file():
            raise SettingsError(f"{folder / FILE} is no plain file")
        settings = load_settings(folder)
    except (SettingsError, *TROUBLE) as error:
        findings.append(_problem("settings", str(error), FILE, "mend it; until then nothing but this command runs"))
    disk = _disk(folder)
    done, total = 0, sum(use.bytes for use in disk)

    def read(count: int) -> None:
        nonlocal done
        done += count
        progress("doctor", done, total)

    case = Case(folder, settings, clock, read)
    predictions: list[Segment] = []
    sound: set[str] = set()
    held: list[Lock] = []
    parts: list[tuple[Area, Callable[[], Iterable[Finding]]]] = [
        ("settings", lambda: _base_data(case)),
        ("settings", lambda: _database(case)),
        ("permissions", lambda: _permissions(case)),
        ("locks", lambda: _locks(case, held)),
        ("jobs", lambda: _jobs(case)),
        ("records", lambda: records(case, predictions)),
        ("versions", lambda: versions(case, sound)),
        ("pointer", lambda: pointer(case, sound)),
        ("training", lambda: training(case)),
        ("libraries", lambda: libraries(case)),
        ("disk", lambda: _free(case, _needed(case, predictions))),
    ]
    for area, part in parts:
        try:
            for finding in part():
                findings.append(finding)
        except TROUBLE as error:
            what = f"the examination ended early: {error}"
            findings.append(_problem(area, what, str(folder), "see who may read what lies there (`ls -lR`)"))
    return Examination(
        root=str(folder),
        examined_at=utc_text(clock()),
        healthy=not any(finding.level == "problem" for finding in findings),
        findings=tuple(sorted(findings, key=lambda f: f.level != "problem")),
        disk=tuple(disk),
        free_bytes=shutil.disk_usage(_existing(folder)).free,
        needed_bytes=_needed(case, predictions),
        locks=tuple(held),
    )


def _problem(area: Area, what: str, where: str, todo: str) -> Finding:
    return Finding(area=area, what=what, where=where, todo=todo)


def _folders(root: Path) -> list[Path]:
    """The workspace's own folders that are there, above the single versions."""
    above = [root / name for name in ("versions", "metrics") if (root / name).is_dir()]
    return above + [child for folder in above for child in listing(folder) if child.is_dir()]


def _disk(root: Path) -> list[Use]:
    try:
        leaves = [folder for folder in _folders(root) if folder.parent != root]
    except OSError:
        leaves = [root / name for name in ("versions", "metrics")]
    return [
        Use(
            folder=str(folder.relative_to(root)),
            files=sum(len(names) for _, _, names in os.walk(folder)),
            bytes=size(folder),
        )
        for folder in leaves
    ]


def _needed(case: Case, predictions: list[Segment]) -> int:
    """Bytes of one history of records, as large as those on disk, and of one retrain, as large as the largest."""
    monitor = case.settings.monitor if case.settings else MonitorSettings()
    lines = sum(segment.lines for segment in predictions)
    held = sum(size(case.metrics / kind) for kind in ("predictions", "actuals", "refused", "service"))
    line = held / lines if lines else BYTES_A_PREDICTION
    models, snapshots = (
        max((size(path) for path in (case.versions / name).glob("[!.]*")), default=0)
        for name in ("models", "training_data")
    )
    return int(line * max(monitor.history, monitor.window)) + models + snapshots


def _free(case: Case, needed: int) -> Iterator[Finding]:
    todo = "make room: `python main.py prune`, a smaller [monitor] history, or a larger disk"
    for folder in (case.versions, case.metrics):
        there = _existing(folder)
        disk, inodes = shutil.disk_usage(there), os.statvfs(there)
        if disk.free < max(needed, LEAST_FREE * disk.total):
            what = (
                f"{disk.free / GIB:.1f} GiB are free ({disk.free / disk.total:.0%}); one history and one retrain take "
                f"{needed / GIB:.1f} GiB, and {LEAST_FREE:.0%} should be free at any time"
            )
            yield _problem("disk", what, case.named(folder), todo)
        if inodes.f_files and inodes.f_favail < LEAST_FREE * inodes.f_files:
            yield _problem("disk", f"room for {inodes.f_favail} more files only", case.named(folder), todo)
        if there.stat().st_dev == _existing(case.metrics).stat().st_dev:
            return  # One disk for both.


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _base_data(case: Case) -> Iterator[Finding]:
    source = case.settings.model.data if case.settings else ""
    path = case.root / source
    if source.lower().endswith((".csv", ".csv.gz", ".parquet", ".pq")) and not os.access(path, os.R_OK):
        found = "cannot be read" if path.exists() else "is not there"
        yield _problem(
            "settings", f"[model] data = {source!r} {found}", str(path), "put it there: no retrain runs without"
        )


def _database(case: Case) -> Iterator[Finding]:
    """Whether what is recorded can be shared, if it is to be."""
    if case.settings is None or case.settings.metrics.url is None:
        return
    from workbench.database import Database

    database = Database(case.settings.metrics.url, case.settings.metrics.schema_name)
    try:
        with database.transaction(read_only=True):
            pass
    except DatabaseAway as error:
        yield _problem("settings", str(error), FILE, "start it, or mend [metrics] url; until then records wait here")
    database.close()
    if (case.metrics / MOVED_BACK).exists():
        what = "[metrics] url is set, and everybody's records were moved back here"
        yield _problem("settings", what, FILE, "take [metrics] url out: what lies here is all there is")


def _permissions(case: Case) -> Iterator[Finding]:
    for folder in (case.root, *_folders(case.root)):
        if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            todo = f"run as its owner, or give this user the right (`chmod u+rwx {folder}`, or chown)"
            yield _problem("permissions", "this user cannot write into it", case.named(folder), todo)
        elif folder != case.root and folder.stat().st_mode & stat.S_IWOTH:
            what = "every user of this machine can write into it; a model is a pickle, and runs what it is told"
            yield _problem("permissions", what, case.named(folder), f"chmod o-w {folder}")
    tokens = [case.root / TOKEN, case.root / VIEWER_FILE]
    if case.settings and case.settings.service.predict_token_file:
        tokens.append(case.root / case.settings.service.predict_token_file)
    for token in tokens:
        if token.exists() and token.stat().st_mode & 0o077:
            what = f"others than its owner may read the token (mode {token.stat().st_mode & 0o777:04o}, not 0600)"
            todo = f"chmod 600 {token}; and a new one, if somebody may have seen it (`python main.py token --rotate`)"
            yield _problem("permissions", what, case.named(token), todo)
    key = case.root / HASH_KEY_FILE
    if key.exists() and key.stat().st_mode & 0o077:
        what = "others than its owner may read the key of hashed inputs, and find out values by trying them"
        yield _problem("permissions", what, case.named(key), f"chmod 600 {key}")


def _locks(case: Case, held: list[Lock]) -> Iterator[Finding]:
    held += locks_of.look(case.root)
    for lock in held:
        if lock.pid is not None and locks_of.stopped(lock.pid):
            what = f"{lock.what} holds it, as process {lock.pid}, which was halted"
            yield _problem("locks", what, lock.path, f"let it go on (`kill -CONT {lock.pid}`), or end it")


def _jobs(case: Case) -> Iterator[Finding]:
    folder = case.metrics / "jobs"

    def look(path: Path) -> Iterator[Finding]:
        try:
            job = msgspec.json.decode(path.read_bytes(), type=Job)
        except ValueError as error:
            yield _problem("jobs", f"is no job: {error}", case.named(path), "delete it")
            return
        if job.state in OPEN and not alive(job):
            what = f"says {job.state!r}, but its process {job.pid} is gone; see {job.id}.log"
            todo = "the maintainer writes its end down: start it with `python main.py serve`; then retrain, if need be"
            yield _problem("jobs", what, case.named(path), todo)
        if job.started_at > utc_text(case.clock() + AHEAD):
            what = f"started in the future, at {job.started_at}"
            yield _problem("clock", what, case.named(path), "set the clock right")

    if folder.exists():
        yield from each(case, "jobs", listing(folder, ".json"), look, case.named(folder))
