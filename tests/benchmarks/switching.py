"""Does a switch cost anybody an answer? Load on two workers while two versions take turns. A table on stdout.

    python -m tests.benchmarks.switching [--flights] [--requests N] [--switches N]

The real service with two workers, the load generator at concurrency 32; switches and rollbacks by turns, two seconds
apart, until there were enough of both. Every answer is compared with what the version that it names says to that row.
`--flights`: voting ensembles of the flights, not linear models of made-up trips. Ends with 1 if an answer failed or
was not right.
"""

import argparse
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Signal

import msgspec
import numpy as np

from tests.benchmarks import load
from tests.benchmarks.tables import Table
from tests.conftest import make_workspace, trips
from tests.processes import demo_workspace, free_port, run, serving
from workbench import demo, machine
from workbench.ensemble import answer
from workbench.features import align, to_rows
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now
from workbench.records import Label
from workbench.retrainer import ModelRetrainer
from workbench.settings import Settings, load_settings
from workbench.switching import activate, rollback
from workbench.version_store import VersionStore

CONCURRENCY, WORKERS = 32, 2
REST_S, APART_S, AFTER_S = 4.0, 2.0, 1.0
VERSIONS = ("first", "second")
ASKED_RATIO, ASKED_MS = 3.0, 50.0


class Body(msgspec.Struct):
    """What is looked at in an answer."""

    predictions: list[Label]
    prediction_ids: list[str]
    model_version: str


@dataclass
class Outcome:
    """What came of some load and the switches beside it."""

    requests: int = 0
    seconds: float = 0.0
    failed: int = 0
    wrong: int = 0
    by_version: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERSIONS, 0))
    rest_ms: list[float] = field(default_factory=list)
    after_ms: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @property
    def switches(self) -> int:
        return len(self.after_ms)

    def add(
        self, loaded: load.Load, switched: Sequence[tuple[float, float, str]], right: dict[str, list[Label]]
    ) -> None:
        """Judge every answer; `switched` are start and end of each switch, and which version it left."""
        self.requests += len(loaded.codes)
        self.seconds += loaded.seconds
        self.failed += sum(code != 200 for code in loaded.codes)
        last: dict[str, list[float]] = {version: [] for version in VERSIONS}
        for began, code, (number, text) in zip(loaded.began, loaded.codes, loaded.answers, strict=True):
            if code != 200:
                continue
            body = msgspec.json.decode(text, type=Body)
            if body.model_version not in right or not _same(body.predictions, right[body.model_version][number]):
                self.wrong += 1
                continue
            self.by_version[body.model_version] += 1
            self.ids += body.prediction_ids
            last[body.model_version].append(began)
        if switched:
            self.rest_ms.append(loaded.percentile_ms(99, until=switched[0][0]))
        ends = [start for start, _, _ in switched[1:]] + [math.inf]
        for (start, end, old), following in zip(switched, ends, strict=True):
            self.after_ms.append(loaded.percentile_ms(99, since=start, until=end + AFTER_S))
            # Requests begun after the switch that the old version still answered, until the next one brings it back.
            self.late_s.append(max((b - end for b in last[old] if end < b < following), default=0.0))


def _same(said: Sequence[Label], expected: Label) -> bool:
    return (
        len(said) == 1 and isinstance(said[0], float) and math.isclose(said[0], expected, rel_tol=1e-9, abs_tol=1e-12)
    )


def small_workspace(folder: Path, *, workers: int = WORKERS, beside: str = "") -> Settings:
    """Trips, and two linear models of them that say different things; the first one is live."""
    extra = f"{beside}\n[service]\nport = {free_port()}\nworkers = {workers}\nheartbeat_s = 0.5\n"
    make_workspace(folder, extra=extra)
    toml = folder / "workbench.toml"
    toml.write_text(toml.read_text().replace("[model]", '[model]\nmembers = ["linear"]'))
    settings = load_settings(folder)
    with_second(settings, lambda: trips(400, minutes_a_km=5.0).to_csv(folder / "trips.csv", index=False))
    return settings


def flights_workspace(folder: Path, *, workers: int = WORKERS) -> Settings:
    """The demo's two months, and two voting ensembles; the second has trees of another seed."""
    settings = demo_workspace(folder)
    text = (folder / "workbench.toml").read_text()
    (folder / "workbench.toml").write_text(text.replace("[service]", f"[service]\nworkers = {workers}"))
    run(folder, "--version_id=first")
    reseeded = [line for line in (folder / "workbench.toml").read_text().splitlines() if not line.startswith("seed")]
    (folder / "workbench.toml").write_text("\n".join(reseeded).replace("[retrain]", "[retrain]\nseed = 7"))
    run(folder, "--version_id=second", "--promote=never")
    return load_settings(settings.root)


def with_second(settings: Settings, between) -> None:
    versions, metrics = VersionStore(settings.versions_dir), MetricsStore.of(settings)
    retrainer = ModelRetrainer(settings, versions, metrics)
    retrainer.retrain("first")
    between()
    retrainer.retrain("second", promote="never")
    metrics.close()


def questions(settings: Settings, n: int = 200) -> tuple[list[bytes], dict[str, list[Label]]]:
    """Bodies of one row each, and what each version says to them through scikit-learn."""
    versions = VersionStore(settings.versions_dir)
    schema = versions.metadata("first").features
    frame = trips(n, seed=1) if settings.model.name == "trips" else demo.traffic().head(n)
    rows = to_rows(align(frame, schema))
    right = {name: answer(versions.load(name).estimator, schema, rows).predictions for name in VERSIONS}
    assert not np.allclose(*right.values()), "versions that say the same cannot be told apart"
    return [msgspec.json.encode({"instances": [row]}) for row in rows], right


def play(
    settings: Settings, *, requests: int, switches: int, rest_s: float = REST_S, apart_s: float = APART_S
) -> Outcome:
    """Load and switches until there were at least so many of both; the service is running."""
    bodies, right = questions(settings)
    versions, metrics, outcome = VersionStore(settings.versions_dir), MetricsStore.of(settings), Outcome()
    turns = itertools.cycle((activate_other, roll_back))
    ask = {"concurrency": CONCURRENCY, "keep_answers": True}
    load.generate(settings.service.host, settings.service.port, "/predict", bodies, requests=20 * CONCURRENCY, **ask)
    while outcome.requests < requests or outcome.switches < switches:
        count = max(switches - outcome.switches, 2) if outcome.requests else switches
        seconds = rest_s + count * apart_s + AFTER_S
        running = load.start(settings.service.host, settings.service.port, "/predict", bodies, seconds=seconds, **ask)
        begun, switched = time.monotonic(), []
        for number in range(count):
            Signal().wait(max(begun + rest_s + number * apart_s - time.monotonic(), 0))
            start, old = time.monotonic(), versions.live_id()
            next(turns)(versions, metrics)
            switched.append((start, time.monotonic(), str(old)))
        outcome.add(running.result(), switched, right)
    metrics.close()
    return outcome


def activate_other(versions: VersionStore, metrics: MetricsStore) -> None:
    other = next(name for name in VERSIONS if name != versions.live_id())
    activate(versions, metrics, other, by="benchmark", reason="switching")


def roll_back(versions: VersionStore, metrics: MetricsStore) -> None:
    rollback(versions, metrics, by="benchmark", reason="switching")


def table(outcome: Outcome, what: str) -> Table:
    rest, worst = float(np.median(outcome.rest_ms)), max(outcome.after_ms)
    a_second = outcome.requests / outcome.seconds
    rows = [
        ("requests", f"{outcome.requests:,} ({a_second:,.0f} a second)", "50,000"),
        ("switches and rollbacks", outcome.switches, "20"),
        ("failed", outcome.failed, "0"),
        ("answers of neither version, or not right for it", outcome.wrong, "0"),
        ("answers by version", " / ".join(f"{n:,}" for n in outcome.by_version.values()), ""),
        ("p99 at rest", f"{rest:.1f} ms", ""),
        ("p99 in the second after a switch, median", f"{np.median(outcome.after_ms):.1f} ms", ""),
        ("the same, worst", f"{worst:.1f} ms ({worst / rest:.1f} x)", f"{max(ASKED_RATIO * rest, ASKED_MS):.0f} ms"),
        ("last answer of the old version, worst", f"{max(outcome.late_s):.2f} s after", "2 s"),
    ]
    note = f"{what}; {WORKERS} workers, concurrency {CONCURRENCY}, {APART_S:g} s apart. {machine.told(utc_now())}."
    return Table("Switches under load", note, ("what", "found", "asked"), rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flights", action="store_true", help="Voting ensembles of the flights.")
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--switches", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = (flights_workspace if asked.flights else small_workspace)(Path(folder) / "ws")
        with serving(settings):
            outcome = play(settings, requests=asked.requests, switches=asked.switches)
    print(table(outcome, "Voting ensembles of the flights" if asked.flights else "Linear models of made-up trips"))
    return int(bool(outcome.failed or outcome.wrong))


if __name__ == "__main__":
    sys.exit(main())
