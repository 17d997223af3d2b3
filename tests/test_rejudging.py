"""Verdicts under other thresholds, beside those of a whole check under them."""

import msgspec
import numpy as np
import pytest

from tests.drifting import RATE, drawn, normal, reference, texts, without
from workbench.drift import backed, check
from workbench.evaluation import DriftResult, Impact
from workbench.rejudging import gather, judge
from workbench.sections import DriftSettings

PROFILES = reference({"x": normal(5_000, 0), "y": normal(5_000, 2), "c": drawn(5_000, 0)})
WINDOWS = [
    {"x": normal(400, 1, mean=mean, sd=sd), "y": without(normal(400, 3), every), "c": categories}
    for mean, sd, every, categories in [
        (0.0, 1.0, 400, drawn(400, 1)),
        (0.25, 1.0, 30, drawn(400, 2, (0.42, 0.34, 0.24))),
        (0.6, 1.2, 8, drawn(400, 3, (0.3, 0.3, 0.4))),
        (0.12, 0.8, 12, texts([*drawn(390, 4), *["new"] * 10])),
        (3.0, 2.0, 3, texts([*drawn(200, 5), *["new"] * 200])),
    ]
]
IMPACTS = [()] * len(WINDOWS)


def result(window, rate=RATE, limits=None, **how) -> DriftResult:
    return check(window, PROFILES, limits=limits or DriftSettings(), false_alarm_rate=rate, **how)


def states(results, measures) -> list[list[str]]:
    return [[r.feature(name).state for name in measures.features] for r in results]


MEASURES = gather([result(w) for w in WINDOWS], IMPACTS)


@pytest.mark.parametrize("rate", [1e-6, 1e-3, RATE, 0.1, 0.5])
@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.0, 6.0])
def test_verdicts_are_those_of_a_check_under_the_same_thresholds(rate, factor):
    at = DriftSettings()
    limits = DriftSettings(
        min_mean_shift=at.min_mean_shift * factor,
        min_std_ratio=1 + (at.min_std_ratio - 1) * factor,
        min_distance=at.min_distance * factor,
        min_missing_shift=at.min_missing_shift * factor,
        min_outside_share=at.min_outside_share * factor,
    )
    expected = states([result(w, rate, limits) for w in WINDOWS], MEASURES)
    assert judge(MEASURES, limits, rate).tolist() == expected


def test_a_looser_rate_never_alarms_less():
    alarms = [(judge(MEASURES, DriftSettings(), rate) == "drift").sum() for rate in np.geomspace(1e-9, 0.5, 12)]
    assert alarms == sorted(alarms)
    assert alarms[0] < alarms[-1]


def test_what_was_accepted_stays_accepted():
    measures = gather([result(WINDOWS[4], accepted={"x": "a new shop"})], [()])
    assert judge(measures, DriftSettings(), 0.5)[0, measures.features.index("x")] == "ok"


def test_broken_data_stay_broken_under_any_threshold():
    stuck = WINDOWS[0] | {"x": np.full(400, 0.3)}
    measures = gather([result(stuck)], [()])
    for rate in (1e-9, 0.5):
        assert judge(measures, DriftSettings(), rate)[0, measures.features.index("x")] == "broken"


def test_a_move_that_hardly_moves_the_predictions_is_possible_drift_as_in_the_check():
    impacts = [Impact(feature="x", moved=0.1, share=0.005), Impact(feature="gone", moved=1.0, share=1.0)]
    found = result(WINDOWS[2])
    weighed = backed(found.features, impacts, DriftSettings().min_impact)
    measures = gather([found], [impacts])
    told = dict(zip(measures.features, judge(measures, DriftSettings(), RATE)[0], strict=True))
    assert told == {f.feature: f.state for f in weighed}
    assert told["x"] == "possible"


def test_a_version_without_a_feature_has_no_verdict_of_it():
    full = result(WINDOWS[2])
    fewer = msgspec.structs.replace(full, features=tuple(f for f in full.features if f.feature != "c"))
    measures = gather([fewer, full], [(), ()])
    column = judge(measures, DriftSettings(), RATE)[:, measures.features.index("c")].tolist()
    assert column == ["", "drift"]


def test_nothing_measured_is_nothing_judged():
    assert judge(gather([], []), DriftSettings(), RATE).shape == (0, 0)
    empty = DriftResult(state="insufficient", sentence="", n=0)
    assert judge(gather([empty], [()]), DriftSettings(), RATE).shape == (1, 0)
