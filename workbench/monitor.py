"""ModelMonitor: record predictions and actuals, summarise the service, check the live version.

The statistics are pure functions elsewhere (traffic, drift, performance); this room brings them their rows and writes
down what they said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from workbench import performance, traffic
from workbench.checkup import evaluate
from workbench.errors import DataError
from workbench.evaluation import Evaluation, FeatureProfile, ServiceResult
from workbench.features import event_time
from workbench.loaded_version import LoadedVersion
from workbench.metrics_store import MetricsStore, join
from workbench.records import (
    EARLIEST,
    Actual,
    Event,
    Label,
    Metadata,
    Prediction,
    Schema,
    Value,
    parse_utc,
    utc_now,
    utc_text,
)
from workbench.segments import segment_start
from workbench.settings import Settings
from workbench.steering import steering


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What became of some actuals, as prediction ids."""

    accepted: list[str]
    duplicate: list[str]
    conflict: list[str]
    unknown: list[str]
    expired: list[str]


class ModelMonitor:
    """Watches the versions of one workspace.

    Parameters
    ----------
    store : MetricsStore
    settings : Settings
    clock : callable returning an aware datetime

    Examples
    --------
    >>> import tempfile
    >>> settings = Settings(root=tempfile.mkdtemp(), model={"task": "regression", "target": "y", "data": "y.csv"})
    >>> monitor = ModelMonitor(MetricsStore.of(settings), settings)
    >>> done = monitor.record({"distance": 760.0}, 118.2, version="v1", response_s=0.004)
    >>> monitor.feedback([(done.id, 121.0)]).accepted == [done.id]
    True
    """

    def __init__(self, store: MetricsStore, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self._refused_at = datetime.min.replace(tzinfo=UTC)

    def record(
        self,
        inputs: Mapping[str, Value],
        output: Label,
        *,
        version: str,
        response_s: float,
        event_time: str | None = None,
        probabilities: dict[str, float] | None = None,
    ) -> Prediction:
        """Write down one prediction; returns it with its id.

        Parameters
        ----------
        inputs : mapping of feature to value
        output : number or class
        version : str
            Which version answered.
        response_s : float
            Seconds from receipt to here.
        event_time : ISO 8601 text, optional
            When the row happened; default now.
        probabilities : mapping of class to probability, optional
        """
        now = utc_text(self.clock())
        happened = utc_text(parse_utc(event_time)) if event_time else now
        if not EARLIEST <= happened <= self.latest():
            raise DataError(f"event time {happened} is not between 1900 and {self.latest()}")
        prediction = Prediction(
            event_time=happened,
            version=version,
            inputs=dict(inputs),
            output=output,
            probabilities=probabilities,
            response_s=response_s,
        )
        return self.store.append(prediction)[0]

    def latest(self) -> str:
        """The latest event time that is believed: a day from now, for clocks and zones that disagree."""
        return utc_text(self.clock() + timedelta(days=1))

    def record_rows(
        self,
        rows: Sequence[Mapping[str, Value]],
        outputs: Sequence[Label],
        *,
        schema: Schema,
        version: str,
        response_s: float,
        probabilities: Sequence[dict[str, float]] | None = None,
        request_id: str = "",
    ) -> list[Prediction]:
        """Write down the predictions of one request in one go; the time column becomes `event_time`."""
        now = utc_text(self.clock())
        return self.store.append(
            *(
                Prediction(
                    event_time=event_time(row, schema, now),
                    version=version,
                    inputs={name: row.get(name) for name in schema.names},
                    output=output,
                    probabilities=probabilities[i] if probabilities else None,
                    response_s=response_s,
                    request_id=request_id,
                )
                for i, (row, output) in enumerate(zip(rows, outputs, strict=True))
            )
        )

    def feedback(self, actuals: Sequence[tuple[str, Label]]) -> Feedback:
        """Join actuals to their predictions.

        Returns
        -------
        Feedback
            accepted: written down; duplicate: known already, equal; conflict: known already, different (the first
            one stays); unknown: no such prediction; expired: it is older than `history`. Nothing but the accepted
            is written; a conflict and an expired one become an event.
        """
        stamps = self.store.prediction_ids()
        ids = {stamp.id for stamp in stamps}
        oldest = stamps[0].recorded_at if len(stamps) >= self.store.history_size else ""
        known: dict[str, Label] = {}
        for record in self.store.actuals():
            known.setdefault(record.prediction_id, record.actual)
        verdict = Feedback(accepted=[], duplicate=[], conflict=[], unknown=[], expired=[])
        fresh = []
        for prediction_id, actual in actuals:
            if prediction_id in known:
                same = performance.label_text(known[prediction_id]) == performance.label_text(actual)
                (verdict.duplicate if same else verdict.conflict).append(prediction_id)
            elif prediction_id in ids:
                known[prediction_id] = actual
                fresh.append(Actual(prediction_id=prediction_id, actual=actual))
                verdict.accepted.append(prediction_id)
            elif "" < segment_start(prediction_id) < oldest:
                verdict.expired.append(prediction_id)
            else:
                verdict.unknown.append(prediction_id)
        if fresh:
            self.store.append(*fresh)
        # Once an hour: a client that sends the same again and again must not fill the log.
        if (verdict.conflict or verdict.expired) and self.clock() - self._refused_at >= timedelta(hours=1):
            self._refused_at = self.clock()
            reason = f"{len(verdict.conflict)} conflicting and {len(verdict.expired)} expired actuals were not taken"
            data = {"conflict": verdict.conflict[:100], "expired": verdict.expired[:100]}
            self.store.append(Event(kind="feedback_refused", reason=reason, by="app", data=data))
        return verdict

    def summary(self, version: str | None = None) -> ServiceResult:
        """Service statistics now: rates, response times, errors, uptime, CPU and memory; all and by version.

        The verdict is over all requests, or over those that one version answered.
        """
        return self._summary(self.clock(), version)

    def _summary(self, now: datetime, version: str | None) -> ServiceResult:
        uptimes = [e.service.uptime for e in self.store.evaluations() if e.service.uptime]
        return traffic.summarise(
            self.store.requests(),
            self.store.heartbeats(),
            now=now,
            window=self.store.window_size,
            max_response_s=self.settings.monitor.max_response_s,
            before=uptimes[-1] if uptimes else None,
            version=version,
        )

    def check(
        self, live: Metadata, reference: Sequence[FeatureProfile], model: LoadedVersion | None = None
    ) -> Evaluation:
        """Look at the window once and write down the evaluation; the same records give the same one.

        Parameters
        ----------
        live : Metadata
            Of the live version: its schema, and its holdout metrics as the baseline of performance.
        reference : profile of the live version
        model : LoadedVersion, optional
            The live version itself; without it the model's view is `insufficient`.
        """
        return self.store.append(
            evaluate(
                self.store.two_windows(),
                join(self.store.history(), self.store.actuals()),
                self._summary(self._last_told(), live.version_id),
                live,
                reference,
                model,
                settings=self.settings,
                accepted=steering(self.store.events(), live.version_id).accepted,
            )
        )[0]

    def _last_told(self) -> datetime:
        """The moment of the newest record of the service: what a check says must not depend on when it is run."""
        newest = [records[-1].recorded_at for records in (self.store.requests(), self.store.heartbeats()) if records]
        return parse_utc(max(newest)) if newest else self.clock()
