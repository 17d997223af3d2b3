"""`status`, `check` and `report`: how the live version is doing, from the records and from a look right now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.quality import print_quality
from workbench.cli.show import Json, number, print_json, print_table, when
from workbench.errors import CorruptVersion, UnknownVersion

if TYPE_CHECKING:
    from workbench.evaluation import Evaluation, FeatureDrift
    from workbench.loaded_version import Reference

GLYPHS: dict[str, str] = {
    "ok": "✓ ok",
    "possible": "△ possible",
    "drift": "▲ DRIFT",
    "alarm": "▲ ALARM",
    "broken": "✖ BROKEN",
    "insufficient": "· insufficient",
}


def register(app: typer.Typer) -> None:
    for command in (status, check, drill, report):
        app.command()(command)


def status(context: typer.Context, as_json: Json = False) -> None:
    """The live version, the service, the last evaluation, the last decision, what happened lately; works offline."""
    from workbench.jobs import Jobs
    from workbench.metrics_store import MetricsStore
    from workbench.moments import utc_now
    from workbench.monitor import ModelMonitor
    from workbench.settings import load_settings
    from workbench.steering import stand
    from workbench.traffic_words import failures_told, mean_told, p95_told
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    metrics = MetricsStore.of(settings)
    live = VersionStore.of(settings).live()
    evaluations, events = metrics.evaluations(1), metrics.events()
    decisions = [e for e in events if e.kind == "decision"]
    summary = ModelMonitor(metrics, settings).summary()
    job = Jobs(settings, metrics).running()
    where = stand(settings, metrics, live, running=job is not None, now=utc_now())
    if as_json:
        print_json(
            {
                "model": settings.model.name,
                "live": live,
                "service": summary,
                "evaluation": evaluations[-1] if evaluations else None,
                "decision": decisions[-1] if decisions else None,
                "maintenance": where,
                "job": job,
                "events": events[-20:],
            }
        )
        return
    rows: list[tuple[str, object]] = [
        (
            "live",
            f"{live.version_id}, since {when(live.activated_at)}" if live else "none; train with `python main.py`",
        ),
        ("service", f"{GLYPHS[summary.state]}: {summary.sentence}"),
        ("uptime", f"{summary.uptime.share:.2%} since {when(summary.uptime.since)}" if summary.uptime else "-"),
        ("workers", ", ".join(f"{w.name} on {w.version}" for w in summary.workers) or "none is running"),
        ("retrain", f"{job.stage} ({job.progress}): {job.reason}" if job else "none under way"),
        ("maintenance", where.told),
        ("decision", decisions[-1].reason if decisions else "-"),
    ]
    print_table(settings.model.name, ["", ""], rows)
    if summary.all.requests:
        print_table(
            "service (in brackets: 95 %)",
            ["", "requests", "a second", "mean response", "p95", "4xx", "5xx"],
            (
                (
                    name,
                    t.requests,
                    number(t.requests_per_s, 3),
                    mean_told(t, level=""),
                    p95_told(t, level=""),
                    "-" if t.share_4xx is None else f"{t.share_4xx:.1%}",
                    failures_told(t, level=""),
                )
                for name, t in [("all", summary.all), *summary.by_version.items()]
            ),
        )
    if evaluations:
        _print_evaluation(evaluations[-1])
    shown = [e for e in events if e.kind != "decision"][-10:]
    print_table(
        "lately",
        ["when", "what", "version", "why"],
        ((when(e.recorded_at), e.kind, e.version, e.reason) for e in shown),
    )


def check(context: typer.Context, as_json: Json = False) -> None:
    """Check the live version now and write the evaluation down. Exit code 1 if something is in alarm."""
    from workbench.bars import AT_ONCE_S, Bar
    from workbench.metrics_store import MetricsStore
    from workbench.monitor import ModelMonitor
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    versions = VersionStore.of(settings)
    live = versions.live()
    if live is None:
        raise UnknownVersion("no version is live; train one with `python main.py`")
    metrics = MetricsStore.of(settings)
    version: Reference
    try:
        version = versions.load(live.version_id)
    except CorruptVersion as error:
        # What can be checked without the model is checked; the record says that the rest could not be.
        print(f"error: {error}", file=sys.stderr)
        version = versions.reference(live.version_id)
    with Bar(delay=AT_ONCE_S) as bar:
        evaluation = ModelMonitor(metrics, settings).check(version, live.activated_at, bar.step)
    print_json(evaluation) if as_json else _print_evaluation(evaluation)
    if evaluation.alarms:
        raise typer.Exit(1)


def report(
    context: typer.Context,
    out: Annotated[str, typer.Option("--out", help="The file.")] = "report.html",
) -> None:
    """Write one HTML page that can be mailed: state, performance, drift, service, versions, decisions."""
    from workbench.moments import utc_now
    from workbench.panels.report import write
    from workbench.settings import load_settings

    path = write(load_settings(context.obj), out, utc_now())
    print(f"{path} ({path.stat().st_size / 1e3:,.0f} kB)")


def drill(
    context: typer.Context,
    feature: Annotated[str, typer.Argument(help="Of the live version.")],
    kind: Annotated[
        str | None,
        typer.Option(help="mean, std, missing, unseen, constant or unit; default: mean, or unseen for texts."),
    ] = None,
    size: Annotated[
        float | None, typer.Option(help="Standard deviations (mean), a factor (std, unit), or a share of the rows.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Stretches of the reference to measure false alarms with.")] = 100,
    seed: Annotated[int, typer.Option(help="Fixes every draw.")] = 0,
    as_json: Json = False,
) -> None:
    """Fire drill: put a shift into a copy of the window and see whether the alarm fires. Exit code 1 if it does not."""
    from workbench.bars import Bar
    from workbench.drill import rehearse
    from workbench.metrics_store import MetricsStore
    from workbench.settings import load_settings
    from workbench.shifts import as_kind
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    with Bar("stretches of the reference", total=rounds) as bar:
        done = rehearse(
            settings,
            MetricsStore.of(settings),
            VersionStore.of(settings),
            feature,
            kind=as_kind(kind) if kind else None,
            size=size,
            rounds=rounds,
            seed=seed,
            progress=bar.to,
        )
    if as_json:
        print_json(done)
    else:
        smallest = "none tried is" if done.smallest is None else f"{done.smallest:.3g} {done.unit}"
        rows = [
            ("window", f"{done.n} predictions; {feature} is {GLYPHS[done.before]} there"),
            ("injected", f"{done.kind} {done.size:g} {done.unit}"),
            ("verdict", f"{GLYPHS[done.state]}: {done.sentence}"),
            ("would it have fired", f"yes: {', '.join(done.alarms)}" if done.fired else "NO"),
            (f"smallest found in {done.found:.0%} of windows, by the drift of inputs alone", smallest),
            (
                "false alarms of the same, measured",
                f"{done.false_alarms} of {done.rounds} stretches of the reference "
                f"(95 %: {done.rate_low:.1%} to {done.rate_high:.1%}; asked for: {done.asked_rate:.2%} a window)",
            ),
        ]
        print_table(f"fire drill: {feature}", ["", ""], rows)
    if not done.fired:
        raise typer.Exit(1)


def _print_evaluation(evaluation: Evaluation) -> None:
    print_table(
        f"{evaluation.n} predictions of {evaluation.version}, {when(evaluation.first_event_time)} to "
        f"{when(evaluation.last_event_time)}, checked {when(evaluation.recorded_at)}",
        ["", "", ""],
        ((name, GLYPHS[v.state], v.sentence) for name, v in evaluation.verdicts.items()),
    )
    print_quality(evaluation)
    if evaluation.drift.features:
        previous = {f.feature: f for f in evaluation.previous.features}
        impacts = {i.feature: i for i in evaluation.model.impacts}
        print_table(
            "features against the reference (in brackets: what chance leaves)",
            [
                "feature",
                "mean, sd",
                "sd ratio",
                "distance",
                "missing",
                "outside",
                "noise",
                "impact",
                "",
                "since before",
            ],
            (
                (
                    f.feature,
                    *(_banded(f, name) for name in ("mean", "std", "distribution", "missing")),
                    _banded(f, "unseen" if f.kind == "categorical" else "range"),
                    f"{max((c.noise for c in f.channels.values()), default=0):.1f}x",
                    number(impacts[f.feature].moved, 3) if f.feature in impacts else "",
                    _state(f),
                    _state(previous[f.feature]) if f.feature in previous else "-",
                )
                for f in evaluation.drift.features
            ),
        )


def _state(feature: FeatureDrift) -> str:
    return GLYPHS[feature.state] + (f", {feature.needed:,} rows needed" if feature.needed else "")


def _banded(feature: FeatureDrift, name: str) -> str:
    c = feature.channels.get(name)
    return "-" if c is None else f"{number(c.value, 3)} ({number(c.low, 2)} to {number(c.high, 2)})"
