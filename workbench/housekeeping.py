"""Which old versions go and why each of the others stays; and their deletion, which can be killed anywhere.

First the manifests go, each under the pointer's lock, so that a version ceases to exist at once and cannot go live
meanwhile; then an event tells of it; then the files. Whatever is left by a death in between has no manifest, is seen by
no reader, and goes with the next prune or the next training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import filelock
import msgspec

from workbench import retention
from workbench.blocks import seen_until
from workbench.errors import Busy, WorkbenchError
from workbench.features import comparable
from workbench.jobs import Jobs
from workbench.leftovers import Leftover, leftovers, size, unused_snapshots
from workbench.metrics_store import MetricsStore
from workbench.policy import lost_on_probation, on_probation
from workbench.records import Event, Metadata
from workbench.settings import Settings
from workbench.steering import steering
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore

PRUNED = "pruned"


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a version, and why; `created_at` is None where its metadata cannot be read."""

    version_id: str
    created_at: str | None
    bytes: int
    goes: bool
    why: str


class Pruning(msgspec.Struct, frozen=True, kw_only=True):
    """What goes, or is gone if `done`; `segments` of records went besides. `failed` says what could not be deleted."""

    keep: int
    versions: tuple[Fate, ...]
    leftovers: tuple[Leftover, ...]
    notes: tuple[str, ...] = ()
    done: bool = False
    segments: int = 0
    failed: tuple[str, ...] = ()

    @property
    def going(self) -> list[str]:
        return [fate.version_id for fate in self.versions if fate.goes]

    @property
    def bytes(self) -> int:
        """Of all that goes."""
        return sum(f.bytes for f in self.versions if f.goes) + sum(left.bytes for left in self.leftovers)

    @property
    def sentence(self) -> str:
        count, left, mb = len(self.going), len(self.leftovers), self.bytes / 2**20
        told = f"{count} {'version' if count == 1 else 'versions'} and {left} other {'file' if left == 1 else 'files'}"
        if not self.done:
            return f"dry run: nothing was deleted; with --yes {told} go ({mb:.1f} MB), and records beyond `history`"
        return f"deleted {told} ({mb:.1f} MB), and {self.segments} segments of records beyond `history`"


def prune(
    settings: Settings,
    versions: VersionStore,
    metrics: MetricsStore,
    *,
    keep: int | None = None,
    yes: bool = False,
    damaged: bool = False,
    by: str = "command line",
) -> Pruning:
    """Delete old versions, snapshots that no version uses, what killed processes left, and records beyond `history`.

    Parameters
    ----------
    keep : int, optional
        How many of the newest versions stay; default: [retrain] keep_versions.
    yes : bool
        Without it nothing is deleted: a dry run.
    damaged : bool
        Whether versions whose files are not what their manifests say go, too, unless the pointer or a pin names them.

    Raises
    ------
    Busy
        If a retrain, an export or another prune is under way.
    CorruptVersion
        If the live pointer is damaged: nobody knows then what is live.
    """
    keep = settings.retrain.keep_versions if keep is None else keep
    if keep < 0:
        raise WorkbenchError(f"keep = {keep} versions: it takes a number from 0 on")
    with _alone(settings, versions, metrics):
        found = _plan(settings, versions, metrics, keep, damaged)
        if not yes:
            return found
        found = _delete(settings.root, found, versions, metrics, by)
    training = TrainingStore(settings.versions_dir)
    segments = retention.prune(metrics, lambda rows: training.archive(rows, settings.retrain.labelled_rows))
    return msgspec.structs.replace(found, segments=segments)


@contextmanager
def _alone(settings: Settings, versions: VersionStore, metrics: MetricsStore) -> Iterator[None]:
    try:
        deletion = versions.deletion_lock().acquire(blocking=False)
    except filelock.Timeout as error:
        raise Busy("not pruned: an export or another prune is under way; wait for it") from error
    with deletion:
        try:
            retrain = versions.retrain_lock().acquire(timeout=2)
        except filelock.Timeout as error:
            raise Busy("not pruned: a retrain is under way; wait for it, or cancel it") from error
        with retrain:
            job = Jobs(settings, metrics).running()
            if job is not None:
                raise Busy(f"not pruned: the retrain job {job.id} is under way; wait for it, or cancel it")
            yield


def _plan(settings: Settings, versions: VersionStore, metrics: MetricsStore, keep: int, damaged: bool) -> Pruning:
    known, broken = _read(versions, thorough=damaged)
    stays = _stays(settings, versions, metrics, known, keep)
    fates = [
        Fate(
            version_id=m.version_id,
            created_at=m.created_at,
            bytes=size(versions.files.path(m.version_id)),
            goes=m.version_id not in stays,
            why=stays.get(m.version_id, f"older than the newest {keep}, and nothing needs it"),
        )
        for m in known
    ]
    fates += [
        Fate(
            version_id=name,
            created_at=None,
            bytes=size(versions.files.path(name)),
            goes=damaged and name not in stays,
            why=f"{stays[name]}; {why}" if name in stays else why if damaged else f"only with --damaged: {why}",
        )
        for name, why in broken.items()
    ]
    left, notes = _left(settings.root, versions, frozenset(f.version_id for f in fates if f.goes))
    return Pruning(keep=keep, versions=tuple(fates), leftovers=left, notes=notes)


def _stays(
    settings: Settings, versions: VersionStore, metrics: MetricsStore, known: list[Metadata], keep: int
) -> dict[str, str]:
    """Why versions stay, by id; of several reasons the weightiest."""
    live, events = versions.live(), metrics.events()
    why: dict[str, str] = {}
    if live is not None:
        tried = on_probation(events, live)
        why[live.version_id] = "live, on probation" if tried else "live"
        if live.previous is not None:
            why.setdefault(live.previous, "the version before: a rollback goes there")
    pinned = steering(events, live.version_id if live else None).pinned
    if pinned is not None:
        why.setdefault(pinned, "pinned")
    for name in _may_return(settings, versions, known, live.version_id if live else None, events):
        why.setdefault(name, "was live before: a retrain may bring it back ([retrain] past_versions)")
    for m in known[-keep:] if keep else ():
        why.setdefault(m.version_id, f"among the newest {keep}")
    return why


def _may_return(
    settings: Settings, versions: VersionStore, known: list[Metadata], live: str | None, events: Sequence[Event]
) -> list[str]:
    """Versions that `candidates.past` may let compete at some time, the latest live first.

    It takes the first so many that have seen nothing of the rows to compete on. Whatever these will be: before a
    version it takes, there are fewer than so many that have seen no more.
    """
    made = {m.version_id: m for m in known}
    asked = (settings.model.task, settings.model.target)
    lost = lost_on_probation(events)
    latest = dict.fromkeys(p.version_id for p in reversed(versions.pointer.log()))
    past = [
        made[n] for n in latest if n in made and n not in lost and n != live and (made[n].task, made[n].target) == asked
    ]
    ours = made[live].features if live in made else None
    seen = [seen_until(m, events) for m in past]
    fits = [ours is None or comparable(m.features, ours) for m in past]
    return [
        m.version_id
        for i, m in enumerate(past)
        if sum(fits[j] and seen[j] <= seen[i] for j in range(i)) < settings.retrain.past_versions
    ]


def _read(versions: VersionStore, *, thorough: bool) -> tuple[list[Metadata], dict[str, str]]:
    """Metadata of the versions, oldest first, and of each that is not sound, why; only its metadata are looked at
    unless thoroughly."""
    known, broken = [], {}
    for name in versions.files.names():
        try:
            told = versions.metadata(name)
            if thorough:
                versions.files.check(name)
            known.append(told)
        except (WorkbenchError, OSError) as error:
            broken[name] = str(error)
    return sorted(known, key=lambda m: (m.created_at, m.version_id)), broken


def _left(root: Path, versions: VersionStore, going: frozenset[str]) -> tuple[tuple[Leftover, ...], tuple[str, ...]]:
    left = leftovers(root, versions)
    try:
        return (*left, *unused_snapshots(root, versions, going=going)), ()
    except (WorkbenchError, OSError) as error:
        return tuple(left), (f"all training rows stay as long as a version cannot tell which are its own: {error}",)


def _delete(root: Path, found: Pruning, versions: VersionStore, metrics: MetricsStore, by: str) -> Pruning:
    fates, failed = [], []
    for fate in found.versions:
        if fate.goes:
            try:
                if not versions.withdraw(fate.version_id):
                    fate = msgspec.structs.replace(fate, goes=False, why="went live meanwhile")
            except OSError as error:
                fate = msgspec.structs.replace(fate, goes=False, why=f"could not be deleted: {error}")
                failed.append(f"{fate.version_id}: {error}")
        fates.append(fate)
    # Anew: what a version needs that went live meanwhile stays.
    left, notes = _left(root, versions, frozenset())
    done = {str((versions.files.path(f.version_id)).relative_to(root)): f for f in fates if f.goes}
    other = tuple(item for item in left if item.path not in done)
    gone = msgspec.structs.replace(found, versions=tuple(fates), leftovers=other, notes=notes, done=True)
    if gone.going or other:
        told = {"versions": gone.going, "leftovers": [item.path for item in other], "bytes": gone.bytes}
        reason = f"all but the newest {found.keep} and what is needed"
        metrics.append(Event(kind=PRUNED, reason=reason, by=by, data=told))
    versions.sweep()
    for item in left:
        try:
            (root / item.path).unlink(missing_ok=True)
        except OSError as error:
            if (root / item.path).exists():
                failed.append(f"{item.path}: {error}")
    # A prune is what a full disk needs: only now may there be room for the event.
    metrics.flush()
    return msgspec.structs.replace(gone, failed=tuple(failed))
