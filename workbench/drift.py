"""How far has production traffic moved from what the version was trained on?

Pure: no disk, no clock, no random state. A verdict of drift needs a score that is improbable without drift, at this
window's and this reference's size, *and* an effect that the settings call large enough to matter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from workbench import broken, channels, drift_words, enough
from workbench.channels import Column, Measured
from workbench.drift_rules import FAMILIAR, LOOKS, WEIGHTS, least
from workbench.evaluation import Channel, DataResult, DriftResult, FeatureDrift, FeatureProfile, Impact
from workbench.records import State
from workbench.sections import DriftSettings
from workbench.usual import Usual


def check(
    window: Mapping[str, Any],
    reference: Sequence[FeatureProfile],
    *,
    limits: DriftSettings,
    false_alarm_rate: float,
    accepted: Mapping[str, str] | None = None,
    misfits: Mapping[str, int] | None = None,
    before: Mapping[str, Usual] | None = None,
    signs: bool = True,
) -> DriftResult:
    """A window beside its reference.

    Parameters
    ----------
    window : mapping of feature to array of shape (n_rows,), or DataFrame
        In the order of arrival, as `features.window_columns` or `features.to_frame` gives it.
    reference : profile of each feature
    limits : DriftSettings
        The smallest effects that count.
    false_alarm_rate : float
        False alarm episodes allowed per full window of new rows, over all features and channels together.
    accepted : mapping of feature to reason, optional
        What a person took as the new normal; it raises no alarm.
    misfits : mapping of feature to count, optional
        Values that were of another type, or not there at all; they stand as missing in the window.
    before : mapping of feature to Usual, optional
        What its values were before the window: a unit may change in a season that the reference does not know.
    signs : bool
        Whether signs of broken data are looked for, too.

    Returns
    -------
    DriftResult
        The features that moved furthest beyond chance first. `level` is what a single look was allowed.

    Examples
    --------
    >>> from workbench.profiles import numeric
    >>> rng = np.random.default_rng(0)
    >>> temp = numeric("temp", "numeric", rng.normal(39, 11, 5_000))
    >>> warm = {"temp": rng.normal(71, 11, 1_000)}
    >>> check(warm, [temp], limits=DriftSettings(), false_alarm_rate=0.01).sentence
    'temp: mean 71.2, was 39 (+2.9 sd, 43x noise)'
    """
    taken = channels.columns(window, reference)
    measured = channels.measure(taken, limits)
    looks = [
        _Look(
            col,
            scores,
            broken.signs(col, (misfits or {}).get(col.profile.name, 0)) if signs else [],
            (before or {}).get(col.profile.name),
            signs,
        )
        for col, scores in zip(taken, measured, strict=True)
    ]
    level = _discoveries(looks, false_alarm_rate / LOOKS, accepted or {})
    single = false_alarm_rate / max(len(looks), 1)
    features = [_accept(_judge(look, level, single), accepted or {}) for look in looks]
    return summarise(features, n=max((col.n for col in taken), default=0), level=level)


def summarise(features: Sequence[FeatureDrift], *, n: int, level: float, first: Sequence[str] = ()) -> DriftResult:
    """The verdict over features; those named in `first` lead, then the ones furthest beyond chance."""
    order = {name: i for i, name in enumerate(first)}
    worst = {"drift": 0, "possible": 1}
    ranked = sorted(features, key=lambda f: (worst.get(f.state, 2), order.get(f.feature, len(order)), -_noise(f)))
    by_state: dict[str, list[FeatureDrift]] = {}
    for feature in ranked:
        by_state.setdefault(feature.state, []).append(feature)
    ok, few = by_state.get("ok", []), by_state.get("insufficient", [])
    state: State
    if by_state.get("drift"):
        state, sentence = "drift", drift_words.listed(by_state["drift"])
    elif by_state.get("possible"):
        state, sentence = "possible", f"possible drift: {drift_words.listed(by_state['possible'])}"
    elif ok or by_state.get("broken"):
        state, sentence = "ok", f"no drift in {drift_words.count(len(ok))} over {n} predictions"
        if by_state.get("broken"):
            sentence += f"; broken: {drift_words.names(by_state['broken'])}"
        if few:
            sentence += f"; too few rows to tell for {drift_words.names(few)}"
    else:
        state, sentence = "insufficient", drift_words.insufficient(few, n)
    return DriftResult(state=state, sentence=sentence, n=n, level=level, features=tuple(ranked))


def backed(features: Sequence[FeatureDrift], impacts: Sequence[Impact], smallest: float) -> list[FeatureDrift]:
    """Features of which a move that hardly moves the predictions is no more than possible drift.

    Only of moves among values that the model knows: what it makes of unseen, missing or far ones cannot be trusted.

    Parameters
    ----------
    smallest : float
        The impact that counts, in standard deviations of the predictions.
    """
    small = {i.feature: i for i in impacts if i.share < smallest}

    def weighed(feature: FeatureDrift) -> FeatureDrift:
        if feature.state != "drift" or feature.channel not in FAMILIAR or feature.feature not in small:
            return feature
        told = f"{feature.sentence}; it moves the predictions by {small[feature.feature].moved:.2g} only"
        return msgspec.structs.replace(feature, state="possible", sentence=told)

    return [weighed(feature) for feature in features]


def slim(result: DriftResult) -> DriftResult:
    """Without what only a picture needs, for a record that holds two results."""
    features = tuple(msgspec.structs.replace(f, bins=(), shares={}, reference_shares={}) for f in result.features)
    return msgspec.structs.replace(result, features=features)


def data_result(result: DriftResult, schema: str | None = None) -> DataResult:
    """Whether the data are what they claim to be: from the same features, and from what the schema had to refuse."""
    found = [f for f in result.features if f.state == "broken"]
    told = [*([schema] if schema else []), *([drift_words.listed(found)] if found else [])]
    if told:
        return DataResult(state="broken", sentence="; ".join(told), features=tuple(f.feature for f in found))
    if not result.n:
        return DataResult(state="insufficient", sentence="insufficient: no predictions of this version")
    return DataResult(state="ok", sentence=f"no sign of broken data in {drift_words.count(len(result.features))}")


@dataclass(frozen=True)
class _Look:
    column: Column
    measured: dict[str, Measured]
    signs: list[broken.Sign]
    before: Usual | None
    with_unit: bool

    @property
    def p(self) -> float:
        """The feature's chance: the smallest of its channels', each on its share of the feature's budget."""
        chances = [m.p / WEIGHTS[name] for name, m in self.measured.items() if m.large]
        chances += [s.p * len(self.signs) / channels.BROKEN_WEIGHT for s in self.signs]
        return min([1.0, *chances])


def _discoveries(looks: Sequence[_Look], rate: float, accepted: Mapping[str, str]) -> float:
    """What one feature may spend: Benjamini and Hochberg's (1995) step-up over the features."""
    if not looks:
        return rate
    chances = np.sort([look.p for look in looks if look.column.profile.name not in accepted])
    allowed = rate * np.arange(1, len(chances) + 1) / len(looks)
    passed = np.flatnonzero(chances <= allowed)
    return float(allowed[passed[-1]] if len(passed) else rate / len(looks))


def _judge(look: _Look, level: float, single: float) -> FeatureDrift:
    col, p = look.column, look.column.profile
    judged = {name: _channel(m, WEIGHTS[name], level, single) for name, m in look.measured.items()}
    base = FeatureDrift(
        feature=p.name,
        kind=p.kind,
        state="ok",
        sentence="",
        n=col.n,
        effective=round(col.effective, 1),
        channels=judged,
        missing_share=col.missing_share,
        reference_missing_share=p.missing_share,
        mean=col.mean,
        std=col.std,
        reference_mean=p.mean,
        reference_std=p.std,
        **_pictured(col),
    )
    few = enough.too_few(col, level)
    fewest = math.ceil(least(level))
    if col.n < fewest:
        # However large the reference: a row or two are no window.
        return _insufficient(base, few or enough.TooFew(f"insufficient: {col.n} rows; {fewest} are needed", fewest))
    moved = [name for name, c in judged.items() if c.state == "drift"]
    told = _sign(look, level, bool(moved))
    if told:
        base = msgspec.structs.replace(base, unit=told.unit, mended=told.mended)
        return _with(base, "broken", told.channel, f"{p.name}: {told.sentence}")
    maybe = [name for name, c in judged.items() if c.state == "possible"]
    for state, names in (("drift", moved), ("possible", maybe)):
        if names:
            name = max(names, key=lambda c: judged[c].noise)
            return _with(base, state, name, f"{p.name}: {drift_words.words(name, col, judged[name])}")
    if few:
        return _insufficient(base, few)
    name = max(judged, key=lambda c: judged[c].noise, default="")
    return _with(
        base, "ok", None, f"{p.name}: {drift_words.words(name, col, judged[name])}" if name else f"{p.name}: unchanged"
    )


def _insufficient(feature: FeatureDrift, few: enough.TooFew) -> FeatureDrift:
    told = _with(feature, "insufficient", None, f"{feature.feature}: {few.sentence}")
    return msgspec.structs.replace(told, needed=few.rows)


def _with(feature: FeatureDrift, state: str, channel: str | None, sentence: str) -> FeatureDrift:
    return msgspec.structs.replace(feature, state=state, channel=channel, sentence=sentence)


def _channel(m: Measured, weight: float, level: float, single: float) -> Channel:
    low, high = m.bounds(level * weight)
    state: State = "ok"
    if m.large:
        state = "drift" if m.p <= level * weight else "possible" if m.p <= single * weight else "ok"
    return Channel(
        value=_short(m.value),
        low=_short(low),
        high=_short(high),
        noise=_short(m.noise),
        p=_short(m.p),
        limit=m.limit,
        state=state,
    )


def _short(value: float) -> float:
    """Six digits: a record has dozens of figures, and none is known better."""
    return float(f"{value:.6g}")


def _sign(look: _Look, level: float, moved: bool) -> broken.Sign | None:
    """The sign of broken data that chance does not explain, the least probable first."""
    allowed = level * channels.BROKEN_WEIGHT / max(len(look.signs), 1)
    improbable = [s for s in look.signs if s.p <= allowed]
    if improbable:
        # Values of another type stand as missing, too: the cause is told, not what follows from it.
        return min(improbable, key=lambda s: (s.channel != "type", s.p))
    return broken.unit_change(look.column, look.before, moved) if look.with_unit else None


def _accept(feature: FeatureDrift, accepted: Mapping[str, str]) -> FeatureDrift:
    why = accepted.get(feature.feature)
    if why is None or feature.state not in ("drift", "possible", "broken"):
        return feature
    sentence = f"{feature.sentence}; accepted: {why}"
    return msgspec.structs.replace(feature, state="ok", sentence=sentence, accepted=why)


def _pictured(col: Column) -> dict[str, Any]:
    """The shares a picture of the feature needs."""
    p, total = col.profile, max(len(col.values), 1)
    if p.kind != "categorical":
        return {"bins": tuple(np.round(col.cells / total, 4).tolist())}
    known = dict(zip(p.shares, np.bincount(col.values[col.values >= 0], minlength=len(p.shares)) / total, strict=True))
    known |= {str(k): v / total for k, v in Counter(col.unseen.tolist()).most_common(5)}
    shown = sorted(known, key=lambda c: -max(known[c], p.shares.get(c, 0.0)))[: channels.CATEGORIES_SHOWN]
    return {
        "shares": {name: round(float(known[name]), 4) for name in shown},
        "reference_shares": {name: round(p.shares[name], 4) for name in shown if name in p.shares},
    }


def _noise(feature: FeatureDrift) -> float:
    return max((c.noise for c in feature.channels.values()), default=0.0)
