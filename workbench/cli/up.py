"""`up`: the service, the Voila dashboard and JupyterLab together; with --demo also the traffic, and what came of it."""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.serve import AFTER_DRAIN_S, stop_s
from workbench.cli.show import Json, number, print_json, print_table, when
from workbench.cli.supervisor import Child, Supervisor, check_port
from workbench.cli.versions import print_comparison
from workbench.errors import WorkbenchError
from workbench.exposure import check_exposure, private, reachable, service_url, trust
from workbench.moments import utc_now

if TYPE_CHECKING:
    import ssl

    from workbench.settings import Settings

SETTLE_S = 90.0
TOLD = (
    "alarm",
    "alarm_ended",
    "retrain_started",
    "retrain_failed",
    "promoted",
    "went_back",
    "kept_out",
    "switched",
    "probation_passed",
    "probation_lost",
    "rolled_back",
)


def register(app: typer.Typer) -> None:
    app.command()(up)


def up(
    context: typer.Context,
    demo: Annotated[bool, typer.Option(help="Send the traffic of [replay] and tell what happened.")] = False,
    as_json: Json = False,
) -> None:
    """Start service, maintainer, dashboard and JupyterLab; train a first version if there is none; until Ctrl-C."""
    from workbench.cli.pages import lab_process, voila_process
    from workbench.settings import load_settings
    from workbench.tokens import maintenance_token
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    service, pages = settings.service, settings.pages
    check_exposure(settings)
    check_port(service.host, service.port, "[service] port")
    check_port(pages.host, pages.dashboard_port, "[pages] dashboard_port")
    check_port(pages.host, pages.lab_port, "[pages] lab_port")
    token = maintenance_token(settings.root)
    if VersionStore.of(settings).live_id() is None:
        _train_first(settings)
    logs = settings.metrics_dir / "logs"
    here = [sys.executable, "-m", "workbench.cli", "--root", str(settings.root)]
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        voila, voila_env = voila_process(settings, Path(folder))
        lab, lab_env = lab_process(settings, token, Path(folder))
        children = [
            Child("service", [*here, "serve"], log=logs / "service.log"),
            Child("dashboard", voila, voila_env, log=logs / "dashboard.log"),
            Child("JupyterLab", lab, lab_env, log=logs / "lab.log"),
        ]
        say = partial(print, file=sys.stderr)
        # `serve` gives its own children time; it needs a little more.
        with Supervisor(children, say=say, stop_s=stop_s(settings) + AFTER_DRAIN_S) as supervisor:
            addresses = _addresses(settings)
            _wait(supervisor, addresses, trust(settings))
            if not supervisor.stopping:
                _print_addresses({name: url for name, (url, _) in addresses.items()}, logs, as_json, pages.host)
            if demo:
                _play(settings, supervisor, as_json)
            if not demo or sys.stdin.isatty():
                if not supervisor.stopping:
                    print("running; Ctrl-C stops everything", file=sys.stderr, flush=True)
                supervisor.run()


def _train_first(settings: Settings) -> None:
    print("no version is live: training the first one", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "workbench.cli", "--root", str(settings.root), "train", "--reason=first version"]
    training = Child("training", [*command, "--json"], log=settings.metrics_dir / "logs" / "first-training.log")
    with Supervisor([training]) as supervisor:
        while training.process is not None and training.process.poll() is None and not supervisor.stopping:
            time.sleep(0.1)
    if training.process is None or training.process.returncode:
        raise WorkbenchError(f"the first training did not end well; see {training.log}")


def _addresses(settings: Settings) -> dict[str, tuple[str, str]]:
    from workbench.cli.pages import lab_start

    pages = settings.pages
    return {
        "service": (service_url(settings), "/ready"),
        "dashboard": (f"http://{reachable(pages.host)}:{pages.dashboard_port}", "/voila/static/voila.js"),
        "JupyterLab": (f"http://{reachable(pages.host)}:{pages.lab_port}/lab", lab_start()),
    }


def _wait(supervisor: Supervisor, addresses: dict[str, tuple[str, str]], trusted: ssl.SSLContext | bool) -> None:
    """Until every address answers."""
    import httpx2

    with httpx2.Client(timeout=2.0, verify=trusted) as client:

        def answers(url: str) -> bool:
            try:
                return client.get(url).status_code < 500
            except httpx2.TransportError:
                return False

        for name, (url, path) in addresses.items():
            supervisor.until(partial(answers, url + path), f"{name} at {url}")


def _print_addresses(addresses: dict[str, str], logs: Path, as_json: bool, host: str) -> None:
    if as_json:
        print_json({"addresses": addresses, "logs": str(logs)})
        sys.stdout.flush()
        return
    rows = list(addresses.items())
    rows.append(("service docs", f"{addresses['service']}/docs"))
    rows.append(("token", "python main.py token   (maintenance, dashboard buttons, JupyterLab login)"))
    if not private(host):
        rows.append(("viewer token", "python main.py token --viewer   (the dashboard asks other machines for it)"))
    rows.append(("logs", str(logs)))
    print_table("up", ["", ""], rows)
    sys.stdout.flush()


def _play(settings: Settings, supervisor: Supervisor, as_json: bool) -> None:
    from workbench.cli.replay import Replay, traffic, with_bar

    rows = traffic(settings)
    if not len(rows):
        print(
            "all traffic has been sent before; to play it again, forget it with `make clean` "
            "(or delete versions/ and metrics/, all but their README.md)",
            file=sys.stderr,
        )
    else:
        for _ in with_bar(Replay(settings, rows)):
            supervisor.look()
            if supervisor.stopping:
                break
        _settle(settings, supervisor)
    _print_summary(settings, as_json)


def _settle(settings: Settings, supervisor: Supervisor) -> None:
    """Let the last check see the last actual, and a retrain that is under way end."""
    from workbench.metrics_store import MetricsStore
    from workbench.version_store import VersionStore

    metrics, versions = MetricsStore.of(settings), VersionStore.of(settings)
    actuals = metrics.actuals()
    last = actuals[-1].recorded_at if actuals else ""
    deadline = time.monotonic() + SETTLE_S
    while not supervisor.stopping and time.monotonic() < deadline:
        evaluations = metrics.evaluations(1)
        if evaluations and evaluations[-1].recorded_at > last and not versions.retraining():
            return
        supervisor.look()
        time.sleep(0.2)


def _print_summary(settings: Settings, as_json: bool) -> None:
    """What happened: versions, attempts with reasons, error before and after each switch."""
    from workbench.comparison import compare
    from workbench.metrics_store import MetricsStore
    from workbench.version_store import VersionStore

    metrics, versions = MetricsStore.of(settings), VersionStore.of(settings)
    metric, found = settings.metric, compare(settings, metrics, versions, now=utc_now())
    events = [e for e in metrics.events() if e.kind in TOLD]
    if as_json:
        last = metrics.evaluations(1)
        print_json(
            {
                "events": events,
                "versions": versions.all(),
                "comparison": found,
                "live": versions.live_id(),
                "evaluation": last[-1] if last else None,
            }
        )
        return
    print_table(
        "what happened",
        ["when", "what", "version", "why"],
        ((when(e.recorded_at), e.kind, e.version, e.reason) for e in events),
    )
    print_comparison(found)
    evaluations = metrics.evaluations()
    for event in (e for e in events if e.kind in ("promoted", "went_back")):
        before = [e for e in evaluations if e.recorded_at < event.recorded_at and e.performance.state != "insufficient"]
        after = [e for e in evaluations if e.version == event.version and e.performance.state != "insufficient"]
        if before and after:
            print(
                f"{metric} of the last {settings.monitor.window} predictions: "
                f"{number(before[-1].performance.metrics[metric])} before {event.version} went live, "
                f"{number(after[0].performance.metrics[metric])} in its first full check"
            )
    sys.stdout.flush()
