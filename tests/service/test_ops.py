"""ops/: the dashboard and the alerting rules name what a real scrape has, and use it as what it is."""

import importlib
import json
import re
import shutil
from copy import deepcopy
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.linters import linted_by
from tests.processes import ROOT
from tests.promql import FUNCTIONS_OF_COUNTERS, grouping, selectors
from tests.service.conftest import Client, start
from tests.service.test_maintenance import ask, traffic
from tests.service.test_v2 import INFER, body
from workbench.settings import load_settings

OPS = ROOT / "ops"
DASHBOARD = json.loads((OPS / "grafana-dashboard.json").read_text())
RULES = [r for g in yaml.safe_load((OPS / "alerts.yml").read_text())["groups"] for r in g["rules"]]
PANELS = [p for p in DASHBOARD["panels"] if p["type"] != "row"]
VARIABLES = {v["name"]: v for v in DASHBOARD["templating"]["list"]}
# As Grafana fills them in.
FILLED = {"$__rate_interval": "1m", "$__interval": "1m", "$instance": ".*", "$metric": ".*"}
# What a workspace that is well and small has no sample of: requests that failed, an estimate from its holdout.
UNSEEN = {("workbench_requests_total", "status"), ("workbench_estimated_performance", "metric")}

# What Grafana reads and its types leave out: of an export, of a query of a variable or an annotation.
BEYOND_ITS_TYPES = {
    *(".__inputs", ".__requires", ".id", ".templating.list.definition"),
    *(".annotations.list.titleFormat", ".annotations.list.step"),
}


def filled(expression):
    for name, value in FILLED.items():
        expression = expression.replace(name, value)
    return expression


EXPRESSIONS = {
    **{f"{p['title']}, {t['refId']}": filled(t["expr"]) for p in PANELS for t in p["targets"]},
    **{a["name"]: filled(a["expr"]) for a in DASHBOARD["annotations"]["list"]},
    **{name: filled(v["definition"]) for name, v in VARIABLES.items() if v["type"] == "query"},
    **{rule["alert"]: rule["expr"] for rule in RULES},
}


@pytest.fixture(scope="module")
def scraped(_regression, tmp_path_factory):
    """A real scrape, of a workspace that was asked in both ways and checked."""
    root = shutil.copytree(_regression.root, tmp_path_factory.mktemp("ops") / "ws")
    with Client(start(load_settings(root), heartbeat_s=60)) as client:
        traffic(client.until_ready(), 300)
        # Below 20 answered requests there is no p95.
        for _ in range(20):
            client.post(INFER, json=body())
        ask(client, "POST", "/check")
        yield client.get("/metrics").text


@pytest.fixture(scope="module")
def families(scraped):
    """Samples and their type by name."""
    found = {}
    for family in text_string_to_metric_families(scraped):
        if family.type == "gauge":
            found[family.name] = (family.type, [])
        for sample in family.samples:
            found.setdefault(sample.name, (family.type, []))[1].append(sample.labels)
    assert found["workbench_workers"]
    return found


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_metric_that_is_named_is_there_and_used_as_its_type(families, name):
    named = selectors(EXPRESSIONS[name])
    if "label_values" in EXPRESSIONS[name]:
        *named, label = named
        assert label.name == "instance" or any(label.name in labels for labels in families[named[0].name][1])
    assert named
    for selector in named:
        assert selector.name in families, selector.name
        kind, samples = families[selector.name]
        if not {(selector.name, m[0]) for m in selector.matchers} & UNSEEN:
            assert any(selector.takes(labels) for labels in samples), selector
        counts = kind in ("counter", "histogram")
        assert selector.ranged == (selector.function in (*FUNCTIONS_OF_COUNTERS, "changes")), selector
        assert counts or selector.function not in FUNCTIONS_OF_COUNTERS, selector
        assert kind != "histogram" or selector.name.endswith(("_bucket", "_sum", "_count"))
    labels = {label for s in named for sample in families[s.name][1] for label in sample}
    assert grouping(EXPRESSIONS[name]) <= labels | {"instance", "job"}
    assert ("histogram_quantile" in EXPRESSIONS[name]) == any(s.name.endswith("_bucket") for s in named)


def test_promtool_finds_nothing_wrong_with_the_names_and_units_of_a_scrape(scraped):
    assert linted_by("promtool", "check", "metrics", text=scraped) == ""


def test_promtool_reads_every_rule_and_every_expression_of_the_dashboard(tmp_path):
    linted_by("promtool", "check", "rules", "--lint=all", "--lint-fatal", OPS / "alerts.yml")
    asked = [text for text in EXPRESSIONS.values() if "label_values" not in text]
    rules = [{"record": f"read:{i}", "expr": text} for i, text in enumerate(asked)]
    (tmp_path / "asked.yml").write_text(yaml.dump({"groups": [{"name": "asked", "rules": rules}]}))
    assert f"{len(asked)} rules found" in linted_by("promtool", "check", "rules", tmp_path / "asked.yml")


def test_the_dashboard_is_one_by_the_types_of_grafana():
    """What the models of Grafana's own library do not know is gone once they have read it and written it again."""
    dashboards = pytest.importorskip(
        "grafana_foundation_sdk.models.dashboard", reason="no grafana-foundation-sdk found"
    )
    plugins = importlib.import_module("grafana_foundation_sdk.cog.plugins")
    encoder = importlib.import_module("grafana_foundation_sdk.cog.encoder")
    plugins.register_default_plugins()
    again = json.loads(encoder.JSONEncoder().encode(dashboards.Dashboard.from_json(deepcopy(DASHBOARD))))
    assert {re.sub(r"\[\d+\]", "", name) for name in lost(DASHBOARD, again)} == BEYOND_ITS_TYPES


def lost(before, after, at=""):
    """The members of a value that another one has not, or has otherwise."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            yield from lost(value, after.get(name, ...), f"{at}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{at}[{i}]")
    elif before != after:
        yield at


def test_expressions_that_name_or_use_what_is_not_there_are_found_out():
    (rate,) = selectors('sum by (status) (rate(workbench_x_total{status=~"5..", instance="a"}[5m])) > 0.05')
    assert (rate.name, rate.function, rate.ranged) == ("workbench_x_total", "rate", True)
    assert (rate.takes({"status": "503"}), rate.takes({"status": "200"})) == (True, False)
    assert [s.name for s in selectors("a_b / on (job) c unless d{e!='f'}".replace("'", '"'))] == ["a_b", "c", "d"]
    assert grouping("sum by (job, le) (x) / on (worker) y") == {"job", "le", "worker"}


def test_panels_have_their_own_place_number_and_datasource():
    assert len({p["id"] for p in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    places = [p["gridPos"] for p in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    assert VARIABLES["datasource"]["type"] == "datasource"
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len({t["refId"] for t in panel["targets"]}) == len(panel["targets"])


def test_what_is_asked_for_is_shown():
    shown = " ".join(EXPRESSIONS.values())
    for name in (
        *("requests_total", "predictions_total", "response_seconds_bucket", "prediction_latency_seconds_bucket"),
        *("drift_noise", "performance", "drift_state", "attempts_total", "switches_total", "alarms_total"),
        *("recording_seconds_bucket", "worker_cpu_seconds_total", "worker_resident_memory_bytes"),
    ):
        assert f"workbench_{name}" in shown


def test_every_rule_has_a_severity_and_words():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"]
    assert any(selectors(rule["expr"])[0].function == "absent" for rule in RULES)


@pytest.mark.parametrize("path", ["grafana-dashboard.json", "alerts.yml"])
def test_the_files_are_named_in_the_documentation(path):
    assert f"ops/{path}" in Path(ROOT, "docs", "operations.md").read_text()
