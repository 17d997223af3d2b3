"""The fire drill: would the alarm have fired? A shift of known size is put into a copy of the window.

In a workspace the whole check answers, as it would have: with what people accepted, and with the model's view, by which
a move that hardly moves the predictions is no alarm. Beside it, two figures from the reference itself, of which the
drift of the inputs alone decides: the smallest shift that is found at this many rows, and how often stretches of the
reference, in which nothing was changed, raise an alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
import pandas as pd
from scipy.stats import binomtest

from workbench import drift, profiles
from workbench.checkup import evaluate
from workbench.drill_result import FOUND, Drill
from workbench.ensemble import answer_frame
from workbench.errors import DataError, UnknownVersion
from workbench.evaluation import Evaluation, FeatureProfile, ServiceResult, Traffic
from workbench.features import align, to_rows, window_frame
from workbench.metrics_store import MetricsStore
from workbench.records import State
from workbench.sections import BUDGET, DriftSettings
from workbench.settings import Settings
from workbench.shifts import SIZES, Kind, check_request, default_kind, default_size, inject
from workbench.steering import steering
from workbench.training_data import between
from workbench.training_store import TrainingStore
from workbench.version_store import VersionStore

WINDOWS = 20
STEPS = 10
NO_TRAFFIC = ServiceResult(state="insufficient", sentence="a drill asks no service", all=Traffic(requests=0, rows=0))
# Which part of a check tells of a feature in this state.
PART: dict[State, str] = {"broken": "data", "drift": "drift"}


def drill(
    window: pd.DataFrame,
    pool: pd.DataFrame,
    reference: Sequence[FeatureProfile],
    feature: str,
    *,
    kind: Kind | None = None,
    size: float | None = None,
    limits: DriftSettings,
    false_alarm_rate: float,
    rounds: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    judge: Callable[[pd.DataFrame], Evaluation] | None = None,
) -> Drill:
    """Put a shift into a copy of the window and see.

    Parameters
    ----------
    window : DataFrame, shape (n_rows, n_features)
    pool : DataFrame
        The reference's rows, in event time where there is one.
    feature : str
    kind : one of KINDS, optional
        Default: "mean" for numbers, "unseen" for texts.
    size : float, optional
        In the kind's unit (SIZES); default: a shift of half a standard deviation, half more spread, a tenth of the
        values, a factor of 1,000.
    rounds : int
        Stretches of the reference to measure false alarms with.
    seed : int
        Fixes every draw.
    judge : callable (DataFrame) -> Evaluation, optional
        The whole check of a window with these inputs; without it, the drift of the inputs alone decides.

    Raises
    ------
    DataError
        If there is no such feature, the kind does not suit it, the size is out of range, or there are no rows.
    """
    profile = next((p for p in reference if p.name == feature), None)
    if profile is None:
        raise DataError(f"no feature {feature!r}; the live version has {', '.join(p.name for p in reference)}")
    kind = kind or default_kind(profile)
    size = default_size(kind) if size is None else size
    check_request(profile, kind, size, len(window))
    rng = np.random.default_rng(seed)

    shifted = window.assign(**{feature: inject(window[feature], kind, size, profile, rng)})
    if judge:
        calm, upset = judge(window), judge(shifted)
        before, after, alarms = (
            calm.drift.feature(feature),
            upset.drift.feature(feature),
            _set_off(calm, upset, feature),
        )
    else:
        before, after = (
            drift.check(frame, reference, limits=limits, false_alarm_rate=false_alarm_rate).feature(feature)
            for frame in (window, shifted)
        )
        alarms = {PART[after.state]: after.sentence} if after.state in PART else {}
    smallest = _smallest(
        _draws(pool[feature], profile, len(window), rng),
        profile,
        kind,
        limits,
        false_alarm_rate / len(reference),
        rng,
    )
    false_alarms = 0
    stretches = list(_stretches(pool, len(window), rounds, reference, rng))
    for done, (rest, stretch) in enumerate(stretches):
        progress(done, len(stretches))
        result = drift.check(stretch, profiles.like(rest, reference), limits=limits, false_alarm_rate=false_alarm_rate)
        false_alarms += any(f.state in ("drift", "broken") for f in result.features)
    interval = binomtest(false_alarms, max(len(stretches), 1)).proportion_ci()
    return Drill(
        feature=feature,
        kind=kind,
        size=size,
        n=len(window),
        fired=bool(alarms),
        state=after.state,
        before=before.state,
        sentence=after.sentence,
        alarms=alarms,
        smallest=smallest,
        windows=WINDOWS,
        false_alarms=false_alarms,
        rounds=len(stretches),
        rate_low=float(interval.low),
        rate_high=float(interval.high),
        asked_rate=false_alarm_rate,
    )


def _set_off(calm: Evaluation, upset: Evaluation, feature: str) -> dict[str, str]:
    """The parts of a check that a shift set off: those that name the feature, and the model's view."""
    state = upset.drift.feature(feature).state
    named = {PART[state]} if state in PART else set()
    model = {"model"} & (upset.alarms.keys() - calm.alarms.keys())
    return {name: upset.alarms[name] for name in upset.alarms if name in named | model}


def _draws(pool: pd.Series, profile: FeatureProfile, n: int, rng: np.random.Generator) -> list[pd.Series]:
    """Windows of n rows as the reference could have given them: stretches where rows depend on each other."""
    block = max(1, round(2 * max(profile.value_dependence, profile.cell_dependence, profile.missing_dependence)))
    block = min(block, len(pool))
    drawn = []
    for _ in range(WINDOWS):
        starts = rng.integers(0, len(pool) - block + 1, -(-n // block))
        drawn.append(pool.iloc[(starts[:, None] + np.arange(block)).ravel()[:n]].reset_index(drop=True))
    return drawn


def _smallest(
    windows: Sequence[pd.Series],
    profile: FeatureProfile,
    kind: Kind,
    limits: DriftSettings,
    false_alarm_rate: float,
    rng: np.random.Generator,
) -> float | None:
    """By bisection: the smallest size that nearly all windows tell."""
    none, most, _ = SIZES[kind]

    def found(size: float) -> bool:
        told = 0
        for window in windows:
            frame = pd.DataFrame({profile.name: inject(window, kind, size, profile, rng)})
            state = drift.check(frame, [profile], limits=limits, false_alarm_rate=false_alarm_rate).features[0].state
            told += state in ("drift", "broken")
        return told >= FOUND * len(windows)

    if not found(most):
        return None
    low, high = none, most
    for _ in range(STEPS):
        middle = (low * high) ** 0.5 if none else (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def _stretches(
    pool: pd.DataFrame, n: int, rounds: int, reference: Sequence[FeatureProfile], rng: np.random.Generator
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The reference parted in two, again and again: a window, and the rest as its reference.

    Neighbouring rows where the reference is in event time, since windows are; rows by lot where it is not.
    """
    n = min(n, len(pool) // 3)
    if not n:
        return
    in_order = any(p.in_order for p in reference)
    starts = np.unique(np.linspace(0, len(pool) - n, rounds).round().astype(int)) if in_order else range(rounds)
    for start in starts:
        rows = np.arange(start, start + n) if in_order else rng.permutation(len(pool))[:n]
        inside = np.zeros(len(pool), dtype=bool)
        inside[rows] = True
        yield pool[~inside].reset_index(drop=True), pool.iloc[rows].reset_index(drop=True)


def rehearse(
    settings: Settings,
    metrics: MetricsStore,
    versions: VersionStore,
    feature: str,
    *,
    kind: Kind | None = None,
    size: float | None = None,
    rounds: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Drill:
    """`drill` with the window, the reference and the limits of a workspace's live version.

    Raises
    ------
    UnknownVersion, CorruptVersion
        If no version is live, or its files or its training data are damaged.
    DataError
        As `drill`.
    """
    live = versions.live()
    if live is None:
        raise UnknownVersion("no version is live; train one with `python main.py`")
    version = versions.load(live.version_id)
    metadata = version.metadata
    history = metrics.history()
    place = [
        i for i, p in enumerate(history) if p.version == live.version_id and i >= len(history) - metrics.window_size
    ]
    window, _ = window_frame([history[i].inputs for i in place], metadata.features)
    rows = TrainingStore(settings.versions_dir).load(metadata.training_data.sha256)
    learnt = metadata.training_data.fit
    accepted = steering(metrics.events(), live.version_id).accepted
    earlier = [e for e in metrics.evaluations() if e.version == live.version_id]

    def judge(inputs: pd.DataFrame) -> Evaluation:
        said = answer_frame(version.estimator, version.schema, inputs)
        changed = list(history)
        for row, (i, inputs_now, output) in enumerate(zip(place, to_rows(inputs), said.predictions, strict=True)):
            probabilities = said.probabilities[row] if said.probabilities else None
            changed[i] = msgspec.structs.replace(
                history[i], inputs=inputs_now, output=output, probabilities=probabilities
            )
        return evaluate(
            changed,
            {},
            NO_TRAFFIC,
            version,
            settings=settings,
            accepted=accepted,
            now=history[-1].recorded_at,
            earlier=earlier,
        )

    return drill(
        window,
        align(between(rows, learnt), metadata.features),
        version.profile,
        feature,
        kind=kind,
        size=size,
        limits=settings.drift,
        false_alarm_rate=settings.monitor.false_alarm_rate * BUDGET["drift"],
        rounds=rounds,
        seed=seed,
        progress=progress,
        judge=judge,
    )
