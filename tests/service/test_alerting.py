"""ops/alerts.yml, played by Prometheus' own tool: each rule fires where it should, alone; none where all is well."""

import pytest
import yaml

from tests.linters import linted_by
from tests.service.test_ops import OPS, RULES

# By minute: so much at once, and so much more with each.
CALM, STEADY, ONCE = "0x90", "0+1000x90", "0x50 1x40"
BUILD = 'workbench_build_info{version="0.1.0"}'
LIVE = 'workbench_model_info{model="trips",task="regression",version="first"}'
WELL = {
    BUILD: "1x90",
    LIVE: "1x90",
    "workbench_workers": "2x90",
    "workbench_workers_wanted": "2x90",
    'workbench_worker_load_failed{worker="1"}': CALM,
    "workbench_maintainer_up": "1x90",
    "workbench_check_timestamp_seconds": "0+60x90",
    'workbench_predictions_total{version="first"}': STEADY,
    **{f"workbench_{part}_state": "1x90" for part in ("data", "drift", "model", "performance", "estimate")},
    'workbench_attempt_ends_total{result="failed"}': CALM,
    "workbench_rollbacks_total": CALM,
    "workbench_rollback_failures_total": CALM,
    "workbench_maintenance_failures_total": CALM,
    'workbench_alerts_total{result="failed"}': CALM,
    'workbench_response_seconds_sum{path="/predict",status="200"}': "0+2x90",
    'workbench_response_seconds_count{path="/predict",status="200"}': STEADY,
    'workbench_requests_total{path="/predict",status="200"}': STEADY,
    'workbench_requests_total{path="/v2/models/{name}/infer",status="503"}': "0+1x90",
    'workbench_requests_total{path="/v2/models/{name}/infer",status="422"}': "0+1x90",
    'workbench_worker_deferred_records{worker="1"}': CALM,
    'workbench_worker_lost_records_total{worker="1"}': CALM,
    "workbench_held": CALM,
}
ABSENT = "_x90"
# What is otherwise where a rule fires.
ILL = {
    "WorkbenchAbsent": {BUILD: ABSENT},
    "WorkbenchWithoutVersion": {LIVE: ABSENT},
    "WorkbenchWorkersMissing": {"workbench_workers": "1x90"},
    "WorkbenchVersionNotLoaded": {'workbench_worker_load_failed{worker="1"}': "1x90"},
    "WorkbenchMaintainerMissing": {"workbench_maintainer_up": CALM},
    "WorkbenchUnchecked": {"workbench_check_timestamp_seconds": CALM},
    "WorkbenchDataBroken": {"workbench_data_state": "3x90"},
    "WorkbenchDrift": {"workbench_model_state": "3x90"},
    "WorkbenchPerformanceLost": {"workbench_performance_state": "3x90"},
    "WorkbenchPerformanceEstimatedLost": {"workbench_estimate_state": "3x90"},
    "WorkbenchRetrainFailed": {'workbench_attempt_ends_total{result="failed"}': ONCE},
    "WorkbenchRolledBack": {"workbench_rollbacks_total": ONCE},
    "WorkbenchRollbackFailed": {"workbench_rollback_failures_total": ONCE},
    "WorkbenchMaintenanceFailed": {"workbench_maintenance_failures_total": ONCE},
    "WorkbenchMessagesFailed": {'workbench_alerts_total{result="failed"}': ONCE},
    "WorkbenchSlow": {'workbench_response_seconds_sum{path="/predict",status="200"}': "0+1100x90"},
    "WorkbenchPredictionsFail": {'workbench_requests_total{path="/v2/models/{name}/infer",status="503"}': "0+60x90"},
    "WorkbenchRequestsRefused": {'workbench_requests_total{path="/v2/models/{name}/infer",status="422"}': "0+300x90"},
    "WorkbenchRecordsWait": {'workbench_worker_deferred_records{worker="1"}': "5x90"},
    "WorkbenchRecordsLost": {'workbench_worker_lost_records_total{worker="1"}': "0x80 3x10"},
    "WorkbenchHeld": {"workbench_held": "1x200"},
}
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


def play(folder, series, firing, *, interval="1m", at="85m"):
    """Let promtool compare what fires at a moment with what should."""
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing]
    told = [{"series": _named(name), "values": values} for name, values in series.items() if values is not ABSENT]
    (folder / "played.yml").write_text(
        yaml.dump(
            {
                "rule_files": [str(OPS / "alerts.yml")],
                "evaluation_interval": interval,
                "tests": [
                    {
                        "interval": interval,
                        "input_series": told,
                        "promql_expr_test": [{"expr": FIRING, "eval_time": at, "exp_samples": expected}],
                    }
                ],
            }
        )
    )
    linted_by("promtool", "test", "rules", folder / "played.yml")


def _named(series: str) -> str:
    """A series of one service."""
    name, _, labels = series.partition("{")
    return f'{name}{{job="workbench",instance="a",{labels or "}"}'


def test_every_rule_is_played():
    assert set(ILL) == {rule["alert"] for rule in RULES}


def test_nothing_fires_where_all_is_well(tmp_path):
    play(tmp_path, WELL, [])


@pytest.mark.parametrize("name", [name for name in ILL if name != "WorkbenchHeld"])
def test_each_rule_fires_alone_where_it_should(tmp_path, name):
    play(tmp_path, WELL | ILL[name], [name])


def test_what_is_held_for_a_week_is_told(tmp_path):
    held = {BUILD: "1x200", LIVE: "1x200", **ILL["WorkbenchHeld"]}
    play(tmp_path, held, [], interval="1h", at="167h")
    play(tmp_path, held, ["WorkbenchHeld"], interval="1h", at="170h")
