"""The files of published versions, as their manifests tell them: nothing is read whose sha256 is another.

A version exists from the moment its manifest does, and until its manifest goes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from workbench.errors import CorruptVersion, UnknownVersion
from workbench.files import sha256
from workbench.live_pointer import LivePointer
from workbench.version_ids import VERSION_ID


class VersionFiles:
    """Of one workspace.

    Parameters
    ----------
    folder : path of versions/
    pointer : LivePointer
        Its log knows versions whose files are gone.
    """

    def __init__(self, folder: Path, pointer: LivePointer) -> None:
        self.folder = folder
        self._pointer = pointer

    def names(self) -> list[str]:
        """Ids of the published versions, sound or not, in the order of their names."""
        return sorted(path.stem for path in (self.folder / "manifests").glob("[!.]*.json"))

    def manifest(self, version_id: str) -> Path:
        return self.folder / "manifests" / f"{version_id}.json"

    def path(self, version_id: str, name: str = "") -> Path:
        """The folder of a version's files, or one of them."""
        return self.folder / "models" / version_id / name

    def published(self, version_id: str) -> bool:
        return self.manifest(version_id).exists()

    def was_live(self, version_id: str) -> bool:
        """Whether the promotion log knows it: records may then bear its name, whether its files are there or not."""
        return any(promotion.version_id == version_id for promotion in self._pointer.log())

    def hashes(self, version_id: str) -> dict[str, str]:
        """The sha256 of each of a version's files.

        Raises
        ------
        UnknownVersion, CorruptVersion
        """
        path = self.manifest(version_id)
        if not VERSION_ID.fullmatch(version_id) or not path.exists():
            raise UnknownVersion(self._unknown(version_id))
        if not path.is_file():
            raise CorruptVersion(f"{version_id}: its manifest is no plain file; restore it from a copy")
        try:
            told = path.read_bytes()
        except FileNotFoundError as error:
            raise UnknownVersion(self._unknown(version_id)) from error
        try:
            return msgspec.json.decode(told, type=dict[str, str])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CorruptVersion(
                f"{version_id}: its manifest is damaged: {error}; restore {path.parent.name}/{path.name} from a copy, "
                f"or train a new version"
            ) from error

    def check(self, version_id: str) -> None:
        """Raise CorruptVersion unless all files are what the manifest says."""
        for name, told in self.hashes(version_id).items():
            self._check(version_id, name, told)

    def content(self, version_id: str, name: str) -> bytes:
        """What a file holds, read once: these very bytes have the sha256 that the manifest says.

        Raises
        ------
        UnknownVersion, CorruptVersion
        """
        told = self.hashes(version_id).get(name)
        path = self._own(version_id, name)
        try:
            data = path.read_bytes() if path.is_file() else None
        except FileNotFoundError:
            data = None
        self._compare(version_id, name, "no file" if data is None else hashlib.sha256(data).hexdigest(), told)
        return data or b""

    def read(self, version_id: str, name: str, kind: Any) -> Any:
        """A file's content, checked against the manifest.

        Raises
        ------
        UnknownVersion, CorruptVersion
        """
        try:
            return msgspec.json.decode(self.content(version_id, name), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CorruptVersion(f"{version_id}: {name} is of a form this release does not read: {error}") from error

    def read_new(self, version_id: str, name: str, kind: Any) -> Any:
        """As `read`; None for a version of an older release, which has no such file."""
        return self.read(version_id, name, kind) if name in self.hashes(version_id) else None

    def _own(self, version_id: str, name: str) -> Path:
        """A file's path, if no link leads to it."""
        path = self.path(version_id, name)
        if path.is_symlink() or path.parent.is_symlink():
            # Whoever owns what it leads to could change it after it was checked.
            raise CorruptVersion(f"{version_id}: {name} is reached by a link; put the file itself there")
        return path

    def _check(self, version_id: str, name: str, told: str) -> None:
        path = self._own(version_id, name)
        try:
            found = sha256(path) if path.is_file() else "no file"
        except FileNotFoundError:
            found = "no file"
        self._compare(version_id, name, found, told)

    def _compare(self, version_id: str, name: str, found: str, told: str | None) -> None:
        if found == "no file" and not self.published(version_id):
            # Pruned between two looks.
            raise UnknownVersion(self._unknown(version_id))
        if found != told:
            told = told or "nothing of it"
            raise CorruptVersion(
                f"{version_id}: {name} has sha256 {found}, the manifest says {told}; "
                f"restore the file from a copy, or train a new version"
            )

    def _unknown(self, version_id: str) -> str:
        newest = max(self.names(), default="none")
        if self.was_live(version_id):
            return (
                f"version {version_id!r} was live once, but its files are gone from {self.folder.name}/ (newest: "
                f"{newest}); restore them and its manifest from a copy; `python main.py compare` tells what it did"
            )
        return (
            f"no version {version_id!r} in {self.folder.name}/ (newest: {newest}); "
            f"list them with `python main.py versions`"
        )
