"""Are all versions what their manifests say, is the pointer right, and is there what they refer to?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import msgspec

from workbench.doctor_records import AHEAD
from workbench.errors import CorruptVersion, UnknownVersion, WorkbenchError
from workbench.findings import SHOWN, Case, Finding, each, listing, some
from workbench.leftovers import abandoned, size, unused_snapshots
from workbench.locks import is_held
from workbench.moments import utc_text
from workbench.records import Metadata, Pointer, Promotion
from workbench.version_ids import VERSION_ID
from workbench.version_store import VersionStore

MB = 2**20
RESTORE = "restore it from an export; or activate another version, and let `prune --damaged --yes` delete this one"
CHUNK = 1 << 20


def versions(case: Case, sound: set[str]) -> Iterator[Finding]:
    """Findings of every version; ids of those that are what their manifests say are put into a set besides."""
    store = VersionStore(case.versions)

    def look(path: Path) -> Iterator[Finding]:
        found = list(_version(case, store, path.stem))
        if _is_sound(found):
            sound.add(path.stem)
        # Pruned while it was looked at: all is well.
        yield from found if store.files.published(path.stem) else ()

    manifests = case.versions / "manifests"
    if manifests.exists():
        yield from each(case, "versions", listing(manifests, ".json"), look, case.named(manifests))
    if (case.versions / "models").exists():
        yield from _without_manifest(case, store)


def _is_sound(found: list[Finding]) -> bool:
    return not any(f.level == "problem" and f.area == "versions" for f in found)


def _version(case: Case, store: VersionStore, name: str) -> Iterator[Finding]:
    where, folder = f"versions/models/{name}", store.files.path(name)
    try:
        hashes = store.files.hashes(name)
    except (CorruptVersion, UnknownVersion) as error:
        yield Finding(area="versions", what=str(error), where=f"versions/manifests/{name}.json", todo=RESTORE)
        return
    missing = [file for file in hashes if not (folder / file).is_file()]
    if missing:
        what = "its files are missing" if len(missing) == len(hashes) else f"{some(missing)} is missing"
        yield Finding(area="versions", what=f"version {name}: {what}", where=where, todo=RESTORE)
    wrong = [file for file, told in hashes.items() if file not in missing and _hash(case, folder / file) != told]
    if wrong:
        what = f"version {name}: {some(wrong)} is not what the manifest says (sha256)"
        yield Finding(area="versions", what=what, where=where, todo=RESTORE)
    extra = [p.name for p in folder.iterdir() if p.name not in hashes] if folder.is_dir() else []
    if extra:
        yield Finding(
            area="versions",
            level="note",
            what=f"version {name}: {some(sorted(extra))} is on no manifest",
            where=where,
            todo="delete it if it is not yours: the workbench never reads it",
        )
    if "metadata.json" not in missing + wrong:
        yield from _metadata(case, store, name)


def _metadata(case: Case, store: VersionStore, name: str) -> Iterator[Finding]:
    where = f"versions/models/{name}/metadata.json"
    try:
        told = store.metadata(name)
    except WorkbenchError as error:
        yield Finding(area="versions", what=str(error), where=where, todo=RESTORE)
        return
    if told.version_id != name:
        what = f"version {name} says that it is version {told.version_id}"
        yield Finding(area="versions", what=what, where=where, todo=RESTORE)
    if told.created_at > utc_text(case.clock() + AHEAD):
        yield Finding(
            area="clock",
            what=f"version {name} was created in the future, at {told.created_at}",
            where=where,
            todo="set the clock right; until then it counts as the newest: `prune` spares it before newer ones",
        )
    snapshot = case.versions / "training_data" / f"{told.training_data.sha256}.parquet"
    if not snapshot.is_file():
        yield Finding(
            area="training",
            what=f"the training rows of version {name} are missing",
            where=case.named(snapshot),
            todo="restore the file from an export; without it a new version cannot be compared on those rows",
        )


def _without_manifest(case: Case, store: VersionStore) -> Iterator[Finding]:
    left = store.unpublished()
    # A training that is under way looks just like one that was killed.
    if left and not is_held(case.versions / "retrain.lock"):
        mb = sum(size(store.files.path(name)) for name in left) / MB
        yield Finding(
            area="versions",
            level="note",
            what=f"{some(left)}: models without a manifest ({mb:.1f} MB), left by a killed training or prune",
            where="versions/models",
            todo="nothing: the next training or `prune --yes` deletes them; or restore the manifest from an export",
        )
    strange = [p.name for p in listing(case.versions / "models") if not (p.is_dir() and VERSION_ID.fullmatch(p.name))]
    if strange:
        what = f"{some(strange)} is no version"
        yield Finding(area="versions", level="note", what=what, where="versions/models", todo="move it elsewhere")


def pointer(case: Case, sound: set[str]) -> Iterator[Finding]:
    """Findings of live.json and promotions.jsonl, read until both are of one moment."""
    store, where = VersionStore(case.versions), "versions/live.json"
    log = case.versions / "promotions.jsonl"
    for _ in range(3):
        try:
            live = store.live()
        except CorruptVersion as error:
            todo = "make a version live again: `python main.py activate ID` mends the pointer"
            yield Finding(area="pointer", what=str(error), where=where, todo=todo)
            return
        lines = log.read_bytes().split(b"\n") if log.is_file() else []
        if live == store.live():
            break
    if log.exists() and not log.is_file():
        todo = "move it elsewhere, and restore the file from an export"
        yield Finding(area="pointer", what="is no plain file", where=case.named(log), todo=todo)
    yield from _log(case, live, lines, switching=is_held(case.versions / "switch.lock"))
    if live is None:
        return
    known = set(store.files.names())
    for role, name in (("live version", live.version_id), ("version before the live one", live.previous)):
        # It may be newer than the look at all versions.
        if (
            name is not None
            and name not in sound
            and not (name in known and _is_sound(list(_version(case, store, name))))
        ):
            why = "is not what its manifest says" if name in known else "does not exist"
            todo = "activate a sound version, or restore this one from an export"
            what = f"the {role}, {name}, {why}"
            if role != "live version":
                todo = "a rollback would be refused: restore it from an export, or keep the live version"
            yield Finding(area="pointer", what=what, where=where, todo=todo)


def _log(case: Case, live: Pointer | None, lines: list[bytes], *, switching: bool) -> Iterator[Finding]:
    where, promotions, damaged = "versions/promotions.jsonl", [], 0
    for line in lines[:-1]:
        try:
            promotions.append(msgspec.json.decode(line, type=Promotion))
        except ValueError:
            damaged += 1
    if damaged:
        todo = "restore the file from an export: `versions --at` and what competes again are told by it"
        yield Finding(area="pointer", what=f"{damaged} of {len(lines) - 1} lines are damaged", where=where, todo=todo)
    if lines and lines[-1] and not switching:
        what = "its last line is torn: a switch was cut off while it was logged"
        todo = "nothing: the next switch writes it anew, on a line of its own"
        yield Finding(area="pointer", level="note", what=what, where=where, todo=todo)
    if any(later.generation <= earlier.generation for earlier, later in pairwise(promotions)):
        todo = "somebody edited or joined it: restore the file from an export"
        yield Finding(area="pointer", what="its generations do not grow", where=where, todo=todo)
    last = promotions[-1] if promotions else None
    told = (last.generation, last.version_id) if last else None
    found = (live.generation, live.version_id) if live else None
    if told != found and not switching and not (damaged and live and (not last or last.generation < live.generation)):
        behind = live is not None and (last is None or last.generation == live.generation - 1)
        shown = [f"generation {at[0]}, {at[1]}" if at else "nothing" for at in (found, told)]
        yield Finding(
            area="pointer",
            level="note" if behind else "problem",
            what=f"the pointer says {shown[0]}, the log's last line {shown[1]}",
            where=where,
            todo="nothing: a switch was cut off, and the next one completes the log"
            if behind
            else "activate the version that should be live: that writes both anew",
        )
    if last is not None and last.activated_at > utc_text(case.clock() + AHEAD):
        what = f"{last.version_id} went live in the future, at {last.activated_at}"
        todo = "set the clock right: probation and schedule count from that time"
        yield Finding(area="clock", what=what, where=where, todo=todo)


def training(case: Case) -> Iterator[Finding]:
    """Findings of the snapshots and of the labelled rows that were archived."""
    import pyarrow.parquet as pq

    def snapshot(path: Path) -> Iterator[Finding]:
        if _hash(case, path) != path.stem:
            todo = "restore it from an export; versions made from it cannot be compared on those rows"
            yield Finding(area="training", what="is not what its name says (sha256)", where=case.named(path), todo=todo)

    def labelled(path: Path) -> Iterator[Finding]:
        try:
            pq.read_metadata(path)
        except (ValueError, OSError) as error:
            todo = (
                "restore it from an export, or move it elsewhere: as long as it lies there no retrain can read the rows"
            )
            yield Finding(area="training", what=f"cannot be read: {error}", where=case.named(path), todo=todo)

    for name, look in (("training_data", snapshot), ("labelled", labelled)):
        folder = case.versions / name
        if folder.exists():
            yield from list(each(case, "training", listing(folder, ".parquet"), look, case.named(folder)))[:SHOWN]
    store = VersionStore(case.versions)
    if is_held(case.versions / "retrain.lock"):
        return
    left = [case.named(path) for path in abandoned(case.root)]
    # A version that cannot be read is a finding of its own.
    with suppress(WorkbenchError):
        left += [item.path for item in unused_snapshots(case.root, store)]
    if left:
        mb = sum(size(case.root / name) for name in left) / MB
        what = f"{len(left)} files that nothing uses ({mb:.1f} MB): {some(left)}"
        yield Finding(area="training", level="note", what=what, where="versions", todo="`python main.py prune --yes`")


def libraries(case: Case) -> Iterator[Finding]:
    """Whether the live version was trained with what is installed here."""
    from workbench.libraries import libraries as here

    store = VersionStore(case.versions)
    live = store.live_id()
    try:
        told: Metadata | None = store.metadata(live) if live else None
    except WorkbenchError:
        return  # Told by the examination of versions.
    found = here() if told else {}
    was = told.libraries if told else {}
    other = [f"{name} {version}, here {found.get(name)}" for name, version in was.items() if found.get(name) != version]
    if other:
        yield Finding(
            area="libraries",
            what=f"the live version {live} was trained with {'; '.join(other)}",
            where=f"versions/models/{live}/metadata.json",
            todo="train a new version here (`python main.py`), or install what requirements.lock says",
        )


def _hash(case: Case, path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
            case.read(len(data))
    return digest.hexdigest()
