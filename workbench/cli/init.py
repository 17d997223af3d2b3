"""`init` writes a commented workbench.toml from one's own data; `token` shows the maintenance token."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.template import TEMPLATE
from workbench.errors import SettingsError

if TYPE_CHECKING:
    import pandas as pd

MANY_VALUES = 20


def register(app: typer.Typer) -> None:
    for command in (init, token):
        app.command()(command)


def init(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="CSV or Parquet: one row a case, the target in a column.")],
    target: Annotated[str | None, typer.Option(help="Column to predict; default: the last one.")] = None,
    task: Annotated[str | None, typer.Option(help="regression or classification; default: by the target.")] = None,
    time: Annotated[
        str | None, typer.Option(help="Column of event times; default: the first that holds times.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace a workbench.toml that is there.")] = False,
) -> None:
    """Write a commented workbench.toml for your own data; then `python main.py` trains the first version."""
    from workbench.settings import FILE, find_root, load_settings
    from workbench.training_data import read_source

    # Not a workspace further up: a new one is made where one stands.
    root = find_root(context.obj or os.environ.get("WORKBENCH_ROOT") or Path.cwd())
    path = root / FILE
    if path.exists() and not force:
        raise SettingsError(f"{path} is there already; --force replaces it, --root DIR writes elsewhere")
    if task not in (None, "regression", "classification"):
        raise SettingsError(f"--task={task!r} is neither regression nor classification")
    where = data.resolve()
    frame = read_source(str(where), root, "DATA")
    for column in filter(None, (target, time)):
        if column not in frame.columns:
            raise SettingsError(f"{data} has no column {column!r}; it has {', '.join(map(str, frame.columns))}")
    time = time or _time_column(frame)
    rest = [str(c) for c in frame.columns if c != time]
    if len(rest) < 2:
        raise SettingsError(
            f"{data} has the columns {', '.join(map(str, frame.columns))}: a target and a feature are needed"
        )
    target = target or rest[-1]
    guessed = task or _task(frame[target])
    shown = os.path.relpath(where, root) if where.is_relative_to(root) else str(where)
    others = [str(c) for c in frame.columns if c not in (target, time)]
    root.mkdir(parents=True, exist_ok=True)
    path.write_text(
        TEMPLATE.format(
            data=_toml(shown),
            name=_name(where),
            task=guessed,
            task_note=""
            if task
            else f'   # guessed: {frame[target].nunique()} different values; or "{_other(guessed)}"',
            target=_toml(target),
            time=f'time     = "{_toml(time)}"   # orders the rows; never a feature'
            if time
            else '# time   = "..."   # a column of event times orders the rows',
            features=", ".join(f'"{_toml(c)}"' for c in others),
            metric="mae" if guessed == "regression" else "f1",
        ),
        encoding="utf-8",
    )
    load_settings(root)
    print(f"wrote {path}: {guessed} of {target!r} from {len(others)} features; now train: python main.py")


def token(
    context: typer.Context,
    rotate: Annotated[bool, typer.Option(help="Make a new one; the old one ends at once.")] = False,
    viewer: Annotated[
        bool,
        typer.Option(help="The one that shows the dashboard to other machines ([pages] host)."),
    ] = False,
) -> None:
    """Show the maintenance token (and make one if there is none)."""
    from workbench.settings import load_settings
    from workbench.tokens import maintenance_token, viewer_token

    kind = viewer_token if viewer else maintenance_token
    print(kind(load_settings(context.obj).root, rotate=rotate))


def _time_column(frame: pd.DataFrame) -> str | None:
    import pandas as pd

    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            return str(name)
        if pd.api.types.is_numeric_dtype(column) or column.isna().all():
            continue
        try:
            pd.to_datetime(column.dropna().head(100), format="ISO8601")
        except (TypeError, ValueError):
            continue
        return str(name)
    return None


def _task(target: pd.Series) -> str:
    import pandas as pd

    return (
        "regression" if pd.api.types.is_numeric_dtype(target) and target.nunique() > MANY_VALUES else "classification"
    )


def _other(task: str) -> str:
    return "classification" if task == "regression" else "regression"


def _name(path: Path) -> str:
    kept = "".join(c if c.isalnum() and c.isascii() else "-" for c in path.name.split(".")[0]).strip("-")
    return kept[:64] or "model"


def _toml(text: str) -> str:
    """As the inside of a basic TOML string, whose escapes are JSON's."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
