"""`bench` times the real functions, and leaves the workspace as it was."""

import json
import os

import pytest

from tests.cli.test_cli import run
from tests.conftest import trips
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.stopwatch import MOST, timed
from workbench.version_store import VersionStore

GROUPS = ("prediction", "record", "check")


def files(settings):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(settings.root) for name in names)


def bench(settings):
    return json.loads(run(settings, "bench", "--seconds=0.02", "--json"))


def test_every_stage_is_timed_on_the_sample_and_nothing_is_left(trained):
    before = files(trained)
    told = bench(trained)
    assert (told["version"], told["inputs"]) == ("first", "200 of the sample")
    assert all(told[group] for group in GROUPS)
    stages = [stage for group in GROUPS for stage in told[group]]
    assert all(stage["calls"] >= 3 and 0 < stage["median_us"] <= stage["p90_us"] * 1.001 for stage in stages)
    assert [f for f in files(trained) if not f.endswith(".lock")] == [f for f in before if not f.endswith(".lock")]


def test_it_asks_what_was_recorded_where_that_is_something(trained_classifier):
    metrics, schema = (
        MetricsStore.of(trained_classifier),
        VersionStore(trained_classifier.versions_dir).metadata("first"),
    )
    rows = to_rows(trips(30)[["km", "stops", "to"]])
    said = {"version": "first", "schema": schema.features, "response_s": 0.1}
    ModelMonitor(metrics, trained_classifier).record_rows(
        rows, [0] * 30, probabilities=[{"0": 0.9, "1": 0.1}] * 30, **said
    )
    metrics.close()
    told = bench(trained_classifier)
    assert told["inputs"] == "30 recorded"
    assert MetricsStore.of(trained_classifier).count() == 30


def test_it_asks_a_service_that_lets_only_some_in(trained):
    (trained.root / "apps.token").write_text("secret\n")
    file = trained.root / "workbench.toml"
    more = '\n[service]\npredict_token_file = "apps.token"\nallowed_hosts = ["model.example.org"]\n'
    file.write_text(file.read_text() + more)
    assert bench(trained)["prediction"]


def test_a_table_for_people_says_on_what_machine(trained):
    text = run(trained, "bench", "--seconds=0.02")
    assert "Python 3." in text
    assert all(f"a {group}, microseconds" in text for group in GROUPS)


def test_without_a_version_it_says_what_to_do(settings):
    assert "no version is live; train one" in run(settings, "bench", code=2)


@pytest.mark.parametrize(("budget", "calls"), [(0, 3), (10, 10), (1e9, MOST)])
def test_calls_are_as_many_as_fit_in_the_budget(budget, calls):
    now = iter(range(10**6))
    found = timed("a tick", lambda: None, budget_s=budget, clock=lambda: next(now))
    assert (found.calls, found.median_us) == (calls, 1e6)
