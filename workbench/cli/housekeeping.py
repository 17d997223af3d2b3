"""`prune`: what has had its time goes, after it was shown."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.show import By, Json, print_json, print_table, when

MB = 2**20


def register(app: typer.Typer) -> None:
    app.command()(prune)


def prune(
    context: typer.Context,
    keep: Annotated[
        int | None, typer.Option(min=0, help="How many of the newest versions stay; default: [retrain] keep_versions.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete. Without it, only show what would go.")] = False,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Versions whose metadata cannot be read go, too, unless one needs them.")
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
        VersionStore(settings.versions_dir),
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
