"""Where the metadata of two versions differ: how they were made, and what they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from workbench.records import Metadata, Schema
from workbench.whatif_result import Differs

# What is told elsewhere, or of each version its own.
NOT_SET_BESIDE = ("version_id", "metrics", "champion_metrics", "candidates", "gate", "features", "notes")
CATEGORIES_SHOWN = 10


def differences(a: Metadata, b: Metadata) -> Iterator[Differs]:
    """The fields of the metadata in which two versions differ, nested ones by dotted names.

    `features.<name>` is the kind of an input; where only its categories differ, `features.<name>.categories` has those
    that the other does not know, up to ten.
    """
    sides = [dict(_flat(msgspec.to_builtins(m))) for m in (a, b)]
    for field in dict.fromkeys([*sides[0], *sides[1]]):
        first, second = (side.get(field) for side in sides)
        if first != second:
            yield Differs(field=field, a=first, b=second)
    yield from _features(a.features, b.features)


def _flat(told: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in told.items():
        if not above and name in NOT_SET_BESIDE:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _features(a: Schema, b: Schema) -> Iterator[Differs]:
    sides = [{f.name: f for f in schema.features} for schema in (a, b)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        first, second = (side.get(name) for side in sides)
        if first is None or second is None or first.kind != second.kind:
            yield Differs(field=f"features.{name}", a=first.kind if first else None, b=second.kind if second else None)
        elif first.categories != second.categories:
            alone = [
                sorted(set(one.categories) - set(other.categories))[:CATEGORIES_SHOWN]
                for one, other in ((first, second), (second, first))
            ]
            yield Differs(field=f"features.{name}.categories", a=alone[0], b=alone[1])
