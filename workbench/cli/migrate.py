"""`migrate`: records move from files to the shared database, or back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from workbench.cli.show import Json, print_json, print_table


class Way(StrEnum):
    json_to_postgres = "json-to-postgres"
    postgres_to_json = "postgres-to-json"


def register(app: typer.Typer) -> None:
    app.command()(migrate)


def migrate(
    context: typer.Context,
    way: Annotated[Way, typer.Argument(help="[metrics] url names the database, either way.")],
    as_json: Json = False,
) -> None:
    """Move records between files and the shared database; nothing is deleted, and every line is compared.

    Back, everything that all machines recorded is written here; end all services first, and take out [metrics] url
    afterwards.
    """
    from workbench.bars import Bar
    from workbench.moving import to_database, to_files
    from workbench.settings import load_settings

    settings = load_settings(context.obj)
    with Bar() as bar:
        moved = (to_database if way is Way.json_to_postgres else to_files)(settings, bar.step)
    if as_json:
        print_json(moved)
        return
    print_table(
        f"schema {settings.metrics.schema_name}",
        ["records", "in files", "in the database", "checksum"],
        ((m.kind, f"{m.files:,}", f"{m.database:,}", m.checksum_files[:12]) for m in moved),
    )
    if way is Way.postgres_to_json:
        print("all of it lies in metrics/ now: take [metrics] url out of the settings")
