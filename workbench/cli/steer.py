"""`pause`, `resume`, `pin`, `accept`, `decline`: what people tell the automation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.show import By, Json, Reason, print_json
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.metrics_store import MetricsStore


def register(app: typer.Typer) -> None:
    for command in (pause, resume, pin, accept, decline):
        app.command()(command)


def pause(
    context: typer.Context, reason: Reason = "by request", as_json: Json = False, by: By = "command line"
) -> None:
    """No automatic retrain and no automatic switch until `resume`."""
    from workbench import steering

    event = steering.pause(_metrics(context), by=by, reason=reason)
    print_json(event) if as_json else print(f"paused: {reason}")


def resume(
    context: typer.Context, reason: Reason = "by request", as_json: Json = False, by: By = "command line"
) -> None:
    """Let the automation go on after `pause`."""
    from workbench import steering

    event = steering.resume(_metrics(context), by=by, reason=reason)
    print_json(event) if as_json else print(f"resumed: {reason}")


def pin(
    context: typer.Context,
    version_id: Annotated[str | None, typer.Argument(help="Made live if it is not.")] = None,
    off: Annotated[bool, typer.Option("--off", help="End the pin.")] = False,
    reason: Reason = "by request",
    as_json: Json = False,
    by: By = "command line",
) -> None:
    """Keep a version live: nothing switches away from it by itself until `pin --off`."""
    from workbench import steering, switching
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    if (version_id is None) != off:
        raise WorkbenchError("name the version to pin, or --off to end the pin; not both, not neither")
    metrics = _metrics(context)
    if version_id is not None:
        versions = VersionStore.of(load_settings(context.obj))
        switching.activate(versions, metrics, version_id, by=by, reason=f"pinned: {reason}")
    event = steering.pin(metrics, version_id, by=by, reason=reason)
    print_json(event) if as_json else print(f"{event.kind} {version_id or ''}: {reason}")


def accept(
    context: typer.Context,
    feature: Annotated[str, typer.Argument(help="Of the live version.")],
    reason: Reason = "by request",
    as_json: Json = False,
    by: By = "command line",
) -> None:
    """Take a feature's drift as the new normal, for as long as the live version stays live."""
    from workbench import steering
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    versions = VersionStore.of(load_settings(context.obj))
    live = versions.live_id()
    names = versions.metadata(live).features.names if live else []
    if feature not in names:
        raise WorkbenchError(f"{feature!r} is no feature of the live version; it has {', '.join(names) or 'none'}")
    event = steering.accept(_metrics(context), feature, live, by=by, reason=reason)
    print_json(event) if as_json else print(f"accepted {feature}: {reason}")


def decline(
    context: typer.Context,
    version_id: Annotated[str, typer.Argument(help="As `versions` lists it.")],
    reason: Reason = "by request",
    as_json: Json = False,
    by: By = "command line",
) -> None:
    """Leave out what the gate kept out: no page asks about it any more; `activate` still makes it live."""
    from workbench import steering
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    versions = VersionStore.of(load_settings(context.obj))
    versions.metadata(version_id)
    if version_id == versions.live_id():
        raise WorkbenchError(f"{version_id} is live; `rollback` or `activate` another version takes it away")
    event = steering.decline(_metrics(context), version_id, by=by, reason=reason)
    print_json(event) if as_json else print(f"{version_id} stays out: {reason}")


def _metrics(context: typer.Context) -> MetricsStore:
    from workbench.metrics_store import MetricsStore
    from workbench.settings import load_settings

    return MetricsStore.of(load_settings(context.obj))
