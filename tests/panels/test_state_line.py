"""One sentence that is right whatever state the workspace is in."""

from datetime import UTC, datetime

import msgspec
import pytest

from tests.conftest import make_workspace
from tests.evaluations import evaluation
from workbench.evaluation import DataResult, DriftResult, FeatureDrift
from workbench.panels.headline import Headline
from workbench.panels.state_line import rests_on, state_line, state_of
from workbench.panels.view import Reader, View
from workbench.performance_result import EstimateResult, PerformanceResult
from workbench.records import Pointer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIVE = Pointer(version_id="v", generation=1, activated_at="2026-01-01T00:00:00.000000Z", previous=None)


def performance(state="ok", metric="mae", value=8.134, bounds=(7.72, 8.55), **more):
    scores = {"metrics": {metric: value}, "intervals": {metric: bounds}} if value is not None else {}
    return PerformanceResult(state=state, sentence="", metric=metric, n=1_000, labelled=1_000, **scores, **more)


def drift(*states, state=None):
    features = tuple(
        FeatureDrift(
            feature=f"f{i}", kind="numeric", state=s, sentence="", n=1, missing_share=0, reference_missing_share=0
        )
        for i, s in enumerate(states)
    )
    return DriftResult(state=state or (states[0] if states else "ok"), sentence="", n=1_000, features=features)


@pytest.fixture
def seen(settings):
    """A view of one check of the live version."""

    def see(*alarms, n=1_000, settings=settings, **parts):
        check = msgspec.structs.replace(evaluation(NOON, *alarms, n=n), **{"performance": performance(), **parts})
        return View(settings=settings, evaluations=[check], live=LIVE, predictions=n)

    return see


def told(view):
    glyph, word, _, _ = state_of(view)
    return f"{glyph} {word}: {rests_on(view)}"


def test_health_is_told_with_how_many_how_wrong_and_no_drift(seen):
    assert told(seen()) == "✓ healthy: 1,000 predictions, error 8.1 ± 0.4, no drift"


def test_a_worse_error_is_told_beside_the_holdout(seen):
    view = seen(performance=performance("alarm", value=12.34, bounds=(11.9, 12.8), loss=0.52))
    assert told(view) == "▲ alarm: 1,000 predictions, error 12.3 ± 0.5, 52% worse than on its holdout, no drift"


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (("drift",), "drift of f0"),
        (("drift", "ok", "drift"), "drift of f0 and f2"),
        (("drift",) * 5, "drift of f0, f1 and 3 more"),
    ],
)
def test_inputs_that_drift_are_named(seen, states, words):
    assert told(seen(drift=drift(*states))) == f"▲ drift: 1,000 predictions, error 8.1 ± 0.4, {words}"


def test_what_may_be_drift_is_called_possible(seen):
    view = seen(drift=drift("possible"))
    assert told(view) == "△ possible trouble: 1,000 predictions, error 8.1 ± 0.4, perhaps drift of f0"


def test_drift_that_only_the_model_shows_is_told(seen):
    assert rests_on(seen("model")).endswith("no single input drifts, but what the model makes of them does")


def test_broken_data_are_no_drift_and_are_named(seen):
    view = seen(data=DataResult(state="broken", sentence="", features=("km",)), drift=drift("drift"))
    assert told(view) == "✖ broken data: 1,000 predictions, error 8.1 ± 0.4, broken: km"


def test_trouble_of_the_service_is_told(seen):
    assert rests_on(seen("service")).endswith("no drift, the service is in alarm")


def test_without_actuals_the_error_is_estimated_or_not_told(seen):
    none = performance("insufficient", value=None)
    guess = EstimateResult(state="ok", sentence="", metric="mae", n=1_000, value=8.1, low=7.7, high=8.5)
    assert (
        rests_on(seen(performance=none, estimate=guess)) == "1,000 predictions, error estimated at 8.1 ± 0.4, no drift"
    )
    assert rests_on(seen(performance=none)) == "1,000 predictions, no actuals yet, no drift"


def test_a_version_that_has_answered_nothing_yet_is_not_said_to_have_an_error(seen):
    assert rests_on(seen(n=0)) == "no predictions since it went live"


def test_an_estimate_in_alarm_is_told_beside_the_actuals(seen):
    guess = EstimateResult(state="alarm", sentence="", metric="mae", n=1_000, value=12.0, low=11.0, high=13.0)
    assert told(seen(estimate=guess)).startswith("▲ alarm: 1,000 predictions, error 8.1 ± 0.4, the newest estimated")


def test_few_predictions_are_no_verdict(seen):
    few = drift(state="insufficient")
    view = seen(n=1, performance=performance("insufficient", value=None), drift=few)
    assert rests_on(view) == "1 prediction, no actuals yet, too few to tell drift"


def test_classification_tells_its_own_metric(seen, tmp_path):
    classes = make_workspace(tmp_path / "classes", "classification", "slow")
    scored = performance(metric=classes.metric, value=0.3149, bounds=(0.2951, 0.3349))
    view = seen(settings=classes, performance=scored)
    assert told(view) == "✓ healthy: 1,000 predictions, F1 0.31 ± 0.02, no drift"


def test_what_is_missing_is_told_before_there_is_anything_to_tell(trained):
    assert told(View(settings=trained)) == "○ nothing live: no version yet"
    assert told(Reader(trained).read()) == "○ no check yet: no traffic yet"
    for name in ("live.json", "promotions.jsonl"):
        (trained.versions_dir / name).unlink()
    assert told(Reader(trained).read()) == "○ nothing live: 1 version is there to switch to"
    (trained.versions_dir / "live.json").write_text("{")
    assert told(Reader(trained).read()).startswith("✖ damaged: which version is live cannot be read")


def test_real_traffic_of_either_task_is_told(traffic, trained):
    traffic.send(60)
    line = state_line(Reader(trained).read())
    assert ">✓ Healthy</b><span>: 60 predictions, error " in line
    assert "version first, live since" in line
    assert line in Headline.draw(Reader(trained).read())


def test_names_from_data_are_shown_as_text(seen):
    assert "&lt;b&gt;" in state_line(seen(data=DataResult(state="broken", sentence="", features=("<b>",))))
