"""Whole backtests of made-up streams: what a policy must do, and must leave, on each."""

import sys

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.linear_model import Ridge

from tests.conftest import trips, until
from tests.histories import rates, stable, workspace
from workbench.backtest import NEVER, Backtest, recorded
from workbench.backtest_records import results
from workbench.errors import DataError, SettingsError, WorkbenchError
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.policies import from_files, grid, yardstick
from workbench.scores import scores
from workbench.settings import with_values

pytestmark = pytest.mark.slow


def run(folder, frame, extra="", policies=None, progress=lambda done, total: None, **options):
    settings = workspace(folder / "ws", frame, extra=extra, **options)
    return Backtest(settings, data=str(folder / "ws" / "history.csv"), policies=policies, jobs=1).run(progress)


def only(result):
    (course,) = result.policies
    return course


def test_a_step_is_promoted_within_two_windows_of_labelled_rows(tmp_path):
    result = run(tmp_path, rates((800, 2.0), (1000, 3.0)))
    course = only(result)
    step = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(hours=800)
    first = next(s for s in course.steps if s.kind == "promoted")
    assert step < pd.Timestamp(first.at) <= step + pd.Timedelta(hours=2 * 200 + 6)
    assert course.recovered.share > 0.6
    assert result.course(NEVER).value > 2 * course.value


def test_shuffled_rows_bring_no_promotion_and_at_most_one_attempt(tmp_path):
    frame = rates((800, 2.0), (1000, 3.0))
    values = frame.drop(columns="at").sample(frac=1, random_state=0, ignore_index=True)
    result = run(tmp_path, values.assign(at=frame["at"]))
    course = only(result)
    assert course.promotions == 0
    assert course.attempts <= 1
    assert course.recovered.share is None
    assert course.recovered.sentence.startswith("nothing to recover")


def test_labels_that_become_noise_bring_no_promotion(tmp_path):
    frame = stable(1800)
    rng = np.random.default_rng(0)
    frame.loc[800:, "minutes"] = rng.permutation(frame.loc[800:, "minutes"])
    course = only(run(tmp_path, frame))
    assert course.promotions == course.went_back == 0
    assert course.attempts == course.kept_out > 0


def test_a_concept_that_returns_brings_the_old_version_back(tmp_path):
    result = run(tmp_path, rates((500, 2.0), (500, 3.0), (500, 2.0)))
    went_back = [s for s in only(result).steps if s.kind == "went_back"]
    assert went_back[-1].version == "first"
    assert only(result).over_time[-1].value == pytest.approx(result.course(NEVER).over_time[-1].value)


def test_the_figures_are_those_of_the_answers(tmp_path):
    frame = stable(600)
    result = run(tmp_path, frame)
    never = result.course(NEVER)
    # The reference is 120 rows; its newest fifth was held out.
    X = pd.get_dummies(frame[["km", "stops", "to"]], dtype=float)
    oracle = Ridge(1e-6).fit(X[:96], frame["minutes"][:96])
    mae = scores("regression", frame["minutes"][120:], oracle.predict(X[120:]))["mae"]
    assert never.value == pytest.approx(mae, rel=0.02)
    assert (result.rows, result.scored, result.reference_rows) == (480, 480, 120)
    assert sum(p.labelled for p in never.over_time) == 480
    assert len(never.over_time) == 10


@pytest.mark.parametrize("target", ["slow", "to"])
def test_classes_two_or_more_are_played_alike(tmp_path, target):
    frame = rates((300, 2.0), (300, 3.0))
    frame["of"] = frame["to"]
    frame["to"] = (
        np.where(frame["km"] > 35, "far", np.where(frame["km"] > 15, "near", "here")) if target == "to" else "x"
    )
    extra = "\n[performance]\nmetric = 'log_loss'\n"
    settings = workspace(tmp_path / "ws", frame, task="classification", target=target, extra=extra)
    settings = with_values(settings, {"model.features": ["km", "stops", "of"]})
    result = Backtest(settings, data=str(tmp_path / "ws" / "history.csv"), jobs=1).run()
    assert all(0 <= c.value < 2 for c in result.courses)


def odd(frame):
    """All that goes wrong in files: gaps, equal times, missing labels, new categories, a column that ends, a class that
    goes."""
    at = pd.to_datetime(frame["at"])
    at[frame.index >= 500] += pd.Timedelta("30D")
    at[700:720] = at[700]
    frame["at"] = at.astype(str)
    frame["far"] = np.select([frame["km"] > 35, frame["km"] > 15], ["far", "near"], "here")
    frame.loc[frame.index >= 800, "far"] = "near"
    frame.loc[frame.index % 7 == 3, "far"] = None
    frame.loc[frame.index % 7 == 3, "minutes"] = np.nan
    frame.loc[frame.index % 7 == 3, "slow"] = np.nan
    frame.loc[600:, "to"] = "west"
    frame.loc[550:, "stops"] = np.nan
    frame.loc[800:, "slow"] = 0
    return frame


@pytest.mark.parametrize(
    ("task", "target"), [("regression", "minutes"), ("classification", "slow"), ("classification", "far")]
)
def test_odd_files_are_played_to_the_end(tmp_path, task, target):
    result = run(tmp_path, odd(stable(1000)), task=task, target=target)
    course = only(result)
    assert course.failures == 0
    assert course.unanswered == 0
    assert any(p.rows == 0 for p in course.over_time)
    assert result.labelled < result.rows


def test_policies_are_set_side_by_side(tmp_path):
    frame = rates((450, 2.0), (500, 3.0))
    settings = workspace(tmp_path / "ws", frame)
    policies = {"keen": settings, "off": with_values(settings, {"retrain.automatic": False})}
    result = Backtest(settings, data=str(tmp_path / "ws" / "history.csv"), policies=policies, jobs=1).run()
    keen, off = result.policies
    assert keen.value < off.value == pytest.approx(result.course(NEVER).value)
    assert off.settings == {"retrain.automatic": False}
    assert off.attempts == 0
    assert off.refusals > 0
    assert set(result.undominated) == {"keen", "off"}
    assert result.chosen == "keen"
    assert "left out" in result.honest
    assert results(settings)[-1] == result
    assert result.to_frame().loc["keen", "attempts"] == keen.attempts


def test_what_was_played_to_its_end_is_not_played_again(tmp_path):
    frame = rates((500, 2.0), (300, 3.0))
    settings = workspace(tmp_path / "ws", frame)
    made = Backtest(settings, data=str(tmp_path / "ws" / "history.csv"), jobs=1)

    def stop(done, total):
        if done > 0.6 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.run(stop)
    played = {path.parent.name: path.stat().st_mtime_ns for path in made.folder.glob("*/*/played.json")}
    assert played
    seen = []
    result = made.run(lambda done, total: seen.append(done))
    assert seen[0] > 0.5 * 4 * 640
    whole = run(tmp_path / "whole", frame)
    assert [(c.value, c.steps) for c in result.courses] == [(c.value, c.steps) for c in whole.courses]
    assert not list(made.folder.glob("unfinished-*"))


def test_two_processes_give_what_one_gives(tmp_path):
    frame = rates((400, 2.0), (300, 3.0))
    one = run(tmp_path / "one", frame)
    settings = workspace(tmp_path / "two" / "ws", frame)
    two = Backtest(settings, data=str(tmp_path / "two" / "ws" / "history.csv"), jobs=2).run()
    assert [(c.name, c.value, c.steps) for c in one.courses] == [(c.name, c.value, c.steps) for c in two.courses]


def test_two_at_once_in_one_workspace_are_refused_and_the_first_goes_on(tmp_path):
    frame = stable(400)
    settings = workspace(tmp_path / "ws", frame)
    told = []

    def another(done, total):
        if not told:
            with pytest.raises(WorkbenchError, match="another backtest is running"):
                Backtest(settings, data=str(tmp_path / "ws" / "history.csv"), jobs=1).run(fresh=True)
            told.append(done)

    assert Backtest(settings, data=str(tmp_path / "ws" / "history.csv"), jobs=1).run(another).courses
    assert told


def test_the_processes_of_one_that_was_killed_end_with_it_and_the_next_goes_on(tmp_path):
    settings = workspace(tmp_path / "ws", rates((3_000, 2.0), (3_000, 3.0)))
    data = str(tmp_path / "ws" / "history.csv")
    script = (
        "import sys; from workbench import Backtest, load_settings; "
        "Backtest(load_settings(sys.argv[1]), data=sys.argv[2], jobs=2).run()"
    )
    process = psutil.Popen([sys.executable, "-c", script, str(settings.root), data])
    begun = settings.metrics_dir / "backtests"
    workers = []

    def underway():
        workers[:] = [p for p in process.children() if "loky.backend.popen" in " ".join(p.cmdline())]
        return len(workers) == 2 and any(int(p.read_text() or 0) for p in begun.glob("*/*/progress"))

    try:
        until(underway, 60)
    finally:
        process.kill()
        process.wait()
    assert psutil.wait_procs(workers, timeout=5)[1] == []

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Backtest(settings, data=data, jobs=1).run(stop)


def test_smaller_members_name_themselves(tmp_path):
    extra = "ensemble = 0.25\n"
    result = run(tmp_path, stable(400), extra=extra)
    assert result.ensemble == "voting of linear, members with 25% of their trees and steps"


def test_policies_of_different_models_are_refused(tmp_path):
    settings = workspace(tmp_path / "ws", stable(300))
    other = with_values(settings, {"model.features": ["km"]})
    with pytest.raises(SettingsError, match=r"policy .b.: .model. features"):
        Backtest(settings, policies={"a": settings, "b": other})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"backtest.ensemble": 0.5}, "its .backtest. is another one"),
        ({"model.size": 0.5}, ".model. size is 0.5, beside 1.0"),
    ],
)
def test_policies_that_would_be_played_otherwise_are_refused(tmp_path, values, told):
    settings = workspace(tmp_path / "ws", stable(300))
    with pytest.raises(SettingsError, match=told):
        Backtest(settings, policies={"a": settings, "b": with_values(settings, values)})


def test_policies_laid_over_a_workspace_are_held_beside_the_workspace_in_any_order(tmp_path):
    settings = workspace(tmp_path, stable(300))
    for name, days in (("eager", 5), ("slow", 20)):
        (tmp_path / f"{name}.toml").write_text(f"[retrain]\nrecent_days = {days}\n")
    files = [str(tmp_path / f"{name}.toml") for name in ("eager", "slow")]
    assert yardstick(tmp_path, from_files(tmp_path, files)) == settings
    assert yardstick(tmp_path, from_files(tmp_path, files[::-1])) == settings
    (alone,) = from_files(tmp_path, files[:1]).values()
    assert yardstick(tmp_path, {"eager": alone}) == alone


def test_policies_that_agree_on_how_to_be_played_are_held_beside_that(tmp_path):
    settings = workspace(tmp_path, stable(600))
    for name, days in (("eager", 5), ("slow", 20)):
        (tmp_path / f"{name}.toml").write_text(f"[retrain]\nrecent_days = {days}\n[backtest]\ndelay = '2D'\n")
    policies = from_files(tmp_path, [str(tmp_path / f"{name}.toml") for name in ("eager", "slow")])
    beside = yardstick(tmp_path, policies)
    assert (beside.backtest.delay, beside.retrain) == ("2D", settings.retrain)
    assert [plan.name for plan in Backtest(beside, policies=policies).plans][:2] == ["eager", "slow"]


def test_of_policies_that_did_the_same_the_one_that_changes_least_is_picked(tmp_path):
    settings = workspace(tmp_path / "ws", stable(600))
    policies = grid(settings, {"performance.min_loss": [0.05, 0.1, 0.2]})
    result = Backtest(settings, data=str(tmp_path / "ws" / "history.csv"), policies=policies, jobs=1).run()
    assert len({(c.value, c.attempts) for c in result.policies}) == 1
    assert result.course(result.chosen).settings == {}


def test_data_that_cannot_be_played_leave_nothing(tmp_path):
    settings = workspace(tmp_path, stable(300))
    stable(300).assign(minutes=np.nan).to_csv(tmp_path / "unlabelled.csv", index=False)
    made = Backtest(settings, data=str(tmp_path / "unlabelled.csv"), jobs=1)
    with pytest.raises(DataError):
        made.run()
    assert [path.name for path in made.folder.iterdir()] == ["backtest.lock"]


def test_the_labelled_predictions_on_record_are_a_history(trained):
    metrics = MetricsStore.of(trained)
    monitor = ModelMonitor(metrics, trained)
    frame = trips(200, start="2026-02-01", seed=3)
    done = [
        monitor.record(
            {"km": r.km, "stops": float(r.stops), "to": r.to}, 1.0, version="first", response_s=0.0, event_time=r.at
        )
        for r in frame.itertuples()
    ]
    monitor.feedback([(p.id, float(y)) for p, y in zip(done[:150], frame["minutes"], strict=False)])
    assert len(recorded(trained)) == 200
    result = Backtest(with_values(trained, {"model.members": ["linear"]}), jobs=1).run()
    assert (result.reference_rows, result.rows, result.labelled) == (400, 200, 150)
    assert "on record" in result.source
