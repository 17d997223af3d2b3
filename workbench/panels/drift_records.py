"""What the drift panel reads beyond a view: the reference's profiles, and recorded inputs as arrays."""

from __future__ import annotations

from workbench.errors import CorruptVersion, UnknownVersion
from workbench.evaluation import Evaluation, FeatureProfile
from workbench.other_windows import Recorded, rows_of
from workbench.panels.view import Reader
from workbench.records import Metadata

# Reading them takes some 2 kB each for a moment, and a page is to stay small.
MOST_ROWS = 5_000


class Records:
    """Reads when it is asked, and keeps what cannot change meanwhile.

    Parameters
    ----------
    reader : Reader
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._versions: dict[str, tuple[Metadata, tuple[FeatureProfile, ...]] | None] = {}
        self._recorded: tuple[object, int, Recorded] | None = None

    def profile(self, version_id: str) -> dict[str, FeatureProfile]:
        """A version's reference by feature; empty if its files are gone or damaged."""
        version = self._version(version_id)
        return {p.name: p for p in version[1]} if version else {}

    def recorded(self, newest: Evaluation, rows: int) -> Recorded:
        """The newest predictions on record, at least so many if there are; read once for each newest check."""
        rows = min(rows, MOST_ROWS)
        if self._recorded is None or self._recorded[0] != newest.id or self._recorded[1] < rows:
            self._recorded = newest.id, rows, self._read(rows)
        return self._recorded[2]

    def _read(self, rows: int) -> Recorded:
        # One more tells whether they are all there are.
        read = self.reader.metrics.asked(rows + 1)
        found = read[-rows:]
        known = {name: version for name in {p.version for p in found} if (version := self._version(name))}
        return Recorded(
            place={p.id: i for i, p in enumerate(found)},
            rows={name: rows_of(found, name, metadata.features) for name, (metadata, _) in known.items()},
            profiles={name: profile for name, (_, profile) in known.items()},
            switches=self.reader.versions.pointer.log(),
            whole=len(read) <= rows,
        )

    def _version(self, version_id: str) -> tuple[Metadata, tuple[FeatureProfile, ...]] | None:
        if version_id not in self._versions:
            versions = self.reader.versions
            try:
                self._versions[version_id] = versions.metadata(version_id), versions.profile(version_id)
            except (UnknownVersion, CorruptVersion):
                self._versions[version_id] = None
        return self._versions[version_id]
