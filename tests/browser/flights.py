"""The flights of a spring as a demo plays them, in seconds and without a service: what the README's pictures show."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from tests.conftest import Clock
from workbench import demo
from workbench.ensemble import answer
from workbench.features import to_rows
from workbench.maintainer import Maintainer
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now, utc_text
from workbench.monitor import ModelMonitor
from workbench.records import Heartbeat, Request
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings, load_settings
from workbench.version_store import VersionStore

SHIPPED = Path(__file__).parents[2] / "workbench.toml"
START, END = "2013-03-25", "2013-06-20"
REQUEST_ROWS, LOOK_ROWS = 100, 300
# The pace of the shipped settings, whose cooldown and probation are made for it.
ROWS_PER_S = 150
ACTUALS_AFTER = pd.Timedelta("1D")
SMALL = 'ensemble = "voting"\nsize     = 0.1  #'


def play(root: Path, extra: str) -> Settings:
    """A workspace with the shipped settings but for small members, whose maintainer has lived through the flights.

    Parameters
    ----------
    extra : str
        More tables of settings.
    """
    root.mkdir()
    toml = SHIPPED.read_text().replace('ensemble = "voting"', SMALL)
    (root / "workbench.toml").write_text(f"{toml}\n{extra}")
    settings = load_settings(root)
    rows = demo.traffic()
    rows = rows[rows["time"].between(START, END) & rows[settings.model.target].notna()].reset_index(drop=True)
    clock = Clock(utc_now() - timedelta(seconds=len(rows) / ROWS_PER_S + 60))
    metrics, versions = MetricsStore.of(settings, clock), VersionStore(settings.versions_dir, clock=clock)
    monitor = ModelMonitor(metrics, settings, clock=clock)
    retrainer = ModelRetrainer(settings, versions, metrics, clock=clock)
    retrainer.retrain(trigger="first", reason="first version")
    maintainer = Maintainer(
        settings,
        monitor,
        versions,
        start=lambda decision: retrainer.retrain(trigger=decision.trigger, reason=decision.reason, by="maintainer"),
        running=lambda: False,
        clock=clock,
    )
    started, took = utc_text(clock.now), np.random.default_rng(0).lognormal(-4.4, 0.35, len(rows))
    live, waiting = versions.load(versions.live_id()), []
    for start in range(0, len(rows), REQUEST_ROWS):
        sent = rows.iloc[start : start + REQUEST_ROWS]
        if live.id != versions.live_id():
            live = versions.load(versions.live_id())
        clock.forward(seconds=len(sent) / ROWS_PER_S)
        waiting += _ask(monitor, live, sent, float(took[start]))
        known = [(one, actual) for one, at, actual in waiting if at <= sent["time"].iloc[-1]]
        monitor.feedback(known)
        waiting = waiting[len(known) :]
        if start % LOOK_ROWS == 0:
            metrics.append(
                *(
                    Heartbeat(
                        worker=worker,
                        started_at=started,
                        every_s=LOOK_ROWS / ROWS_PER_S,
                        version=live.id,
                        cpu_share=0.2 + 5 * float(took[start]),
                        memory_mb=190.0 + worker,
                    )
                    for worker in (1, 2)
                )
            )
            maintainer.tend()
    metrics.close()
    return settings


def _ask(monitor: ModelMonitor, live, sent: pd.DataFrame, took_s: float) -> list[tuple[str, pd.Timestamp, float]]:
    """One request; returns each prediction's id with its actual, and when that is known."""
    asked = to_rows(sent[live.schema.names].assign(time=sent["time"].dt.strftime("%Y-%m-%dT%H:%M:%S")))
    said = answer(live.estimator, live.schema, asked)
    done = monitor.record_rows(asked, said.predictions, schema=live.schema, version=live.id, response_s=took_s)
    monitor.store.append(
        Request(path="/predict", status=200, rows=len(sent), version=live.id, response_s=took_s, latency_s=0.8 * took_s)
    )
    actuals = zip(done, sent["time"], sent[monitor.settings.model.target], strict=True)
    return [(p.id, at + ACTUALS_AFTER, float(actual)) for p, at, actual in actuals]
