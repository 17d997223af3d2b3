"""The flights of 2013 through the real code in simulated time: on which day is what changed found?

A version learns January and February, as `make demo` does, and stays live. A day's flights are recorded in its evening,
their actuals a day later, and then it is checked.
"""

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from tests.benchmarks.tables import Table
from workbench import demo
from workbench.ensemble import answer_frame
from workbench.evaluation import Evaluation
from workbench.features import align, to_rows
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.version_store import VersionStore

ROOT = Path(__file__).parents[2]
AIR_TIME, LATE = ROOT / "workbench.toml", ROOT / "examples" / "late" / "workbench.toml"
UNTIL = {AIR_TIME: "2013-06-01", LATE: "2013-05-11"}
Check = tuple[pd.Timestamp, Evaluation]


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2013, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def follow(toml: Path, folder: Path, *, until: str, days: Collection[pd.Timestamp] | None = None) -> Iterator[Check]:
    """Check the traffic's days, all or some, in the evening.

    Parameters
    ----------
    toml : path
        The settings; they are copied, so that the workspace is `folder`.
    until : ISO date
        The day after the last.
    """
    shutil.copy(toml, folder / "workbench.toml")
    settings, clock = load_settings(folder), Clock()
    store, versions = MetricsStore.of(settings, clock), VersionStore(settings.versions_dir)
    ModelRetrainer(settings, versions, store, clock=clock).retrain("first")
    live, monitor = versions.load("first"), ModelMonitor(store, settings, clock=clock)
    traffic = demo.traffic()
    traffic = traffic[traffic["time"] < until].reset_index(drop=True)
    said = answer_frame(live.estimator, live.schema, align(traffic, live.schema))
    rows, actuals = to_rows(traffic[[*live.schema.names, "time"]]), traffic[settings.model.target]
    due: list = []
    for day, part in traffic.groupby(traffic["time"].dt.floor("D")):
        clock.now = day.to_pydatetime().replace(tzinfo=UTC) + timedelta(hours=23, minutes=59)
        if due:
            monitor.feedback(due)
        done = monitor.record_rows(
            [rows[i] for i in part.index],
            [said.predictions[i] for i in part.index],
            schema=live.schema,
            version="first",
            response_s=0.01,
            probabilities=None if said.probabilities is None else [said.probabilities[i] for i in part.index],
        )
        due = [(p.id, actuals[i]) for p, i in zip(done, part.index, strict=True) if pd.notna(actuals[i])]
        if days is None or day in days:
            yield day, monitor.check(live)
    store.close()


def fallen(metric: str) -> Callable[[Evaluation], str | None]:
    """What a check says where this metric is in alarm."""

    def told(check: Evaluation) -> str | None:
        bad = [j for j in check.performance.judged if j.metric == metric and j.state == "alarm"]
        return f"{bad[0].value:.3g} over {bad[0].rows} actuals, holdout {bad[0].baseline:.3g}" if bad else None

    return told


def gap(check: Evaluation) -> str | None:
    found = check.estimate
    return None if found.gap is None else f"{found.value:.3g} estimated; actuals {found.gap:.0%} worse than that"


def estimated(check: Evaluation) -> str | None:
    found = check.estimate
    return f"{found.value:.3g} estimated, holdout {found.baseline:.3g}" if found.state == "alarm" else None


def first(checks: Collection[Check], told: Callable[[Evaluation], str | None]) -> tuple[pd.Timestamp, str] | None:
    """The first day on which there is something to tell, and what."""
    return next(((day, said) for day, check in checks if (said := told(check)) is not None), None)


# What is looked for, and by when it was asked for.
WANTED = {
    AIR_TIME: [
        ("MAE in alarm", fallen("mae"), ""),
        ("possible concept drift", gap, "May"),
        ("the estimate in alarm", estimated, ""),
    ],
    LATE: [
        ("recall in alarm", fallen("recall"), "April's end"),
        ("F1 in alarm", fallen("f1"), ""),
        ("the estimate in alarm", estimated, ""),
        ("possible concept drift", gap, ""),
    ],
}


def tables(*, quick: bool, seed: int) -> Iterator[Table]:
    rows, figures = [], []
    for toml, wanted in WANTED.items():
        until = UNTIL[toml]
        every = pd.date_range("2013-03-01", until, freq="7D" if quick else "D", inclusive="left")
        with tempfile.TemporaryDirectory() as name:
            checks = list(tqdm(follow(toml, Path(name), until=until, days=set(every)), f"flights: {toml.parent.name}"))
        task = "air_time" if toml == AIR_TIME else "late"
        for what, told, asked in wanted:
            found = first(checks, told)
            day, said = ("not by " + until, "") if found is None else (f"{found[0]:%-d %B}", found[1])
            days = sum(told(check) is not None for _, check in checks)
            rows.append((task, what, asked, day, f"{days} of {len(checks)}", said))
        figures += [(task, *_figures(day, check)) for day, check in checks if day.day == 15 or day.is_month_end]
    note = (
        "The version of January and February, with the shipped settings, stays live; a check each day, actuals a day "
        "late. On the day it is first said; on how many days of all. No seed: the flights are what they are."
    )
    yield Table("Flights: when is it found?", note, ("task", "what", "asked by", "first", "days", "says"), rows)
    note = "The last 1,000 mature predictions, what was estimated of the last 1,000 without actuals, and the verdicts."
    head = ("task", "day", "metric", "realised", "estimated", "95 % interval", "record good", "performance", "gap")
    yield Table("Flights: estimated and realised", note, head, figures)


def _figures(day: pd.Timestamp, check: Evaluation) -> tuple[object, ...]:
    told, found = check.performance, check.estimate
    realised = told.metrics.get(found.metric)
    return (
        f"{day:%-d %B}",
        found.metric,
        "-" if realised is None else f"{realised:.3g}",
        "-" if found.value is None else f"{found.value:.3g}",
        "-" if found.value is None else f"{found.low:.3g} to {found.high:.3g}",
        {True: "yes", False: "no", None: "none yet"}[found.trusted],
        told.state,
        "-" if found.gap is None else f"{found.gap:.0%}",
    )
