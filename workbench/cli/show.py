"""How commands speak: a table or plain lines for people, `--json` for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer

from workbench.errors import WorkbenchError
from workbench.logs import printable

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Reason = Annotated[str, typer.Option(help="Kept in the log.")]
By = Annotated[str, typer.Option(hidden=True)]
Rows = Annotated[
    int | None, typer.Option("--rows", help="About how many recorded inputs, the newest; default: a window of them.")
]
Aside = Annotated[bool, typer.Option(hidden=True, help="Run by the service or a page.")]
NICENESS = 19


def step_aside() -> None:
    """The lowest priority, for work beside a service that answers."""
    os.nice(NICENESS)


@contextmanager
def beside(aside: bool) -> Iterator[None]:
    """Run for the service where `aside` says so: at the lowest priority, and an error tells its kind, too."""
    if not aside:
        yield
        return
    step_aside()
    try:
        yield
    except WorkbenchError as error:
        told = {"kind": type(error).__name__, "message": str(error)}
        sys.stderr.write(msgspec.json.encode(told).decode() + "\n")
        raise typer.Exit(2) from error


def print_json(value: Any) -> None:
    """A record, or anything JSON can hold, on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def _shown(text: str) -> str:
    """A text from data as a terminal may have it: it breaks lines and does nothing else."""
    return "\n".join(map(printable, text.split("\n")))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, not markup: what is printed may come from data.
        table.add_row(*(Text("" if cell is None else _shown(str(cell))) for cell in row))
    # Into a file or a pipe, the width of no terminal should fold the table.
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def number(value: float | None, digits: int = 4) -> str:
    """A figure for a table; a dash where there is none.

    >>> number(9.60312), number(None)
    ('9.603', '-')
    """
    return "-" if value is None else f"{value:.{digits}g}"


def when(text: str | None) -> str:
    """A stored time for a table, to the second.

    >>> when("2013-03-01T05:45:00.000000Z")
    '2013-03-01 05:45:00'
    """
    return "-" if not text else text[:19].replace("T", " ")
