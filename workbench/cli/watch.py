"""`status` and `check`: how the live version is doing, from the records and from a look right now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from workbench.cli.show import Json, number, print_json, print_table, when
from workbench.errors import UnknownVersion

if TYPE_CHECKING:
    from workbench.evaluation import Evaluation

GLYPHS = {"ok": "✓ ok", "alarm": "▲ ALARM", "insufficient": "· insufficient"}


def register(app: typer.Typer) -> None:
    for command in (status, check):
        app.command()(command)


def status(context: typer.Context, as_json: Json = False) -> None:
    """The live version, the service, the last evaluation, the last decision, what happened lately; works offline."""
    from workbench.jobs import Jobs
    from workbench.metrics_store import MetricsStore
    from workbench.monitor import ModelMonitor
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    metrics = MetricsStore.of(settings)
    live = VersionStore(settings.versions_dir).live()
    evaluations, events = metrics.evaluations(1), metrics.events()
    decisions = [e for e in events if e.kind == "decision"]
    summary = ModelMonitor(metrics, settings).summary()
    job = Jobs(settings, metrics).running()
    if as_json:
        print_json(
            {
                "model": settings.model.name,
                "live": live,
                "service": summary,
                "evaluation": evaluations[-1] if evaluations else None,
                "decision": decisions[-1] if decisions else None,
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
        ("workers", ", ".join(f"{w.worker} on {w.version}" for w in summary.workers) or "none is running"),
        ("retrain", f"{job.stage} ({job.done}/{job.total}): {job.reason}" if job else "none under way"),
        ("decision", decisions[-1].reason if decisions else "-"),
    ]
    print_table(settings.model.name, ["", ""], rows)
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
    from workbench.metrics_store import MetricsStore
    from workbench.monitor import ModelMonitor
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    versions = VersionStore(settings.versions_dir)
    live = versions.live()
    if live is None:
        raise UnknownVersion("no version is live; train one with `python main.py`")
    monitor = ModelMonitor(MetricsStore.of(settings), settings)
    evaluation = monitor.check(versions.metadata(live.version_id), versions.profile(live.version_id))
    print_json(evaluation) if as_json else _print_evaluation(evaluation)
    if evaluation.alarms:
        raise typer.Exit(1)


def _print_evaluation(evaluation: Evaluation) -> None:
    print_table(
        f"{evaluation.n} predictions of {evaluation.version}, {when(evaluation.first_event_time)} to "
        f"{when(evaluation.last_event_time)}, checked {when(evaluation.recorded_at)}",
        ["", "", ""],
        ((name, GLYPHS[v.state], v.sentence) for name, v in evaluation.verdicts.items()),
    )
    performance = evaluation.performance
    if performance.metrics:
        names = list(performance.metrics)
        rows: list[list[Any]] = [
            ["window", performance.labelled, *(number(performance.metrics[n]) for n in names)],
            ["holdout", "", *(number(performance.baseline.get(n)) for n in names)],
            *([s.version, s.n, *(number(s.metrics.get(n)) for n in names)] for s in performance.by_version),
        ]
        print_table("performance", ["", "actuals", *names], rows)
    if evaluation.drift.features:
        print_table(
            "features against the reference (in brackets: the no-drift band)",
            ["feature", "mean shift, sd", "sd ratio", "share moved", "unseen", "missing (was)", ""],
            (
                (
                    f.feature,
                    _banded(f.mean_shift, f.mean_shift_band),
                    _banded(f.std_ratio, f.std_ratio_band),
                    _banded(f.share_shift, f.share_shift_band),
                    number(f.unseen_share, 2),
                    f"{f.missing_share:.1%} ({f.reference_missing_share:.1%})",
                    GLYPHS[f.state],
                )
                for f in evaluation.drift.features
            ),
        )


def _banded(value: float | None, band: float | None) -> str:
    return "-" if value is None else f"{number(value, 3)} ({number(band, 2)})"
