"""`versions`, `show`, `activate`, `rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.show import By, Json, Reason, number, print_json, print_table, when


def register(app: typer.Typer) -> None:
    for command in (versions, show, activate, rollback):
        app.command()(command)


def versions(context: typer.Context, as_json: Json = False) -> None:
    """List the versions, oldest first: which is live, why each was made, what the gate said."""
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    store = VersionStore(settings.versions_dir)
    live, found = store.live_id(), store.all()
    if as_json:
        print_json({"live": live, "versions": found})
        return
    metric = settings.metric
    print_table(
        f"{len(found)} versions of {settings.model.name}",
        ["", "version", "created", "trigger", "rows", f"{metric} (gate rows)", "live version there", "gate"],
        (
            (
                "live" if m.version_id == live else "",
                m.version_id,
                when(m.created_at),
                m.trigger,
                m.training_data.fit.rows,
                number(m.metrics.get(metric)),
                number(m.champion_metrics.get(metric)),
                m.gate.verdict,
            )
            for m in found
        ),
    )


def show(
    context: typer.Context,
    version_id: Annotated[str, typer.Argument(help="As `versions` lists it.")],
    as_json: Json = False,
) -> None:
    """Everything that is known of a version: data, blocks, metrics, gate, libraries, and when it was live."""
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    store = VersionStore(load_settings(context.obj).versions_dir)
    metadata = store.metadata(version_id)
    switches = [p for p in store.pointer.log() if version_id in (p.version_id, p.previous)]
    if as_json:
        print_json({"metadata": metadata, "promotions": switches})
        return
    data = metadata.training_data
    rows = [
        ("created", when(metadata.created_at)),
        ("why", f"{metadata.trigger}: {metadata.reason}"),
        ("predicts", f"{metadata.target} ({metadata.task})"),
        ("features", ", ".join(f"{f.name} ({f.kind})" for f in metadata.features.features)),
        ("ensemble", f"{metadata.ensemble}, seed {metadata.seed}, fitted in {metadata.fit_s:.1f} s"),
        ("training data", f"{data.rows} rows, sha256 {data.sha256}"),
        *(
            (name, f"{block.rows} rows, {when(block.start)} to {when(block.end)}" if block.rows else "none")
            for name, block in (("fit", data.fit), ("select", data.select), ("gate", data.gate))
        ),
        ("recipe", metadata.recipe),
        ("metrics", ", ".join(f"{k} {number(v)}" for k, v in metadata.metrics.items())),
        ("live one's", ", ".join(f"{k} {number(v)}" for k, v in metadata.champion_metrics.items()) or "-"),
        ("gate", metadata.gate.sentence),
        ("parent", metadata.parent),
        ("libraries", ", ".join(f"{k} {v}" for k, v in metadata.libraries.items())),
        *(("note", note) for note in metadata.notes),
        *((when(p.activated_at), _switch(p.version_id == version_id, p.by, p.reason)) for p in switches),
    ]
    print_table(version_id, ["", ""], rows)


def _switch(began: bool, by: str, reason: str) -> str:
    return f"{'went live' if began else 'was replaced'} by {by}: {reason}"


def activate(
    context: typer.Context,
    version_id: Annotated[str, typer.Argument(help="As `versions` lists it.")],
    reason: Reason = "by request",
    as_json: Json = False,
    by: By = "command line",
) -> None:
    """Make a version live, after its hashes and golden predictions are checked; workers follow within two seconds."""
    from workbench import switching
    from workbench.metrics_store import MetricsStore
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    promotion = switching.activate(
        VersionStore(settings.versions_dir), MetricsStore.of(settings), version_id, by=by, reason=reason
    )
    print_json(promotion) if as_json else print(f"{promotion.version_id} is live (before: {promotion.previous})")


def rollback(
    context: typer.Context, reason: Reason = "by request", as_json: Json = False, by: By = "command line"
) -> None:
    """Undo the last switch; a second rollback undoes the first."""
    from workbench import switching
    from workbench.metrics_store import MetricsStore
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    promotion = switching.rollback(VersionStore(settings.versions_dir), MetricsStore.of(settings), by=by, reason=reason)
    print_json(promotion) if as_json else print(f"{promotion.version_id} is live again (before: {promotion.previous})")
