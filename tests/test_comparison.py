"""Every version over the traffic it served: figures against numpy and scikit-learn, on little traffic."""

import json
import shutil
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from tests.cli.test_cli import run
from tests.conftest import NOON, make_workspace
from tests.evaluations import evaluation
from workbench.cli.up import _print_summary
from workbench.cli.versions import print_comparison
from workbench.comparison import compare
from workbench.comparison_result import Comparison
from workbench.holdout import score
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_text
from workbench.records import METRICS, Actual, Prediction
from workbench.scores import sample
from workbench.tenures import stretches
from workbench.version_store import VersionStore
from workbench.workspace import Workbench


class Story:
    """A workspace in which things happen when the clock says so."""

    def __init__(self, settings, clock):
        self.settings, self.clock = settings, clock
        self.metrics = MetricsStore.of(settings, clock)
        self.versions = VersionStore(settings.versions_dir, clock=clock)
        self.versions.pointer.log_path.unlink(missing_ok=True)
        self.versions.pointer.path.unlink(missing_ok=True)

    def live(self, version: str, **later):
        self.versions.pointer.switch(version, by="t", reason="")
        self.clock.forward(**later)

    def serve(self, version: str, outputs, actuals, *, response_s=0.01, request_id="", chances=None):
        """Predictions of a version; of those whose actual is not None, it comes a minute later."""
        times = np.broadcast_to(response_s, len(outputs))
        done = [
            self.metrics.append(
                Prediction(
                    event_time=utc_text(self.clock()),
                    version=version,
                    inputs={"km": 1.0},
                    output=y,
                    response_s=float(s),
                    request_id=request_id,
                    probabilities=chances[i] if chances else None,
                )
            )[0]
            for i, (y, s) in enumerate(zip(outputs, times, strict=True))
        ]
        self.clock.forward(minutes=1)
        for prediction, actual in zip(done, actuals, strict=True):
            if actual is not None:
                self.metrics.append(Actual(prediction_id=prediction.id, actual=actual))

    def check(self, version: str, *alarms: str):
        told = evaluation(self.clock(), *alarms, version=version)
        figures = msgspec.structs.replace(told.performance, metrics={"mae": 1.0})
        self.metrics.append(msgspec.structs.replace(told, performance=figures))

    def compare(self) -> Comparison:
        return compare(self.settings, self.metrics, self.versions, now=self.clock())


@pytest.fixture
def story(settings, clock):
    """No file of any version: what is on record is known all the same."""
    return Story(settings, clock)


def test_the_figures_of_each_version_are_of_its_own_traffic(story):
    rng = np.random.default_rng(0)
    truth, said = rng.normal(50, 10, 60), rng.normal(50, 10, 60)
    story.serve("a", said[:40].tolist(), truth[:40].tolist())
    story.serve("b", said[40:].tolist(), truth[40:].tolist())
    story.serve("a", [1.0], [None])
    found = story.compare()
    assert (found.predictions, found.metric) == (61, "mae")
    for version, rows in (("a", slice(0, 40)), ("b", slice(40, 60))):
        told, y, answer = found.tenure(version), truth[rows], said[rows]
        assert (told.predictions, told.labelled) == (len(y) + (version == "a"), len(y))
        assert list(told.served.metrics) == ["mae", "mse", "rmse", "r2", "bias"]
        assert told.served.metrics["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(y, answer))
        assert told.served.metrics["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(y, answer))
        assert told.served.metrics["r2"] == pytest.approx(sklearn_metrics.r2_score(y, answer))
        assert told.served.metrics["bias"] == pytest.approx(np.mean(answer - y))
        assert told.served.intervals == score(sample("regression", y, answer), list(told.served.metrics)).intervals


def test_a_version_without_probabilities_costs_no_other_its_figures(tmp_path, clock):
    story = Story(make_workspace(tmp_path / "ws", "classification", "slow"), clock)
    truth, p = [0, 1, 0, 1, 1, 0], [0.2, 0.9, 0.6, 0.7, 0.4, 0.1]
    said = [int(x > 0.5) for x in p]
    story.serve("likely", said, truth, chances=[{"0": 1 - x, "1": x} for x in p])
    story.serve("hard", [0, 0], [0, 0])
    likely, hard = (story.compare().tenure(v).served.metrics for v in ("likely", "hard"))
    assert set(likely) == set(METRICS["classification"])
    assert likely["roc_auc"] == pytest.approx(sklearn_metrics.roc_auc_score(truth, p))
    assert likely["brier"] == pytest.approx(sklearn_metrics.brier_score_loss(truth, p))
    assert likely["f1"] == pytest.approx(sklearn_metrics.f1_score(truth, said))
    # Slow trips exist, if not among these two: none was found, and 0 is not taken for the class that matters.
    assert (hard["roc_auc"], hard["accuracy"], hard["recall"]) == (None, 1.0, 0.0)


def test_response_times_are_of_requests_and_have_their_intervals(story):
    times = np.random.default_rng(1).gamma(4, 0.005, 200)
    story.serve("a", np.zeros(200).tolist(), [None] * 200, response_s=times)
    story.serve("b", [0.0] * 50, [None] * 50, response_s=0.3, request_id="one-of-50-rows")
    story.serve("b", [0.0] * 2, [None] * 2, response_s=0.1, request_id="one-of-50-rows")
    a, b = (story.compare().tenure(v).responses for v in ("a", "b"))
    assert (a.requests, a.rows, b.requests, b.rows) == (200, 200, 2, 52)
    assert a.mean_s == pytest.approx(times.mean())
    assert a.p95_s == pytest.approx(np.percentile(times, 95))
    half = 1.96 * times.std(ddof=1) / np.sqrt(200)
    assert a.mean_interval_s == pytest.approx((times.mean() - half, times.mean() + half), rel=0.03)
    assert a.p95_interval_s[0] < np.percentile(times, 95) < a.p95_interval_s[1]
    assert (b.mean_s, b.p95_s, b.max_s) == (pytest.approx(0.2), None, 0.3)
    # Of what the records of predictions do not know, nothing is claimed.
    assert (a.share_5xx, a.requests_per_s) == (None, None)


def test_a_version_that_came_back_was_live_in_two_stretches(story):
    story.live("a", hours=2)
    story.live("b", minutes=30)
    story.live("a", hours=1)
    a, b = story.compare().tenures
    at = [utc_text(NOON.replace(hour=h, minute=m)) for h, m in ((12, 0), (14, 0), (14, 30))]
    assert (a.version, a.live, a.live_s, a.is_live) == ("a", ((at[0], at[1]), (at[2], None)), 3 * 3600, True)
    assert (b.version, b.live, b.live_s, b.is_live) == ("b", ((at[1], at[2]),), 1800, False)


def test_a_mended_pointer_is_no_new_stretch():
    assert stretches([("1", "a"), ("2", "a"), ("3", "b")]) == {"a": [("1", "3")], "b": [("3", None)]}
    assert stretches([]) == {}


def test_a_switch_that_was_cut_off_before_its_log_line_counts(story):
    story.live("a", hours=1)
    story.live("b", hours=1)
    log = story.versions.pointer.log_path
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    assert [(t.version, t.live_s, t.is_live) for t in story.compare().tenures] == [
        ("a", 3600, False),
        ("b", 3600, True),
    ]
    story.versions.pointer.path.write_bytes(b"damaged")
    assert [(t.version, t.is_live) for t in story.compare().tenures] == [("a", True)]


def test_what_has_labels_to_come_is_provisional_until_they_have_had_the_time(story):
    story.serve("a", [1.0] * 30, [1.0] * 30)
    story.clock.forward(hours=1)
    story.serve("b", [1.0] * 10, [3.0] * 4 + [None] * 6)
    a, b = story.compare().tenures
    assert (a.awaited, a.served.provisional) == (0, False)
    # A minute later: that is when labels have come so far.
    assert (b.labelled, b.awaited) == (4, 0)
    story.serve("b", [1.0] * 3, [None] * 3)
    story.clock.forward(seconds=-30)
    b = story.compare().tenure("b")
    assert (b.labelled, b.awaited, b.served.provisional) == (4, 3, True)


def test_before_the_first_label_all_are_to_come(story):
    story.serve("a", [1.0] * 3, [None] * 3)
    (a,) = story.compare().tenures
    assert (a.awaited, a.served.provisional, a.served.metrics["mae"], a.served.intervals) == (3, True, None, {})


def test_drift_at_its_time_is_what_its_own_checks_said(story):
    for alarms in (("drift",), ("drift", "model"), (), ("data", "performance")):
        story.check("a", *alarms)
        story.clock.forward(minutes=1)
    story.check("b", "drift")
    a, b = (story.compare().tenure(v).drift for v in ("a", "b"))
    assert (a.checks, a.inputs, a.model, a.data) == (4, 2, 1, 1)
    assert (a.state, a.sentence, a.checked_at) == ("ok", "drift sentence", utc_text(NOON.replace(minute=3)))
    assert (b.checks, b.inputs, b.state) == (1, 1, "drift")


@pytest.fixture
def loop(trained, clock):
    """`first` served, `second` was never live, `gone` was live before both and has no files left."""
    for part in ("models/{}", "manifests/{}.json"):
        path = trained.versions_dir / part.format("first")
        twin = trained.versions_dir / part.format("second")
        shutil.copytree(path, twin) if path.is_dir() else shutil.copy(path, twin)
    story = Story(trained, clock)
    story.live("gone", hours=1)
    story.serve("gone", [10.0] * 30, [12.0] * 30)
    story.live("first", hours=1)
    story.serve("first", [10.0] * 25, [11.0] * 24 + [None])
    story.check("first", "drift")
    return story


def test_versions_without_traffic_and_without_files_are_there_too(loop):
    rename(loop.settings, "second")
    found = loop.compare()
    assert [(t.version, t.published, t.predictions, t.is_live) for t in found.tenures] == [
        ("gone", False, 30, False),
        ("first", True, 25, True),
        ("second", True, 0, False),
    ]
    gone, first, second = found.tenures
    assert (gone.trigger, gone.baseline, gone.served.metrics["mae"]) == (None, {}, 2.0)
    assert first.baseline == loop.versions.metadata("first").metrics
    assert (second.live, second.live_s, second.labelled, second.awaited) == ((), 0, 0, 0)
    assert (second.responses.requests, second.drift.checks, set(second.served.metrics.values())) == (0, 0, {None})
    with pytest.raises(KeyError, match="nope"):
        found.tenure("nope")


def rename(settings, version: str) -> None:
    """Make a copy of a version's files one of its own: its metadata and its manifest say so."""
    import hashlib

    path = settings.versions_dir / "models" / version / "metadata.json"
    path.write_text(path.read_text().replace('"version_id": "first"', f'"version_id": "{version}"'))
    manifest = settings.versions_dir / "manifests" / f"{version}.json"
    told = json.loads(manifest.read_text())
    told["metadata.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(told))


def test_the_record_survives_json_and_comes_out_as_a_table(loop):
    rename(loop.settings, "second")
    found = loop.compare()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found
    frame = found.to_frame().set_index("version")
    assert list(frame.index) == ["gone", "first", "second"]
    assert frame.loc["gone", ["predictions", "labelled", "mae", "mae_low", "mae_high"]].tolist() == [30, 30, 2, 2, 2]
    assert frame["live_from"].dt.hour.tolist()[:2] == [12, 13]
    assert frame["live_to"].isna().tolist() == [False, True, True]
    assert (frame.loc["first", "checks"], frame.loc["first", "inputs_in_alarm"]) == (1, 1)
    assert frame["response_p95_s"].isna().tolist() == [False, False, True]
    assert frame["mae"].dtype == frame["response_mean_s"].dtype == float


def test_of_nothing_there_is_an_empty_table(settings):
    story = Workbench(settings)
    assert story.compare().tenures == ()
    assert len(story.compare().to_frame()) == 0


def test_the_command_prints_one_table_and_its_caveat(loop, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    assert run(loop.settings, "compare").count("versions over the traffic they served") == 1
    capsys.readouterr()
    loop.clock.forward(seconds=-30)
    print_comparison(loop.compare())
    table = " ".join(capsys.readouterr().out.split())
    assert "each version met its own traffic, at its own time" in table
    told = ["gone", "live", "24 with actual", "1 to come", "1 (1 to 1)", "provisional", "(10.0 to 10.0)", "inputs 1"]
    assert [words for words in told if words not in table] == []
    assert "2026-01-01 12:00:00 │ 30" in table


def test_the_command_gives_the_record_and_two_sides_and_refuses_one(loop):
    record = msgspec.json.decode(run(loop.settings, "compare", "--json"), type=Comparison)
    assert [t.version for t in record.tenures][:2] == ["gone", "first"]
    assert (
        record.tenures
        == msgspec.structs.replace(
            compare(loop.settings, loop.metrics, loop.versions, now=msgspec.convert(record.as_of, type=type(NOON)))
        ).tenures
    )
    sides = json.loads(run(loop.settings, "compare", "first", "first", "--json"))
    assert sides["a"]["metadata"]["version_id"] == sides["b"]["metadata"]["version_id"] == "first"
    assert "went live" in run(loop.settings, "compare", "first", "first")
    assert "name two versions to compare, or none" in run(loop.settings, "compare", "first", code=2)
    assert "no version 'nope'" in run(loop.settings, "compare", "first", "nope", code=2)


def test_the_summary_of_the_demo_has_the_same_table_once(loop, capsys):
    _print_summary(loop.settings, as_json=False)
    told = capsys.readouterr().out
    assert told.count("versions over the traffic they served") == told.count("each version met its own traffic") == 1
    _print_summary(loop.settings, as_json=True)
    assert [t["version"] for t in json.loads(capsys.readouterr().out)["comparison"]["tenures"]][:2] == ["gone", "first"]


def test_a_workbench_compares(loop):
    assert [t.version for t in Workbench(loop.settings).compare().tenures][:2] == ["gone", "first"]


@pytest.mark.parametrize("room", ["workbench.tenures", "workbench.comparison_result", "workbench.maintainer"])
def test_who_does_not_compare_does_not_pay_for_scikit_learn(room):
    others = "" if room == "workbench.tenures" else "assert 'workbench.tenures' not in sys.modules"
    code = f"import sys, {room}; assert 'sklearn' not in sys.modules; {others}"
    subprocess.run([sys.executable, "-c", code], check=True)
