"""`versions`, `compare`, `show`, `activate`, `rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.quality import bounded
from workbench.cli.show import Aside, By, Json, Reason, Rows, beside, number, print_json, print_table, when
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.comparison_result import Comparison, Tenure


def register(app: typer.Typer) -> None:
    for command in (versions, compare, show, activate, rollback):
        app.command()(command)


def versions(
    context: typer.Context,
    at: Annotated[str | None, typer.Option(help="Only which was live at this moment, like 2026-01-31T10:42Z.")] = None,
    as_json: Json = False,
) -> None:
    """List the versions, oldest first: which is live, why each was made, what the gate said."""
    from workbench.moments import parse_moment
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    store = VersionStore.of(settings)
    if at is not None:
        was = store.pointer.live_at(parse_moment(at, "--at"))
        gone = was is not None and not store.files.published(was)
        told = f"{was}, whose files are gone" if gone else was or "none was live yet"
        print_json({"at": at, "live": was, "gone": gone}) if as_json else print(told)
        return
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
    past = {p.version_id for p in store.pointer.log()} - set(store.files.names())
    if past:
        print(f"{len(past)} more were live once, and their files are gone; `python main.py compare` lists them, too")


def compare(
    context: typer.Context,
    a: Annotated[str | None, typer.Argument(help="As `versions` lists it; with B, these two alone.")] = None,
    b: Annotated[str | None, typer.Argument()] = None,
    rows: Rows = None,
    as_json: Json = False,
    aside: Aside = False,
) -> None:
    """Every version over the traffic it served: predictions, error, response times, drift then, when it was live.

    Of two versions: where they differ, and what both say to the same recorded inputs.
    """
    from workbench.metrics_store import MetricsStore
    from workbench.moments import utc_now
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    with beside(aside):
        settings = load_settings(context.obj)
        metrics, store = MetricsStore.of(settings), VersionStore.of(settings)
        if a is None and b is None and rows is None:
            from workbench import comparison

            found = comparison.compare(settings, metrics, store, now=utc_now())
            print_json(found) if as_json else print_comparison(found)
            return
        if a is None or b is None:
            raise WorkbenchError("name two versions to compare, or none for all of them")
        from workbench.bars import AT_ONCE_S, Bar
        from workbench.cli.sides import print_sides
        from workbench.side_by_side import side_by_side

        with Bar(delay=AT_ONCE_S) as bar:
            sides = side_by_side(settings, metrics, store, a, b, n=rows, now=utc_now(), progress=bar.step)
        print_json(sides) if as_json else print_sides(sides)


def print_comparison(found: Comparison) -> None:
    """Every version in one table, and below it what the table cannot tell."""
    from workbench.traffic_words import mean_told, p95_told

    metric, last = found.metric, "the last " if found.predictions >= found.history else ""
    print_table(
        f"versions over the traffic they served: {last}{found.predictions:,} predictions on record "
        "(in brackets: 95 % interval)",
        ["", "version", "live", "predictions", metric, "other metrics", "response: mean, p95", "in alarm then"],
        (
            (
                "live" if t.is_live else "" if t.published else "gone",
                t.version,
                _live(t),
                _lines(f"{t.predictions:,}", f"{t.labelled:,} with actual", t.awaited and f"{t.awaited:,} to come"),
                _lines(
                    bounded(t.served, metric),
                    t.served.provisional and "provisional",
                    t.published and f"when made {number(t.baseline.get(metric))}",
                ),
                _lines(*(v is not None and f"{k} {number(v, 3)}" for k, v in t.served.metrics.items() if k != metric)),
                _lines(mean_told(t.responses, level=""), p95_told(t.responses, level="")),
                _drift(t),
            )
            for t in found.tenures
        ),
    )
    print(found.note)


def _lines(*told: object) -> str:
    return "\n".join(str(line) for line in told if line)


def _live(tenure: Tenure) -> str:
    from workbench.comparison_result import seconds
    from workbench.label_words import span

    if not tenure.live:
        return "never"
    return _lines(
        *(f"{when(start)}\n" + (f"for {span(seconds(start, end))}" if end else "to now") for start, end in tenure.live)
    )


def _drift(tenure: Tenure) -> str:
    drift = tenure.drift
    if not drift.checks:
        return "no check"
    checks = "1 check" if drift.checks == 1 else f"{drift.checks:,} checks"
    return _lines(f"inputs {drift.inputs}", f"model's view {drift.model}", f"data {drift.data}", f"of {checks}")


def show(
    context: typer.Context,
    version_id: Annotated[str, typer.Argument(help="As `versions` lists it.")],
    as_json: Json = False,
) -> None:
    """Everything that is known of a version: data, blocks, metrics, gate, libraries, and when it was live."""
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    store = VersionStore.of(load_settings(context.obj))
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
        ("candidates", ", ".join(f"{name} {number(v)}" for name, v in metadata.candidates.items()) or "-"),
        (
            "answers",
            metadata.compilation.sentence if metadata.compilation else "by scikit-learn, from before compiling",
        ),
        ("costs", f"one row {number(metadata.row_ms, 3)} ms, file {number(metadata.artifact_mb, 3)} MiB"),
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
        VersionStore.of(settings), MetricsStore.of(settings), version_id, by=by, reason=reason
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
    promotion = switching.rollback(VersionStore.of(settings), MetricsStore.of(settings), by=by, reason=reason)
    print_json(promotion) if as_json else print(f"{promotion.version_id} is live again (before: {promotion.previous})")
