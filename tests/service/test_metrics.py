"""/metrics by the official parsers: conventional, bounded, and what requests and records say."""

import re
import shutil

import numpy as np
import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from service import gauges
from service.histograms import Histogram
from service.notes import SECONDS, _prediction, _response
from service.scrape import VERSIONS_TOLD
from tests.conftest import until
from tests.service.conftest import Client, start
from tests.service.test_inference import ROW, predict
from tests.service.test_maintenance import ask, traffic
from tests.service.test_v2 import INFER, body
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_text
from workbench.records import Event, Heartbeat
from workbench.settings import load_settings
from workbench.version_store import VersionStore

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def scraped(client, **more):
    """Samples by name and labels."""
    answer = client.get("/metrics", **more)
    assert answer.status_code == 200
    return {
        (s.name, *sorted(s.labels.items())): s.value
        for family in text_string_to_metric_families(answer.text)
        for s in family.samples
    }


def of(found, name, **labels):
    """The value of a sample that has these labels, among others."""
    values = [v for key, v in found.items() if key[0] == name and set(labels.items()) <= set(key[1:])]
    assert len(values) <= 1, (name, labels)
    return values[0] if values else None


def total(found, name, **labels):
    return sum(v for key, v in found.items() if key[0] == name and set(labels.items()) <= set(key[1:]))


@pytest.fixture(scope="module")
def checked(_regression, tmp_path_factory):
    """A client of a workspace with some traffic and a check, and what the check said."""
    root = shutil.copytree(_regression.root, tmp_path_factory.mktemp("checked") / "ws")
    with Client(start(load_settings(root))) as client:
        traffic(client.until_ready())
        told = ask(client, "POST", "/check")[1]
        yield client, told


def test_both_formats_are_what_the_official_parsers_take_and_say_the_same(checked):
    client, _ = checked
    plain = client.get("/metrics")
    told = client.get("/metrics", headers=OPENMETRICS)
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert told.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    one = {s.name for f in text_string_to_metric_families(plain.text) for s in f.samples}
    other = {s.name for f in openmetrics.text_string_to_metric_families(told.text) for s in f.samples}
    assert {n for n in one if not n.endswith("_created")} == {n for n in other if not n.endswith("_created")}


def test_names_have_one_prefix_and_end_in_their_unit_or_kind(checked):
    client, _ = checked
    for family in text_string_to_metric_families(client.get("/metrics").text):
        assert re.fullmatch(r"workbench_[a-z0-9_]+", family.name), family.name
        assert family.documentation.endswith(".")
        # Base units: no milliseconds, no percent, no megabytes.
        assert not re.search(r"_(ms|millis\w*|percent|mb|kb|us|minutes|hours)(_|$)", family.name)
        if family.type == "counter":
            assert {s.name for s in family.samples} <= {f"{family.name}_total", f"{family.name}_created"}
        if family.type == "histogram":
            assert family.name.endswith(("_seconds", "_predictions"))


def test_many_values_at_once_are_counted_as_one_by_one():
    values = [*SECONDS, *np.random.default_rng(0).lognormal(-4, 3, 500), 0.0, 1e9]
    one_by_one, at_once = (Histogram("seen", "Values.", ["kind"], buckets=SECONDS, registry=None) for _ in range(2))
    for value in values:
        one_by_one.labels("a").observe(value)
    at_once.labels("a").observe_all(values[:100])
    at_once.labels("a").observe_all(values[100:])
    told = [
        {(s.name, *s.labels.items()): s.value for s in each.collect()[0].samples if not s.name.endswith("_created")}
        for each in (one_by_one, at_once)
    ]
    assert told[0] == pytest.approx(told[1])


def test_requests_and_predictions_are_counted_by_version_and_status(client):
    before = scraped(client)
    for _ in range(3):
        assert predict(client, ROW, ROW).status_code == 200
    assert client.post(INFER, json=body()).status_code == 200
    assert predict(client, ROW | {"km": "far"}).status_code == 422
    found = scraped(client)

    def grown(name, **labels):
        return total(found, name, **labels) - total(before, name, **labels)

    answered = {"status": "200", "version": "first"}
    assert grown("workbench_response_seconds_count", path="/predict", **answered) == 3
    assert grown("workbench_response_seconds_count", path="/v2/models/{name}/infer", **answered) == 1
    assert grown("workbench_prediction_latency_seconds_count", **answered) == 4
    assert grown("workbench_prediction_latency_seconds_count", status="422", version="first") == 1
    assert grown("workbench_request_predictions_sum", **answered) == 7 == grown("workbench_predictions_total")
    assert grown("workbench_request_predictions_bucket", le="1.0", **answered) == 1
    assert grown("workbench_request_predictions_bucket", le="2.0", **answered) == 4
    assert grown("workbench_requests_total", path="/predict", status="422") == 1
    slower = grown("workbench_response_seconds_sum", path="/predict", **answered)
    assert 0 < slower < 3 * 5


def test_the_window_is_the_one_of_the_summary(client):
    for _ in range(25):
        predict(client, ROW)
    predict(client, ROW | {"km": "far"})
    store = MetricsStore.of(client.settings)
    found = scraped(client)
    asked = [r for r in store.requests() if r.path == "/predict"]
    times = [r.response_s for r in asked if r.status == 200]
    assert of(found, "workbench_window_requests") == len(asked) == 26
    assert of(found, "workbench_window_response_mean_seconds") == pytest.approx(np.mean(times))
    for name, share in (("p50", 50), ("p95", 95), ("p99", 99)):
        assert of(found, f"workbench_window_response_{name}_seconds") == pytest.approx(np.percentile(times, share))
    assert of(found, "workbench_window_client_error_ratio") == pytest.approx(1 / 26)
    assert of(found, "workbench_window_server_error_ratio") == 0
    summary = ask(client, "GET", "/summary")[1]["service"]["all"]
    assert of(found, "workbench_window_response_p95_seconds") == pytest.approx(summary["p95_s"])
    assert of(found, "workbench_window_size") == client.settings.monitor.window


def test_the_last_check_is_told_with_its_state_as_a_number(checked):
    client, told = checked
    found = scraped(client)
    parts = {part: gauges.STATES[told[part]["state"]] for part in gauges.PARTS}
    assert {part: of(found, f"workbench_{part}_state") for part in parts} == parts
    assert of(found, "workbench_state") == max(parts.values())
    assert of(found, "workbench_labelled_predictions") == 60
    metrics = {name: value for name, value in told["performance"]["metrics"].items() if value is not None}
    assert {name: of(found, "workbench_performance", metric=name) for name in metrics} == metrics
    assert of(found, "workbench_performance_lower_bound", metric="rmse") <= metrics["rmse"]
    assert of(found, "workbench_performance_baseline", metric="rmse") > 0
    for feature in told["drift"]["features"]:
        state = of(found, "workbench_feature_state", feature=feature["feature"])
        assert state == gauges.STATES[feature["state"]]


def test_what_was_done_is_counted_from_the_records_also_by_a_worker_that_has_just_begun(client):
    store = MetricsStore.of(client.settings)
    before = scraped(client)
    assert of(before, "workbench_attempts_total", trigger="drift") == 0
    assert of(before, "workbench_alarms_total", part="data") == 0
    for kind, data in [
        ("retrain_started", {"trigger": "drift"}),
        ("retrain_started", {"trigger": "a word of another release"}),
        ("kept_out", {}),
        ("switched", {}),
        ("rolled_back", {}),
        ("rollback_failed", {}),
        ("alarm", {"name": "drift"}),
        ("alarm", {"name": "drift"}),
        ("alert_sent", {}),
        ("maintenance_failed", {}),
    ]:
        store.append(Event(kind=kind, reason="", data=data))

    def grown(found):
        return {key: found[key] - before[key] for key in before if found[key] != before[key] and "_total" in key[0]}

    told = {
        ("workbench_attempts_total", ("trigger", "drift")): 1,
        ("workbench_attempts_total", ("trigger", "other")): 1,
        ("workbench_attempt_ends_total", ("result", "kept_out")): 1,
        ("workbench_switches_total", ("how", "by_hand")): 1,
        ("workbench_switches_total", ("how", "rolled_back")): 1,
        ("workbench_rollbacks_total",): 1,
        ("workbench_rollback_failures_total",): 1,
        ("workbench_alarms_total", ("part", "drift")): 2,
        ("workbench_alerts_total", ("result", "sent")): 1,
        ("workbench_maintenance_failures_total",): 1,
    }
    counted = ("attempt", "switches", "rollback", "alarms", "alerts", "maintenance", "probations")
    ours = tuple(f"workbench_{name}" for name in counted)
    assert {k: v for k, v in grown(scraped(client)).items() if k[0].startswith(ours)} == told
    with Client(start(client.settings)) as another:
        assert {k: v for k, v in grown(scraped(another)).items() if k[0].startswith(ours)} == told


def test_every_worker_tells_what_its_process_costs(trained):
    # Rare beats, so that no busy machine makes a worker look dead.
    with Client(start(trained, heartbeat_s=60)) as client:
        now = client.app.state.monitor.clock()
        other = Heartbeat(
            worker=7,
            started_at=utc_text(now),
            every_s=60,
            version="first",
            cpu_share=0.5,
            memory_mb=100.0,
            cpu_s=12.5,
            open_files=20,
            deferred=3,
            lost=4,
            error="broken",
        )
        # A worker of another machine is told there, under the same number.
        MetricsStore.of(trained).append(other, replace(other, replica="elsewhere", cpu_s=99.0))
        until(lambda: of(scraped(client), "workbench_workers") == 2)
        found = scraped(client)
    told = {
        "cpu_seconds_total": 12.5,
        "resident_memory_bytes": 1e8,
        "open_fds": 20,
        "deferred_records": 3,
        "lost_records_total": 4,
        "load_failed": 1,
        "start_time_seconds": pytest.approx(now.timestamp(), abs=1e-3),
    }
    assert {name: of(found, f"workbench_worker_{name}", worker="7") for name in told} == told
    assert of(found, "workbench_worker_info", worker="7", version="first") == 1
    own = {name: of(found, f"workbench_worker_{name}", worker="1") for name in told}
    assert (own["load_failed"], own["lost_records_total"], own["deferred_records"]) == (0, 0, 0)
    assert own["cpu_seconds_total"] > 0
    assert own["resident_memory_bytes"] > 1e7
    assert own["open_fds"] > 3


def test_the_live_version_is_named_once(two):
    assert of(scraped(two), "workbench_model_info", version="first", model="trips", task="regression") == 1
    assert of(scraped(two), "workbench_maintainer_up") == 0
    VersionStore(two.settings.versions_dir).activate("second", by="test", reason="")
    found = scraped(two)
    assert of(found, "workbench_model_info", version="second") == 1
    assert of(found, "workbench_model_info", version="first") is None
    assert of(found, "workbench_live_generation") == 2
    assert of(found, "workbench_build_info") == 1


def test_without_a_version_and_a_record_there_is_a_scrape_too(settings):
    with Client(start(settings)) as client:
        found = scraped(client)
    assert of(found, "workbench_model_info") is None
    assert of(found, "workbench_window_requests") == 0
    assert of(found, "workbench_drift_state") is None


def test_a_pointer_that_cannot_be_read_leaves_the_rest(client):
    VersionStore(client.settings.versions_dir).pointer.path.write_bytes(b"{")
    found = scraped(client)
    assert of(found, "workbench_model_info") is None
    assert of(found, "workbench_window_size") == client.settings.monitor.window


def test_versions_that_are_long_gone_have_no_time_series(client):
    pointer = VersionStore(client.settings.versions_dir).pointer
    names = [f"gone{i}" for i in range(VERSIONS_TOLD + 1)]
    for name in names:
        pointer.switch(name, by="test", reason="")
        _response("/predict", 200, name).observe(0.1)
        _prediction(200, name)[1].observe(1)
    told = {dict(key[1:])["version"] for key in scraped(client) if key[0] == "workbench_predictions_total"}
    assert told == set(names[1:])
    versions = {dict(key[1:]).get("version") for key in scraped(client) if "_bucket" in key[0]}
    assert versions <= {*names[1:], "", None}
    # Of all of them, though: a counter that falls would look like a restart.
    assert of(scraped(client), "workbench_requests_total", path="/predict", status="200") >= len(names)
