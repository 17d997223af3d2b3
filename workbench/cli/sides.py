"""`whatif`; and how two versions are printed beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.quality import bounded
from workbench.cli.show import Aside, Json, Rows, beside, number, print_json, print_table, when

if TYPE_CHECKING:
    from workbench.whatif_result import Agreement, Paired, SideBySide, WhatIf

CLASSES_SHOWN = 10


def register(app: typer.Typer) -> None:
    app.command("whatif")(ask)


def ask(
    context: typer.Context,
    version_id: Annotated[str, typer.Argument(help="As `versions` lists it.")],
    rows: Rows = None,
    most: Annotated[int, typer.Option(help="How many of the rows that change most are shown, up to 100.")] = 10,
    as_json: Json = False,
    aside: Aside = False,
) -> None:
    """What a version would have said to the recorded inputs: agreement, rows that change most, errors, time per row."""
    from workbench.bars import AT_ONCE_S, Bar
    from workbench.metrics_store import MetricsStore
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore
    from workbench.whatif import whatif

    with beside(aside):
        settings = load_settings(context.obj)
        metrics, store = MetricsStore.of(settings), VersionStore.of(settings)
        with Bar(delay=AT_ONCE_S) as bar:
            found = whatif(settings, metrics, store, version_id, n=rows, most=most, progress=bar.step)
        print_json(found) if as_json else _print_whatif(found)


def _print_whatif(found: WhatIf) -> None:
    by = ", ".join(f"{version} ({rows:,} rows)" for version, rows in found.answered_by.items())
    print(f"{found.version} over the last {found.n:,} recorded inputs, {when(found.start)} to {when(found.end)}")
    print(f"recorded by {by}")
    print(found.sentence)
    _print_agreement(found.agreement, "recorded", found.version)
    if found.paired:
        _print_paired(found.paired, "recorded", found.version)
        _print_seen(found.labelled, found.seen)
    if found.changed:
        names = list(dict.fromkeys(name for row in found.changed for name in row.inputs))
        print_table(
            f"the {len(found.changed)} rows that change most",
            ["prediction", "event time", "answered by", "recorded", "what-if", "change", "actual", *names],
            (
                (
                    row.prediction_id,
                    when(row.event_time),
                    row.version,
                    _cell(row.recorded),
                    _cell(row.whatif),
                    number(row.change, 3),
                    _cell(row.actual) + (" (seen)" if row.seen else ""),
                    *(_cell(row.inputs.get(name)) for name in names),
                )
                for row in found.changed
            ),
        )
    print(f"one row takes {number(found.row_ms, 3)} ms alone, {number(found.batch_row_ms, 3)} ms among many")


def print_sides(found: SideBySide) -> None:
    """Two versions: where they differ, what they scored and served, what both say to the same inputs."""
    sides = (found.a, found.b)
    ids = tuple(side.metadata.version_id for side in sides)
    names = list(dict.fromkeys(name for side in sides for name in side.metadata.metrics))
    print_table(
        "side by side",
        ["", *ids],
        [
            *((d.field, _cell(d.a), _cell(d.b)) for d in found.differences),
            ("gate", *(side.metadata.gate.sentence for side in sides)),
            *((f"{name} when made", *(number(s.metadata.metrics.get(name)) for s in sides)) for name in names),
            ("predictions", *(f"{s.traffic.predictions:,}" for s in sides)),
            ("actuals", *(f"{s.traffic.labelled:,}" for s in sides)),
            (f"{found.metric} served", *(bounded(s.traffic.served, found.metric) for s in sides)),
            ("went live", *("\n".join(when(start) for start, _ in s.traffic.live) or "never" for s in sides)),
        ],
    )
    print("each when made and served is over rows of its own; what both say to the same inputs is below")
    same = found.same_inputs
    if same:
        print(f"both over the last {same.n:,} recorded inputs, {when(same.start)} to {when(same.end)}")
    print(found.sentence)
    if same is None:
        return
    _print_agreement(same.agreement, *ids)
    if same.paired:
        _print_paired(same.paired, *ids)
        _print_seen(same.labelled, same.seen)
    told = (f"{name} {number(ms, 3)} ms" for name, ms in zip(ids, same.row_ms, strict=True))
    print(f"one row takes {', '.join(told)}")


def _print_agreement(found: Agreement, first: str, second: str) -> None:
    if found.confusion and len(found.classes) <= CLASSES_SHOWN:
        print_table(
            f"class by {first} (down), by {second} (across)",
            ["", *found.classes],
            ((name, *row) for name, row in zip(found.classes, found.confusion, strict=True)),
        )


def _print_paired(found: Paired, first: str, second: str) -> None:
    print_table(
        f"{'SEEN IN TRAINING: ' if found.seen else ''}on the same {found.n:,} actuals, {when(found.start)} to "
        f"{when(found.end)} (in brackets: paired 95 % interval, each for itself)",
        ["", first, second, "difference", f"{second} is"],
        (
            (
                m.metric,
                number(m.first),
                number(m.second),
                number(m.difference, 3) + _bounds((m.low, m.high)),
                m.verdict or "-",
            )
            for m in found.metrics
        ),
    )


def _bounds(bounds: Sequence[float | None]) -> str:
    return "" if None in bounds else f" ({number(bounds[0], 3)} to {number(bounds[1], 3)})"


def _print_seen(labelled: int, seen: int) -> None:
    print(f"of {labelled:,} labelled rows, {seen:,} are not newer than what a version has learnt or been chosen from")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    return "-" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
