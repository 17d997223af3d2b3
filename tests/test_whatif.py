"""A stored version over the recorded inputs, and two versions side by side, beside figures taken by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import confusion_matrix, mean_absolute_error

from tests.cli.test_cli import run
from tests.conftest import trips
from workbench.ensemble import answer
from workbench.errors import DataError, UnknownVersion, WorkbenchError
from workbench.features import to_rows
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now
from workbench.paired import agreement, measure
from workbench.retrainer import ModelRetrainer
from workbench.scores import sample
from workbench.settings import with_values
from workbench.side_by_side import side_by_side
from workbench.version_store import VersionStore
from workbench.whatif import whatif
from workbench.workspace import Workbench

NEWER = "2026-03-01"


def traffic(bench, n=120, *, labelled=120, start=NEWER, shift=0.0, seed=7):
    """Rows answered by the live version, `shift` minutes too high; of so many the actuals come."""
    frame = trips(n, seed=seed, start=start)
    version = bench.versions.load(bench.versions.live_id())
    rows = to_rows(frame[["km", "stops", "to"]])
    said = answer(version.estimator, version.schema, rows)
    target = version.schema.target
    done = [
        bench.monitor.record(
            row,
            output + shift if target == "minutes" else output,
            version=version.id,
            response_s=0.01,
            event_time=at,
            probabilities=said.probabilities[i] if said.probabilities else None,
        )
        for i, (row, output, at) in enumerate(zip(rows, said.predictions, frame["at"], strict=True))
    ]
    bench.monitor.feedback([(p.id, y) for p, y in zip(done[:labelled], frame[target].tolist(), strict=False)])
    return done, frame


def second(settings, **changes):
    """Another version, published and not live; returns the workspace."""
    made = with_values(settings, changes) if changes else settings
    ModelRetrainer(made, VersionStore(settings.versions_dir), MetricsStore.of(settings)).retrain(
        "second", promote="never"
    )
    return Workbench(settings)


def test_an_equal_version_agrees_and_its_paired_intervals_hold_zero(trained):
    bench = second(trained)
    traffic(bench)
    found = bench.whatif("second")
    assert (found.n, found.labelled, found.agreement.same, found.changed) == (120, 120, 1.0, ())
    assert all(m.low <= 0 <= m.high for m in found.paired.metrics if m.low is not None)
    assert {m.verdict for m in found.paired.metrics} <= {"the same", None}
    assert found.row_ms > 0 < found.batch_row_ms


def test_what_was_recorded_worse_by_construction_is_found_worse(trained):
    bench = second(trained)
    done, frame = traffic(bench, shift=5.0)
    found = bench.whatif("second", most=4)
    mae = found.paired.metric("mae")
    assert mae.verdict == "better"
    assert mae.low < mae.difference < mae.high < 0
    assert mae.first == pytest.approx(mean_absolute_error(frame["minutes"], [p.output for p in done]))
    assert found.agreement.mean_difference == pytest.approx(5.0)
    table = found.to_frame()
    assert len(table) == 4
    assert table["change"].tolist() == pytest.approx([5.0] * 4)
    assert table["whatif"].tolist() == pytest.approx((table["recorded"] - 5.0).tolist())
    by_id = {p.id: p for p in done}
    assert table["inputs.km"].tolist() == [by_id[name].inputs["km"] for name in table["prediction_id"]]


def test_rows_that_were_learnt_bring_no_verdict(trained):
    bench = second(trained)
    traffic(bench, 60, start="2026-01-05", shift=5.0)
    found = bench.whatif("second")
    assert (found.paired.seen, found.seen) == (True, 60)
    assert all(m.verdict is None for m in found.paired.metrics)
    assert found.paired.sentence.startswith("seen in training, no verdict")
    traffic(bench, 80, shift=5.0)
    newer = bench.whatif("second")
    assert (newer.paired.seen, newer.paired.n, newer.seen) == (False, 80, 60)


def test_classes_are_counted_against_each_other(trained_classifier):
    bench = second(trained_classifier, **{"model.members": ["linear"]})
    done, _ = traffic(bench)
    found = bench.whatif("second", most=100)
    new = bench.versions.load("second")
    said = answer(new.estimator, new.schema, [p.inputs for p in done]).predictions
    assert np.array_equal(found.agreement.confusion, confusion_matrix([p.output for p in done], said))
    turned = {p.id for p, s in zip(done, said, strict=True) if p.output != s}
    assert {row.prediction_id for row in found.changed[: len(turned)]} == turned
    assert all(0 < row.change <= 1 for row in found.changed)


def test_the_last_rows_are_those_that_were_asked_for(trained):
    bench = second(trained)
    done, _ = traffic(bench, 50, labelled=0)
    found = bench.whatif("second", 20)
    assert (found.n, found.start, found.labelled, found.paired) == (20, done[-20].event_time, 0, None)
    with pytest.raises(DataError, match="it takes 1 to"):
        bench.whatif("second", 0)
    with pytest.raises(DataError, match="most = 101"):
        bench.whatif("second", most=101)


def test_what_cannot_be_asked_is_told_in_one_line(trained):
    bench = second(trained)
    with pytest.raises(DataError, match="no prediction is recorded yet"):
        bench.whatif("first")
    bench.monitor.record({"km": 3.0}, 1.0, version="first", response_s=0.0)
    bench.monitor.record({"km": "far", "stops": 1.0, "to": "north"}, 1.0, version="first", response_s=0.0)
    with pytest.raises(DataError, match=r"cannot be asked about 2 of the 2 .*stops is not there.*") as caught:
        bench.whatif("first")
    assert "found 'far'" in str(caught.value)
    with pytest.raises(UnknownVersion):
        bench.whatif("nope")
    with pytest.raises(WorkbenchError, match="name two versions"):
        bench.compare("first", None)


def test_a_version_of_another_question_is_refused(trained):
    bench = second(trained)
    traffic(bench, 10)
    other = Workbench(with_values(trained, {"model.target": "slow", "model.task": "classification"}))
    with pytest.raises(DataError, match="answers another question: regression of 'minutes'"):
        other.whatif("first")


def test_a_row_on_which_a_model_fails_is_named(trained):
    bench = second(trained, **{"model.ensemble": "tests.bad_models:throws"})
    traffic(bench, 30)
    west = {"km": 3.0, "stops": 1.0, "to": "west"}
    done = bench.monitor.record(west, 1.0, version="first", response_s=0.0)
    with pytest.raises(DataError, match=f"second fails on prediction {done.id} .*no way to the west"):
        bench.whatif("second")


def test_two_versions_are_set_side_by_side(trained):
    bench = second(trained, **{"model.members": ["linear"], "retrain.recipes": ["everything"]})
    _, frame = traffic(bench)
    found = bench.compare("first", "second")
    fields = {d.field: (d.a, d.b) for d in found.differences}
    assert fields["recipe"] == ("recent", "everything")
    assert fields["parent"] == (None, "first")
    assert "task" not in fields
    said = []
    for name in ("first", "second"):
        version = bench.versions.load(name)
        said.append(answer(version.estimator, version.schema, to_rows(frame[["km", "stops", "to"]])).predictions)
    mae = found.same_inputs.paired.metric("mae")
    errors = [np.abs(np.array(s) - frame["minutes"]) for s in said]
    assert (mae.first, mae.second) == pytest.approx(tuple(e.mean() for e in errors))
    assert mae.low < mae.difference < mae.high
    assert (found.a.traffic.predictions, found.b.traffic.predictions) == (120, 0)
    assert bench.compare("second", "first").same_inputs.paired.metric("mae").difference == pytest.approx(
        -mae.difference
    )


def test_versions_without_traffic_are_set_side_by_side_all_the_same(trained):
    found = second(trained).compare("first", "second")
    assert found.same_inputs is None
    assert "no prediction is recorded yet" in found.sentence


def test_the_command_line_tells_the_same(trained):
    bench = second(trained)
    traffic(bench, 40, shift=5.0)
    told = json.loads(run(trained, "whatif", "second", "--rows=30", "--most=2", "--json"))
    assert (told["n"], len(told["changed"])) == (30, 2)
    out = run(trained, "whatif", "second", "--most=2")
    assert "the 2 rows that change most" in out
    assert "ms alone" in out
    sides = json.loads(run(trained, "compare", "first", "second", "--json"))
    assert sides["same_inputs"]["n"] == 40
    assert "side by side" in run(trained, "compare", "first", "second")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=40))
def test_agreement_of_classes_is_scikit_learns(pairs):
    first, second = zip(*pairs, ("a", "b"), strict=True)
    found = agreement("classification", first, second)
    assert found.same == pytest.approx(np.mean(np.array(first) == np.array(second)))
    assert np.array_equal(found.confusion, confusion_matrix(first, second, labels=list(found.classes)))


def test_a_paired_interval_is_as_wide_as_the_standard_error_says_and_holds_the_true_difference():
    """The width shows with 30 draws what the share that is held would show with hundreds only."""
    held, wide, n = 0, [], 150
    for k in range(30):
        rng = np.random.default_rng([0, k])
        y, shared = rng.normal(size=(2, n))
        ours, theirs = (sample("regression", y, y + shared * size) for size in (1.0, 1.2))
        (mae,) = measure(ours, theirs, ("mae",), seed=k, seen=False)
        held += mae.low <= 0.2 * np.sqrt(2 / np.pi) <= mae.high
        apart = 0.2 * np.abs(shared)
        wide.append((mae.high - mae.low) / (2 * stats.norm.ppf(0.975) * apart.std(ddof=1) / np.sqrt(n)))
    assert held >= stats.binom.ppf(0.001, len(wide), 0.95)
    # Stretches of neighbours at the ends of 150 rows come up less often, which makes it a little narrower.
    assert 0.85 < np.mean(wide) < 1.05


def test_each_step_of_a_question_is_told_in_order(trained, monkeypatch):
    monkeypatch.setattr("workbench.asking.BATCH", 50)
    bench, heard = second(trained), []
    traffic(bench)
    told = {"progress": lambda *step: heard.append(step)}
    whatif(bench.settings, bench.metrics, bench.versions, "second", **told)
    assert heard == [
        ("loading second", 0, 120),
        *(("asking second", done, 120) for done in (0, 50, 100)),
        ("timing second", 120, 120),
        ("comparing", 120, 120),
    ]
    heard.clear()
    side_by_side(bench.settings, bench.metrics, bench.versions, "first", "second", n=60, now=utc_now(), **told)
    assert [done for _, done, _ in heard] == [0, 0, 50, 60, 60, 60, 110, 120, 120]
    assert {total for *_, total in heard} == {120}
    assert heard[-1][0] == "comparing"
