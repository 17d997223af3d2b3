"""What a check says of performance, from records: maturity, provisional figures, moments, segments, versions."""

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from workbench import performance_check
from workbench.holdout import measure
from workbench.joining import first_of_each
from workbench.records import Actual, Metadata, Prediction
from workbench.scores import sample
from workbench.settings import Settings
from workbench.version_store import VersionStore

START = np.datetime64("2026-01-01T00:00:00", "us")
DELAY = np.timedelta64(3600, "s")


def text(moment):
    return f"{np.datetime_as_string(moment, unit='us')}Z"


def settings_of(root, **more) -> Settings:
    performance = {"min_loss": 0.1} | more
    return Settings(
        root=root,
        model={"task": "regression", "target": "minutes", "data": "trips.csv"},
        monitor={"window": 400, "period": "1D"},
        performance=performance,
    )


class History:
    """Predictions a minute apart, with actuals that follow after a while."""

    def __init__(self, live: Metadata) -> None:
        self.live, self.predictions, self.actuals = live, [], []
        self.now = START

    def serve(self, errors, *, version="first", to=("north", "south"), label=lambda i: True, delay=DELAY):
        for i, error in enumerate(errors):
            self.now += np.timedelta64(60, "s")
            stamp, name = text(self.now), f"{len(self.predictions):06d}"
            self.predictions.append(
                Prediction(
                    id=name, recorded_at=stamp, event_time=stamp, version=version, inputs={"to": to[i % len(to)]},
                    output=20.0 + float(error), response_s=0.01,
                )
            )  # fmt: skip
            if label(i):
                told = Actual(id=name, recorded_at=text(self.now + delay), prediction_id=name, actual=20.0)
                self.actuals.append(told)
        return self

    def check(self, root, holdout_errors=None, now=None, **more):
        moment = text(self.now if now is None else now)
        there = [a for a in self.actuals if a.recorded_at <= moment]
        settings = settings_of(root, **more)
        held = np.random.default_rng(99).normal(0, 1, 1_000) if holdout_errors is None else holdout_errors
        holdout = measure(
            sample("regression", np.full(len(held), 20.0), 20.0 + np.asarray(held)),
            performance_check.names(settings),
            times=[text(START)] * len(held),
            in_order=True,
            segment=settings.performance.segment,
            groups=["north", "south"] * (len(held) // 2) if settings.performance.segment else [],
        )
        return performance_check.check(
            self.predictions,
            first_of_each(there),
            self.live,
            holdout,
            settings=settings,
            false_alarm_rate=0.0025,
            now=moment,
        )


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    from tests.conftest import make_workspace
    from workbench.metrics_store import MetricsStore
    from workbench.retrainer import ModelRetrainer

    made = make_workspace(tmp_path_factory.mktemp("check") / "ws")
    ModelRetrainer(made, VersionStore(made.versions_dir), MetricsStore.of(made)).retrain("first")
    return VersionStore(made.versions_dir).metadata("first")


def errors(seed, n, size=1.0):
    return np.random.default_rng(seed).normal(0, size, n)


def test_figures_are_of_mature_predictions_and_what_is_newer_is_provisional(live, tmp_path):
    found = History(live).serve(errors(0, 600)).check(tmp_path)
    # Labels take an hour, so the last hour's sixty predictions are not mature yet.
    assert (found.n, found.labelled) == (400, 400)
    assert found.newest.provisional
    assert found.newest.n == 340
    assert found.labels.mature_after_s == 3600
    assert found.labels.coverage == 1.0
    assert found.state == "ok"


def test_until_a_window_is_mature_nothing_alarms_however_bad_the_first_labels_are(live, tmp_path):
    history = History(live)
    history.serve(errors(0, 500), delay=np.timedelta64(36_000, "s"))
    # The labels of the worst come at once, those of all others after ten hours.
    history.serve(np.tile([0.0, 0.0, 0.0, 9.0], 50), label=lambda i: i % 4 == 3, delay=np.timedelta64(1, "s"))
    found = history.check(tmp_path)
    assert found.newest.metrics["mae"] > 3
    assert found.newest.provisional
    assert found.state != "alarm"


def test_a_window_is_mature_when_its_labels_had_their_time_not_when_all_are_there(live, tmp_path):
    history = History(live).serve(errors(0, 600), label=lambda i: i % 5 > 0)
    found = history.check(tmp_path, now=history.now + 2 * DELAY)
    assert not found.newest.provisional
    assert (found.n, found.labelled) == (400, 320)
    assert found.labels.coverage == pytest.approx(0.8, abs=0.01)
    assert found.state == "ok"


def test_without_any_label_there_is_no_verdict_and_it_says_so(live, tmp_path):
    found = History(live).serve(errors(0, 300), label=lambda i: False).check(tmp_path)
    assert found.state == "insufficient"
    assert "no actual has come yet for 300 predictions" in found.sentence


def test_the_first_labels_of_a_version_are_told_as_provisional(live, tmp_path):
    history = History(live).serve(errors(0, 500), version="older")
    history.serve(errors(1, 50), label=lambda i: i % 2 == 0, delay=np.timedelta64(1, "s"))
    found = history.check(tmp_path)
    assert found.state == "insufficient"
    assert found.sentence.startswith("provisional: mae 0.")
    assert (found.newest.n, found.labelled) == (25, 0)


def test_a_loss_is_an_alarm_with_its_size_its_moment_and_its_segment(live, tmp_path):
    bad = errors(1, 400) * np.tile([3.0, 1.0], 200)
    history = History(live).serve(errors(0, 700)).serve(bad)
    found = history.check(tmp_path, now=history.now + 2 * DELAY, segment="to")
    assert found.state == "alarm"
    assert found.loss == pytest.approx(1.0, abs=0.3)
    assert found.since == found.judged[0].since
    assert abs(np.datetime64(found.since[:-1]) - (START + 701 * np.timedelta64(60, "s"))) < np.timedelta64(1800, "s")
    assert "since 2026-01-01 1" in found.sentence
    assert "most in to north (2." in found.sentence
    assert [s.segment for s in found.segments] == ["north", "south"]


def test_a_large_loss_of_the_newest_rows_alarms_before_the_window_is_full_of_it(live, tmp_path):
    history = History(live).serve(errors(0, 700)).serve(errors(1, 45, 4.0))
    found = history.check(tmp_path, now=history.now + 2 * DELAY)
    assert found.state == "alarm"
    newest = min(j.rows for j in found.judged if j.state == "alarm")
    assert newest <= 400
    assert found.since > text(START + 690 * np.timedelta64(60, "s"))


def test_versions_and_periods_have_their_own_figures_and_intervals(live, tmp_path):
    history = History(live).serve(errors(0, 1_000, 3.0), version="older").serve(errors(1, 1_000))
    found = history.check(tmp_path, now=history.now + 2 * DELAY)
    assert [(s.version, s.n) for s in found.by_version] == [("older", 1_000), ("first", 1_000)]
    older, first = (s.intervals["mae"] for s in found.by_version)
    assert older[0] > first[1]
    assert sum(s.n for s in found.over_time) == 2_000
    assert [s.start[:10] for s in found.over_time] == ["2026-01-01", "2026-01-01", "2026-01-02"]
    for score in found.over_time:
        assert score.intervals["mae"][0] < score.metrics["mae"] < score.intervals["mae"][1]


def test_a_version_of_an_older_release_without_its_holdout_is_not_judged(live, tmp_path):
    history = History(live).serve(errors(0, 600))
    found = performance_check.check(
        history.predictions,
        first_of_each(history.actuals),
        live,
        None,
        settings=settings_of(tmp_path),
        false_alarm_rate=0.0025,
        now=text(history.now),
    )
    assert found.state == "insufficient"
    assert "train a new version" in found.sentence
    assert found.metrics["mae"] is not None


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1_000))
def test_the_window_is_scored_as_scikit_learn_does(live, tmp_path, seed):
    rng = np.random.default_rng(seed)
    wrong = rng.normal(0, 2, int(rng.integers(50, 600)))
    history = History(live).serve(wrong)
    found = history.check(tmp_path, now=history.now + 2 * DELAY)
    said, true = 20.0 + wrong[-400:], np.full(len(wrong[-400:]), 20.0)
    assert found.metrics["mae"] == pytest.approx(oracle.mean_absolute_error(true, said))
    assert found.metrics["rmse"] == pytest.approx(oracle.root_mean_squared_error(true, said))
    assert found.metrics["bias"] == pytest.approx(np.mean(said - true))


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 299), max_size=20))
def test_the_order_in_which_actuals_came_and_duplicates_change_no_figure(live, tmp_path, random, again):
    history = History(live).serve(errors(0, 300))
    end = history.now + 2 * DELAY
    straight = history.check(tmp_path, now=end)
    shuffled = [*history.actuals, *(history.actuals[i] for i in again)]
    random.shuffle(shuffled)
    history.actuals = shuffled
    assert msgspec.json.encode(history.check(tmp_path, now=end)) == msgspec.json.encode(straight)
