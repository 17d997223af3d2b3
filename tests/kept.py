"""Workspaces with many versions, made without a training for each: the files of one under other names and times."""

import shutil
from datetime import timedelta
from pathlib import Path

import msgspec

from tests.conftest import NOON
from workbench.files import sha256
from workbench.records import Metadata
from workbench.settings import Settings
from workbench.version_store import VersionStore


def clone(store: VersionStore, name: str, *, days: float = 0, snapshot: bytes | None = None, of: str = "first") -> None:
    """A version with the files of another one, created so many days after noon of 1 January 2031."""
    folder = store.folder / "models" / name
    shutil.copytree(store.folder / "models" / of, folder)
    told = msgspec.json.decode((folder / "metadata.json").read_bytes(), type=Metadata)
    created = (NOON.replace(year=2031) + timedelta(days=days)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    told = msgspec.structs.replace(told, version_id=name, created_at=created)
    if snapshot is not None:
        path = store.folder / "training_data" / "new"
        path.write_bytes(snapshot)
        digest = sha256(path)
        path.rename(path.with_name(f"{digest}.parquet"))
        data = msgspec.structs.replace(told.training_data, sha256=digest)
        told = msgspec.structs.replace(told, training_data=data)
    (folder / "metadata.json").write_bytes(msgspec.json.encode(told))
    seal(store, name)


def seal(store: VersionStore, name: str) -> None:
    """A manifest of what lies there."""
    folder = store.folder / "models" / name
    hashes = {path.name: sha256(path) for path in folder.iterdir()}
    (store.folder / "manifests" / f"{name}.json").write_bytes(msgspec.json.encode(hashes))


def snapshots(store: VersionStore) -> list[str]:
    return sorted(path.name for path in (store.folder / "training_data").iterdir())


def many(settings: Settings, count: int, *, days: float = 0) -> VersionStore:
    """`first` is live; v01, v02, ... never were: newer unless shifted by `days`, each of training rows of its own."""
    store = VersionStore(settings.versions_dir)
    for i in range(1, count + 1):
        clone(store, f"v{i:02d}", days=days + i, snapshot=f"rows of {i}".encode())
    return store


def files(root: Path) -> dict[str, bytes]:
    """Every file below a folder with what is in it, but locks."""
    paths = (p for p in sorted(root.rglob("*")) if p.is_file() and p.suffix != ".lock")
    return {str(p.relative_to(root)): p.read_bytes() for p in paths}
