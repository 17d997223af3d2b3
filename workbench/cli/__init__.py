"""The command line: `python main.py ...`, a file a family of commands; imports wait until a command needs them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workbench.cli import (
    backtest,
    bench,
    housekeeping,
    init,
    migrate,
    replay,
    serve,
    sides,
    steer,
    train,
    up,
    versions,
    watch,
)
from workbench.errors import WorkbenchError
from workbench.files import for_owner_alone

app = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keep a scikit-learn ensemble healthy in production. Without a command: train a version.",
)


@app.callback(invoke_without_command=True)
def door(
    context: typer.Context,
    root: Annotated[
        str | None,
        typer.Option(
            "--root", help="Workspace folder (workbench.toml, versions/, metrics/); default: here, or WORKBENCH_ROOT."
        ),
    ] = None,
    version_id: Annotated[
        str | None, typer.Option("--version_id", help="Train a version of this id; default: the UTC time.")
    ] = None,
    promote: Annotated[str, typer.Option(help="gate: live if it beats the live version; always; never.")] = "gate",
) -> None:
    context.obj = root
    if context.invoked_subcommand is None:
        train.train(context, version_id=version_id, promote=promote)
    elif version_id is not None or promote != "gate":
        raise WorkbenchError(
            f"--version_id and --promote stand behind the command: {context.invoked_subcommand} --version_id=..."
        )


for family in (train, init, serve, up, replay, watch, versions, sides, steer, backtest, housekeeping, migrate, bench):
    family.register(app)


def main() -> None:
    """Run the command line; errors that a person can mend are one line and exit code 2."""
    for_owner_alone()
    try:
        app()
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except BrokenPipeError:
        raise SystemExit(1) from None
    except OSError as error:
        # A disk that is full or broken, a folder that others own.
        print(f"error: {error.strerror or error}: {error.filename or 'a file'}", file=sys.stderr)
        raise SystemExit(2) from error
