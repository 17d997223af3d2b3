"""What `status` tells of the service."""

from typer.testing import CliRunner

from workbench.cli import app
from workbench.metrics_store import MetricsStore
from workbench.records import Request


def request(version, took, status=200):
    return Request(path="/predict", status=status, rows=1, version=version, response_s=took, latency_s=took)


def test_status_shows_requests_of_all_versions_and_of_each(settings):
    metrics = MetricsStore.of(settings)
    metrics.append(*(request("first", 0.01 + i % 2 / 100) for i in range(40)))
    metrics.append(*(request("second", 0.5, 500 if i == 4 else 200) for i in range(5)))
    metrics.close()
    done = CliRunner().invoke(app, ["--root", str(settings.root), "status"])
    assert done.exit_code == 0, done.output
    shown = {line.split("│")[1].strip(): line for line in done.output.splitlines() if line.count("│") == 8}
    assert [name for name in shown if name] == ["all", "first", "second"]
    assert " 45 " in shown["all"]
    assert "15.0 ms (" in shown["first"]
    assert "longest 500.0 ms" in shown["second"]
    assert "20.0% (3.6% to 62.4%)" in shown["second"]


def test_status_says_what_maintenance_is_at_and_who_holds_it(trained):
    def told():
        output = CliRunner().invoke(app, ["--root", str(trained.root), "status"]).output
        return next(line for line in output.splitlines() if "maintenance" in line)

    assert "steady" in told() or "cooling down until" in told()
    CliRunner().invoke(app, ["--root", str(trained.root), "pause", "--reason=holidays"])
    assert "paused: holidays" in told()
    CliRunner().invoke(app, ["--root", str(trained.root), "resume"])
    CliRunner().invoke(app, ["--root", str(trained.root), "pin", "first", "--reason=audit"])
    assert "paused: pinned to first: audit" in told()
