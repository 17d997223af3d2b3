"""`doctor`, `prune`, `export`, `import`: a workspace is looked over, cleared of what has had its time, and moved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from workbench.bars import Bar
from workbench.cli.show import By, Json, print_json, print_table, when

MB = 2**20


def register(app: typer.Typer) -> None:
    app.command()(doctor)
    app.command()(prune)
    app.command()(export)
    # `import` is a word of Python's own.
    app.command(name="import")(import_)


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Look over everything in the workspace, and write nothing. Exit code 1 if something is to be done.

    Disk use, locks, records, times, versions against their manifests, the pointer, permissions, settings, libraries.
    """
    from workbench.doctor import examine

    with Bar(unit="B", unit_scale=True) as bar:
        found = examine(context.obj, progress=bar.step)
    if as_json:
        print_json(found)
    else:
        rows = ((use.folder, f"{use.files:,}", f"{use.bytes / MB:,.1f}") for use in found.disk)
        print_table(found.root, ["folder", "files", "MB"], rows)
        need = f"one history of records and one retrain take {found.needed_bytes / MB:,.0f} MB"
        print(f"{found.free_bytes / MB:,.0f} MB are free; {need}")
        print_table(
            "locks",
            ["lock", "held by", "process", "command"],
            ((k.path, k.what if k.held else "nobody", k.pid, k.command) for k in found.locks),
        )
        if found.findings:
            print_table(
                "findings",
                ["", "about", "what", "where", "what to do"],
                (("✖" if f.level == "problem" else "·", f.area, f.what, f.where, f.todo) for f in found.findings),
            )
        count = len(found.problems)
        print(
            "all is well" if found.healthy else f"{count} {'thing is' if count == 1 else 'things are'} to be done (✖)"
        )
    if not found.healthy:
        raise typer.Exit(1)


def prune(
    context: typer.Context,
    keep: Annotated[
        int | None, typer.Option(min=0, help="How many of the newest versions stay; default: [retrain] keep_versions.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete. Without it, only show what would go.")] = False,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Versions whose files do not match their manifests go, too.")
    ] = False,
    as_json: Json = False,
    by: By = "command line",
) -> None:
    """Delete old versions, training rows that none uses, and records beyond `history`; a dry run unless told --yes.

    The live version, the one before it, a pinned one and those that a retrain may bring back stay.
    """
    from workbench import housekeeping
    from workbench.metrics_store import MetricsStore
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    found = housekeeping.prune(
        settings,
        VersionStore.of(settings),
        MetricsStore.of(settings),
        keep=keep,
        yes=yes,
        damaged=damaged,
        by=by,
    )
    if as_json:
        print_json(found)
    else:
        went = "gone" if yes else "goes"
        print_table(
            f"{len(found.versions)} versions of {settings.model.name}",
            ["", "version", "created", "MB", "why"],
            (
                (went if f.goes else "stays", f.version_id, when(f.created_at), f"{f.bytes / MB:.1f}", f.why)
                for f in found.versions
            ),
        )
        if found.leftovers:
            rows = ((went, left.path, f"{left.bytes / MB:.1f}", left.why) for left in found.leftovers)
            print_table("besides", ["", "what", "MB", "why"], rows)
        for line in (*found.notes, *(f"could not be deleted: {told}" for told in found.failed), found.sentence):
            print(line)
    if found.failed:
        raise typer.Exit(1)


def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .tar.gz file that is not there yet.")],
    without_records: Annotated[
        bool, typer.Option("--without-records", help="Settings, versions and events alone.")
    ] = False,
    data_mb: Annotated[float, typer.Option(min=0, help="Base data in the workspace go along up to this size.")] = 100,
    as_json: Json = False,
) -> None:
    """Write the workspace into one file, whether the service runs or not; tokens never go along."""
    from workbench.settings import load_settings
    from workbench.transfer import export as export_workspace

    with Bar(unit="B", unit_scale=True) as bar:
        done = export_workspace(
            load_settings(context.obj), file, records=not without_records, data_mb=data_mb, progress=bar.step
        )
    if as_json:
        print_json(done)
        return
    for note in done.notes:
        print(f"note: {note}")
    print(f"{done.path}: {len(done.versions)} versions, {done.files} files, {done.bytes / MB:.1f} MB")


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="As `export` wrote it. Models are pickles: import your own.")],
    root: Annotated[
        str | None,
        typer.Option("--root", help="A folder without a workspace; default: that of --root before, or here."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a workspace of an export: all of it, after every hash was checked, or nothing."""
    from workbench.importing import import_workspace

    # Not as for other commands, which look for a workspace further up: here there is to be none yet.
    folder = root or context.obj or os.environ.get("WORKBENCH_ROOT") or "."
    with Bar(unit="B", unit_scale=True) as bar:
        done = import_workspace(file, folder, progress=bar.step)
    if as_json:
        print_json(done)
        return
    for note in done.notes:
        print(f"note: {note}")
    print(f"{done.root}: the workspace of {done.model} as it was at {when(done.exported_at)}, {done.files} files")
