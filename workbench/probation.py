"""Is a version that has just gone live worse than the one before it, on the very same traffic?

Pure: who watches the switch gathers the evidence; this says whether the version has passed, lost, or is still watched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy import special

from workbench import traffic
from workbench.evaluation import Traffic
from workbench.records import GateVerdict, Request
from workbench.sections import ProbationSettings

# Looks at the same switch are many, so each may err only so often.
LEVEL = 1e-4
CONFIDENCE = 0.999
# Rows and actuals below which outputs and errors say nothing.
LEAST_ROWS = 30
# A version before that never failed, or was never asked, may have failed so often.
FAILS_ANYWAY = 0.01
# How many times wider, or narrower, the outputs may be.
WIDER = 3.0
# Slower than before only matters from this share of the allowed mean response time on.
NOTABLE = 0.1


class Apart(msgspec.Struct, frozen=True, kw_only=True):
    """How far the outputs of two versions are apart on the same rows: means in standard deviations of the earlier
    version's outputs and the ratio of the two; of classes without probabilities the share that moved to another one."""

    shift: float
    ratio: float


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a switch.

    `failed` of `requests` were answered with 5xx since the switch; `before` and `since` are the two versions' traffic.
    `rows` were predicted; `apart` compares their outputs with what the version before says to them, `expected` is the
    same on earlier rows whose actuals bore the new version out. `known_good` is a version that was live before and did
    not lose: only failures, slowness and errors count against it. `errors` is the comparison where actuals have come,
    `lost` the share by which they are worse.
    """

    since: Traffic
    before: Traffic
    rows: int
    apart: Apart | None = None
    expected: Apart | None = None
    known_good: bool = False
    errors: GateVerdict | None = None
    lost: float = 0.0


class Probation(msgspec.Struct, frozen=True, kw_only=True):
    state: Literal["running", "passed", "lost"]
    sentence: str


def judge(
    evidence: Evidence,
    settings: ProbationSettings,
    *,
    activated_at: datetime,
    now: datetime,
    max_response_s: float,
    min_loss: float,
) -> Probation:
    """Whether a version is rolled back, has passed, or is still watched.

    Parameters
    ----------
    activated_at, now : aware datetimes
        Probation ends after `settings.rows` predictions or `settings.minutes`, whichever comes first.
    max_response_s : float
        The allowed mean response time: where a slowdown begins to matter depends on it.
    min_loss : float
        The smallest loss that counts, as a share.
    """
    against = [
        _failures(evidence, settings),
        _slowness(evidence, settings, max_response_s),
        _errors(evidence, min_loss),
        _outputs(evidence, settings),
    ]
    found = [sentence for sentence in against if sentence]
    if found:
        return Probation(state="lost", sentence="; ".join(found))
    actuals = evidence.errors.rows if evidence.errors else 0
    known = f"{evidence.rows} predictions and {actuals} actuals beside what the version before says"
    if evidence.rows >= settings.rows or now >= activated_at + timedelta(minutes=settings.minutes):
        return Probation(state="passed", sentence=f"probation passed: {known}")
    return Probation(state="running", sentence=f"on probation: {known}")


def apart(ours: pd.Series, theirs: pd.Series) -> Apart | None:
    """How far two versions' outputs for the same rows are apart; None where there are too few.

    >>> apart(pd.Series([2.0, 4.0] * 20), pd.Series([1.0, 3.0] * 20))
    Apart(shift=1.0, ratio=1.0)
    """
    if len(ours) < LEAST_ROWS:
        return None
    if not (is_numeric_dtype(ours) and is_numeric_dtype(theirs)):
        kinds = sorted({*ours, *theirs}, key=str)
        shares = [column.value_counts(normalize=True).reindex(kinds, fill_value=0.0) for column in (ours, theirs)]
        # A move of half of the answers to another class weighs as much as one standard deviation.
        return Apart(shift=float((shares[0] - shares[1]).abs().sum()), ratio=1.0)
    first, second = ours.to_numpy(dtype=float), theirs.to_numpy(dtype=float)
    spread = max(float(second.std()), 1e-9 * max(1.0, abs(float(second.mean()))))
    return Apart(shift=float(first.mean() - second.mean()) / spread, ratio=float(first.std()) / spread)


def traffic_of(requests: Sequence[Request], now: datetime) -> Traffic:
    """Statistics of one version's requests."""
    return traffic.summarise(requests, (), now=now, window=max(len(requests), 1), max_response_s=math.inf).all


def _failures(evidence: Evidence, settings: ProbationSettings) -> str | None:
    since, before = evidence.since, evidence.before
    if not since.requests or since.share_5xx is None:
        return None
    failed = round(since.share_5xx * since.requests)
    usual = max(before.share_5xx_interval[1], FAILS_ANYWAY) if before.share_5xx_interval else FAILS_ANYWAY
    chance = float(special.bdtrc(failed - 1, since.requests, min(usual, 1.0))) if failed else 1.0
    if since.share_5xx < (before.share_5xx or 0.0) + settings.max_failed or chance > LEVEL:
        return None
    return f"{failed} of {since.requests} requests failed, before the switch {before.share_5xx or 0.0:.1%} did"


def _slowness(evidence: Evidence, settings: ProbationSettings, max_response_s: float) -> str | None:
    now, before = evidence.since, evidence.before
    if now.p95_s is None or now.p95_interval_s is None or before.p95_s is None:
        return None
    # A single long pause before the switch would let anything pass if its upper bound were what is compared with.
    allowed = max(settings.max_slowdown * before.p95_s, NOTABLE * max_response_s)
    if now.p95_interval_s[0] <= allowed:
        return None
    return f"p95 of the response time is {now.p95_s * 1e3:.3g} ms, before the switch {before.p95_s * 1e3:.3g} ms"


def _errors(evidence: Evidence, min_loss: float) -> str | None:
    told = evidence.errors
    if told is None or told.verdict != "worse" or evidence.lost < min_loss:
        return None
    return f"{told.metric} is {evidence.lost:.0%} worse than the version before's on the same {told.rows} actuals"


def _outputs(evidence: Evidence, settings: ProbationSettings) -> str | None:
    """Only while actuals do not speak for the version: then it is the one before that is off."""
    found, usual = evidence.apart, evidence.expected or Apart(shift=0.0, ratio=1.0)
    if (
        found is None
        or evidence.known_good
        or (evidence.errors is not None and evidence.errors.verdict in ("better", "not worse"))
    ):
        return None
    shift = found.shift - usual.shift
    if abs(shift) > settings.max_shift:
        return f"predictions lie {abs(shift):.2g} sd away from what the version before says to the same rows"
    ratio = found.ratio / max(usual.ratio, 1e-9)
    if not 1 / WIDER <= ratio <= WIDER:
        return f"predictions vary {ratio:.2g} times as much as what the version before says to the same rows"
    return None


def lost_share(verdict: GateVerdict, theirs: float | None) -> float:
    """How much worse than the version before, as a share of its value."""
    if verdict.advantage is None or not theirs or not np.isfinite(theirs):
        return 0.0
    return -verdict.advantage / abs(theirs)
