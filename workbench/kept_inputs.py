"""What of the inputs is kept: a feature's values raw, as keyed hashes, or not at all ([store]).

Rows pass here on their way in. Whatever lies behind (models, records, snapshots, reports) has never seen more, and so
cannot write it down. A hash is a text that begins with what tells its key: it passes a second time unchanged.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.errors import CorruptVersion, SettingsError
from workbench.records import Feature, Kind, Schema, Value
from workbench.rows import is_hash
from workbench.settings import Settings
from workbench.tokens import HASH_KEY_FILE, hash_key

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row", bound=Mapping[str, Any])


@dataclass(frozen=True)
class Keeper:
    """Makes of inputs what is kept of them.

    Parameters
    ----------
    hashed, dropped : names of features
    key : bytes
        Of the hashes. Without it, a value of a small domain could be found by hashing all of them.

    Examples
    --------
    >>> keeper = Keeper(hashed=frozenset({"card"}), dropped=frozenset({"name"}), key=b"secret")
    >>> keeper.rows([{"km": 1.5, "name": "Ada", "card": "4711"}])
    [{'km': 1.5, 'card': '#f8793726:437554dbd54a27d1'}]
    """

    hashed: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    key: bytes = b""

    @cached_property
    def key_name(self) -> str:
        """What tells the key from others, and does not tell the key."""
        return hashlib.blake2b(b"name of the key", digest_size=4, key=self.key).hexdigest()

    def rows(self, rows: Sequence[Row]) -> Sequence[Row | dict[str, Value]]:
        """Rows as they are kept: the very same where nothing is kept out."""
        return [self._row(row) for row in rows] if self.hashed or self.dropped else rows

    def _row(self, row: Mapping[str, Any]) -> dict[str, Value]:
        return {
            name: self.value(name, value) if name in self.hashed else value
            for name, value in row.items()
            if name not in self.dropped
        }

    def value(self, name: str, value: Any) -> str | None:
        """The hash of a value of a feature; None of a missing one. 7 and 7.0 have the same, and so have true and 1."""
        if value is None or value != value:
            return None
        if is_hash(value) and not self.foreign(name, value):
            return str(value)
        said = f"{name}\0{_text(value)}".encode("utf-8", "surrogatepass")
        return f"#{self.key_name}:{hashlib.blake2b(said, digest_size=8, key=self.key).hexdigest()}"

    def foreign(self, name: str, value: Any) -> bool:
        """Whether a value on record is a hash that says nothing here: by another key, or the feature is not hashed."""
        return is_hash(value) and not (name in self.hashed and value.startswith(f"#{self.key_name}:"))

    def frame(self, frame: pd.DataFrame, kinds: Mapping[str, Kind]) -> pd.DataFrame:
        """A frame as it is kept: the very same where nothing is kept out.

        Parameters
        ----------
        kinds : mapping of feature to kind
            As which the values of hashed features are asked.
        """
        if not self.hashed and not self.dropped:
            return frame
        kept = frame[[name for name in frame.columns if name not in self.dropped]]
        return kept.assign(**{n: self._column(kept[n], kinds[n]) for n in kept.columns if n in self.hashed})

    def _column(self, column: pd.Series, kind: Kind) -> pd.Series:
        import pandas as pd

        there = column[column.notna()].astype(object)
        codes, values = pd.factorize(there.map(str) if kind == "categorical" else there)
        hashes = pd.Series([self.value(str(column.name), value) for value in values], dtype=object)
        kept = pd.Series(None, index=column.index, dtype=object)
        kept[column.notna()] = hashes.to_numpy()[codes]
        return kept

    def recorded(self, frame: pd.DataFrame, kinds: Mapping[str, Kind]) -> pd.DataFrame:
        """As `frame`, of inputs that were recorded under whichever settings: hashes that say nothing are missing."""
        import pandas as pd

        told = {}
        for name in frame.columns:
            column = frame[name]
            if not pd.api.types.is_numeric_dtype(column):
                foreign = [value for value in pd.unique(column) if self.foreign(name, value)]
                if foreign:
                    told[name] = column.astype(object).mask(column.isin(foreign), None)
        return self.frame(frame.assign(**told), kinds)

    def schema(self, asked: Schema, kept: pd.DataFrame) -> Schema:
        """What a version takes that learns from a frame that is kept, where clients send what `asked` says.

        Raises
        ------
        SettingsError
            If [store] names what is no feature, or leaves none.
        """
        # Here, and not above: a worker that answers rows does not need pandas.
        from workbench.features import categories

        unknown = sorted((self.hashed | self.dropped) - set(asked.names))
        if unknown:
            raise SettingsError(f"[store] names {unknown[0]!r}, which is no feature; they are {', '.join(asked.names)}")
        features = tuple(
            Feature(name=f.name, kind="categorical", categories=categories(kept[f.name]), hashed=f.kind)
            if f.name in self.hashed
            else f
            for f in asked.features
            if f.name not in self.dropped
        )
        if not features:
            raise SettingsError('[store] is "none" for every feature; there is nothing left to learn from')
        return Schema(
            task=asked.task,
            target=asked.target,
            time=asked.time,
            features=features,
            dropped=tuple(name for name in asked.names if name in self.dropped),
            hash_key=self.key_name if self.hashed else None,
        )


RAW = Keeper()


def of_settings(settings: Settings) -> Keeper:
    """What is to be kept from now on; makes the key if it is needed and there is none.

    Raises
    ------
    WorkbenchError
        If the key's file is damaged.
    """
    hashed, dropped = (frozenset(n for n, how in settings.store.items() if how == out) for out in ("hashed", "none"))
    return Keeper(hashed, dropped, hash_key(settings.root) if hashed else b"")


def of_version(schema: Schema, root: Path) -> Keeper:
    """What a version takes, whatever the settings say by now.

    Raises
    ------
    CorruptVersion
        If its features are hashed with another key than that of the workspace.
    """
    hashed = frozenset(f.name for f in schema.features if f.hashed is not None)
    if not hashed:
        return Keeper(dropped=frozenset(schema.dropped)) if schema.dropped else RAW
    there = (root / HASH_KEY_FILE).exists()
    keeper = Keeper(hashed, frozenset(schema.dropped), hash_key(root) if there else b"")
    if keeper.key_name != schema.hash_key:
        raise CorruptVersion(
            f"it takes {', '.join(sorted(hashed))} hashed with the key {schema.hash_key}, and {HASH_KEY_FILE} "
            f"{f'is the key {keeper.key_name}' if there else 'is not there'}; copy that file from the workspace it "
            f"comes from, or train a new version"
        )
    return keeper


def asked_kinds(schema: Schema) -> dict[str, Kind]:
    """The kind of value that is asked of each feature."""
    return {f.name: f.hashed or f.kind for f in schema.features}


def _text(value: Any) -> str:
    if isinstance(value, str) or not isinstance(value, Real):
        return str(value)
    number = float(value)
    return str(int(number)) if math.isfinite(number) and number.is_integer() else repr(number)
