"""versions/: immutable versions; published whole or not at all, checked before they are loaded.

A version exists from the moment its manifest does. Its files are built aside, renamed into the folder that claimed the
id, and then listed with their sha256 in the manifest.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import msgspec

from workbench import loading
from workbench.errors import Busy, CorruptVersion, DatabaseAway, UnknownVersion, VersionTaken
from workbench.evaluation import FeatureProfile, OutputProfile
from workbench.files import replace_whole, sha256, sync
from workbench.golden import Golden
from workbench.live_pointer import LivePointer
from workbench.loaded_version import LoadedVersion, Reference
from workbench.moments import utc_now
from workbench.records import Metadata, Pointer, Promotion
from workbench.served_version import ServedVersion
from workbench.version_files import VersionFiles
from workbench.version_ids import VERSION_ID, check_id, taken, was_taken

if TYPE_CHECKING:
    import pandas as pd

    from workbench.compiled import Compiled
    from workbench.database import Database
    from workbench.holdout import Holdout
    from workbench.settings import Settings
    from workbench.shelf import Shelf

log = logging.getLogger("workbench.versions")

BUILDING = ".building"


class VersionStore:
    """The versions of one workspace.

    Parameters
    ----------
    folder : path
        `versions/` of the workspace; made when first written.
    clock : callable returning an aware datetime
    shelf : Shelf, optional
        Where versions to answer from share their arrays with other processes.
    database : Database, optional
        Where several machines agree on what is live; without it the folder alone says so.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        clock: Callable[[], datetime] = utc_now,
        shelf: Shelf | None = None,
        database: Database | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.shelf = shelf
        self.clock = clock
        self.pointer = LivePointer(self.folder, clock=clock) if database is None else self._shared(database)
        self.files = VersionFiles(self.folder, self.pointer)

    @classmethod
    def of(
        cls, settings: Settings, clock: Callable[[], datetime] = utc_now, *, shelf: Shelf | None = None
    ) -> VersionStore:
        """The store that settings describe, up to date with other machines if the shared database can be asked."""
        if settings.metrics.url is None:
            return cls(settings.versions_dir, clock=clock, shelf=shelf)
        from workbench.database import Database

        database = Database(settings.metrics.url, settings.metrics.schema_name)
        store = cls(settings.versions_dir, clock=clock, shelf=shelf, database=database)
        try:
            store.pointer.follow()
        except (DatabaseAway, UnknownVersion, Busy) as error:
            log.warning("%s", error)
        # Most never switch: no worker holds a connection for that.
        database.close()
        return store

    def _shared(self, database: Database) -> LivePointer:
        from workbench.shared_pointer import SharedPointer

        return SharedPointer(self.folder, database, lambda name: self.files.published(name), clock=self.clock)

    def retrain_lock(self) -> filelock.BaseFileLock:
        """Held by the one process that makes a version; the operating system frees it when that process ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self.folder / "retrain.lock")

    def deletion_lock(self) -> filelock.BaseFileLock:
        """Held by whoever deletes versions, or needs that none is deleted; taken before the retrain lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self.folder / "prune.lock")

    def retraining(self) -> bool:
        """Whether some process holds the retrain lock now."""
        try:
            with self.retrain_lock().acquire(blocking=False):
                return False
        except filelock.Timeout:
            return True

    def check_free(self, version_id: str) -> None:
        """Raise unless this can be a new version's id: VersionTaken if it is published, or was live once.

        A look before work is handed out; `claim`, which also knows what is being made, decides.
        """
        check_id(version_id)
        if self.files.published(version_id):
            raise VersionTaken(taken(version_id))
        if self.files.was_live(version_id):
            # Records of one name are of one model, also when its files are gone.
            raise VersionTaken(was_taken(version_id))

    def claim(self, version_id: str | None = None) -> str:
        """Reserve an id by an exclusive mkdir; without one, the time is the id and a later instant is tried if taken.

        Raises
        ------
        WorkbenchError
            If the id is malformed.
        VersionTaken
            If it exists, was live once, or another process is making it.
        """
        models = self.folder / "models"
        models.mkdir(parents=True, exist_ok=True)
        if version_id is not None:
            self.check_free(version_id)
            try:
                (models / version_id).mkdir()
            except FileExistsError as error:
                raise VersionTaken(taken(version_id)) from error
            return version_id
        while True:
            made = f"{self.clock():%Y%m%dT%H%M%S%fZ}"
            for attempt in ["", *(f"-{i}" for i in range(1, 100))]:
                try:
                    (models / (made + attempt)).mkdir()
                except FileExistsError:
                    continue
                return made + attempt

    def release(self, version_id: str) -> None:
        """Give a claim back, with what was built for it; does nothing to a published version."""
        if not self.files.published(version_id):
            shutil.rmtree(self._aside(version_id), ignore_errors=True)
            shutil.rmtree(self.folder / "models" / version_id, ignore_errors=True)

    def sweep(self) -> list[str]:
        """Release what killed trainings and prunes left; only for the holder of the retrain lock."""
        left = self.unpublished()
        for name in left:
            self.release(name)
        return left

    def unpublished(self) -> list[str]:
        """Ids that have files, but no manifest: being made, or left by a process that was killed."""
        models = self.folder / "models"
        if not models.exists():
            return []
        found = (p.name for p in models.iterdir() if p.is_dir())
        names = {n.removesuffix(BUILDING)[1:] if n.startswith(".") and n.endswith(BUILDING) else n for n in found}
        # What no version can be called is somebody else's.
        return sorted(n for n in names if VERSION_ID.fullmatch(n) and not self.files.published(n))

    def withdraw(self, version_id: str) -> bool:
        """Let a version cease to exist, unless the pointer names it; only for the holder of the retrain lock.

        Its manifest goes; its files are then what a killed training leaves, and `sweep` deletes them.

        Returns
        -------
        bool
            False if the version is live now, or is the one before.

        Raises
        ------
        CorruptVersion
            If the pointer is damaged, so that nobody knows what is live.
        """
        with self.pointer.held() as live:
            if live is not None and version_id in (live.version_id, live.previous):
                return False
            self.files.manifest(version_id).unlink(missing_ok=True)
            sync(self.folder / "manifests")
            return True

    def publish(
        self,
        metadata: Metadata,
        estimator: Any,
        *,
        profile: tuple[FeatureProfile, ...],
        outputs: OutputProfile,
        holdout: Holdout,
        error_model: Any,
        sample: pd.DataFrame,
        golden: Golden,
        compiled: Compiled | None = None,
    ) -> None:
        """Write a claimed version: all of it or, if anything fails, nothing."""
        import joblib

        version_id = metadata.version_id
        aside = self._aside(version_id)
        # The user of a notebook may let others read what they make; what a model has learnt is not theirs to read.
        aside.mkdir(mode=0o700)
        joblib.dump(estimator, aside / "model.joblib")
        if error_model is not None:
            joblib.dump(error_model, aside / "error_model.joblib")
        if compiled is not None:
            compiled.save(aside)
        sample.to_parquet(aside / "sample.parquet", index=False)
        files = {
            "metadata.json": metadata,
            "profile.json": profile,
            "outputs.json": outputs,
            "holdout.json": holdout,
            "golden.json": golden,
        }
        for name, content in files.items():
            (aside / name).write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))
        hashes = {path.name: sha256(path) for path in sorted(aside.iterdir())}
        for path in aside.iterdir():
            sync(path)
        # rename(2) replaces the empty folder that holds the claim.
        os.rename(aside, self.folder / "models" / version_id)
        sync(self.folder / "models")
        replace_whole(self.files.manifest(version_id), msgspec.json.format(msgspec.json.encode(hashes), indent=2))

    def ids(self) -> list[str]:
        """Published versions, oldest first."""
        return [metadata.version_id for metadata in self.all()]

    def all(self) -> list[Metadata]:
        """Metadata of the published versions, oldest first; a damaged one is left out here and named by `metadata`."""
        found = []
        for name in self.files.names():
            try:
                found.append(self.metadata(name))
            except (CorruptVersion, UnknownVersion):
                continue
        return sorted(found, key=lambda m: (m.created_at, m.version_id))

    def metadata(self, version_id: str) -> Metadata:
        """A version's metadata, checked against its manifest.

        Raises
        ------
        UnknownVersion, CorruptVersion
        """
        return self.files.read(version_id, "metadata.json", Metadata)

    def profile(self, version_id: str) -> tuple[FeatureProfile, ...]:
        """A version's reference, feature by feature; checked against its manifest."""
        return self.files.read(version_id, "profile.json", tuple[FeatureProfile, ...])

    def reference(self, version_id: str) -> Reference:
        """What a version is measured by, without loading it; checked against its manifest.

        Raises
        ------
        UnknownVersion, CorruptVersion
        """
        return loading.reference(self.files, version_id)

    def load(self, version_id: str) -> LoadedVersion:
        """A version in memory: hashes first, then the pickle, then its golden predictions.

        Raises
        ------
        UnknownVersion
        CorruptVersion
            If a file is missing or changed, cannot be loaded, or answers otherwise than when it was published.
        """
        return loading.load(self.files, version_id)

    def serve(self, version_id: str) -> ServedVersion:
        """A version to answer from; of its files those that this takes are checked, and its golden predictions.

        Raises
        ------
        UnknownVersion, CorruptVersion
        """
        return loading.served(self.files, version_id, self.shelf)

    def live(self) -> Pointer | None:
        """The pointer, or None while nothing is live."""
        return self.pointer.read()

    def live_id(self) -> str | None:
        """The live version's id; None also while the pointer is damaged, which a switch mends."""
        try:
            live = self.live()
        except CorruptVersion:
            return None
        return live.version_id if live else None

    def activate(self, version_id: str, *, by: str, reason: str, generation: int | None = None) -> Promotion:
        """Make a version live, after it has proven itself; switching is replacing the pointer.

        Parameters
        ----------
        generation : int, optional
            Only if the pointer still has this generation (0: if nothing is live).

        Raises
        ------
        UnknownVersion, CorruptVersion, Busy
            The pointer stays as it was.
        """
        self.load(version_id)
        # It may have been pruned since it was loaded.
        still = partial(self.files.hashes, version_id)
        return self.pointer.switch(version_id, by=by, reason=reason, generation=generation, still=still)

    def rollback(self, *, by: str, reason: str, generation: int | None = None) -> Promotion:
        """Undo the last switch, or the one that made this generation; a second call undoes the first."""
        self.pointer.follow()
        live = self.live()
        if live is None or live.previous is None:
            raise UnknownVersion("there is no earlier version to go back to; `python main.py versions` lists them")
        return self.activate(live.previous, by=by, reason=reason, generation=generation)

    def _aside(self, version_id: str) -> Path:
        return self.folder / "models" / f".{version_id}{BUILDING}"
