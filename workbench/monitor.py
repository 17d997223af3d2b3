"""ModelMonitor: record predictions and actuals, summarise the service, check the live version.

The statistics are pure functions elsewhere (traffic, drift, performance); this room brings them their rows and writes
down what they said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import repeat

import msgspec

from workbench import kept_inputs, traffic
from workbench.answers import Answers
from workbench.bars import Progress, silent
from workbench.checkup import evaluate
from workbench.errors import DataError
from workbench.evaluation import Evaluation, ServiceResult
from workbench.instances import Instances
from workbench.joining import conflicting, first_of_each
from workbench.label_index import Fate, LabelIndex
from workbench.loaded_version import Reference
from workbench.metrics_store import MetricsStore
from workbench.moments import EARLIEST, parse_utc, utc_now, utc_text
from workbench.records import Actual, Event, Label, Prediction, Refused, Schema, Value
from workbench.rows import event_time
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
        self._labels = LabelIndex(store.folder, store.history_size, store.follow)
        self._refused_at = datetime.min.replace(tzinfo=UTC)
        self._untold: Counter[str] = Counter()

    @property
    def trouble(self) -> str | None:
        """Why actuals cannot be judged at present."""
        return self._labels.trouble

    @cached_property
    def _keeper(self) -> kept_inputs.Keeper:
        # Not only what the version takes: what is to be kept out from now on must not wait for the next version.
        return kept_inputs.of_settings(self.settings)

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
            inputs=dict(self._keeper.rows([inputs])[0]),
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
        now, rows = utc_text(self.clock()), self._keeper.rows(rows)
        names = schema.names
        return self.store.append(
            *(
                Prediction(
                    event_time=event_time(row, schema, now),
                    version=version,
                    inputs={name: row.get(name) for name in names},
                    output=output,
                    probabilities=probabilities[i] if probabilities else None,
                    response_s=response_s,
                    request_id=request_id,
                )
                for i, (row, output) in enumerate(zip(rows, outputs, strict=True))
            )
        )

    def record_answers(
        self,
        asked: Instances,
        said: Answers,
        *,
        version: str,
        response_s: float,
        request_id: str,
        traceparent: str | msgspec.UnsetType = msgspec.UNSET,
    ) -> list[str]:
        """As `record_rows`, of rows as the service reads them; returns the ids alone."""
        now = utc_text(self.clock())
        return self.store.put(
            Prediction,
            (
                Prediction(
                    event_time=happened or now,
                    version=version,
                    inputs=inputs,
                    output=output,
                    probabilities=probabilities,
                    response_s=response_s,
                    request_id=request_id,
                    traceparent=traceparent,
                )
                for inputs, output, happened, probabilities in zip(
                    self._keeper.rows(asked.rows),
                    said.predictions,
                    asked.times or repeat(now, len(asked.rows)),
                    said.probabilities or repeat(None, len(asked.rows)),
                    strict=True,
                )
            ),
        )

    def feedback(self, actuals: Sequence[tuple[str, Label]]) -> Feedback:
        """Join actuals to their predictions: as `judge`, by fate."""
        verdict = Feedback(accepted=[], duplicate=[], conflict=[], unknown=[], expired=[])
        for fate, (name, _) in zip(self.judge(actuals), actuals, strict=True):
            getattr(verdict, fate).append(name)
        return verdict

    def judge(self, actuals: Sequence[tuple[str, Label]]) -> list[Fate]:
        """Join actuals to their predictions.

        Returns
        -------
        list of Fate, in the order of the actuals
            accepted: written down; duplicate: known already, equal; conflict: known already, different (the first
            one stays); unknown: no such prediction; expired: it is beyond the last `history`. What is refused as a
            conflict or as expired is written down beside the accepted, the same value once, and told hourly.

        Raises
        ------
        Busy
            If another process holds the lock that this needs and does not let go; nothing is written then.
        """
        with self._labels.turn():
            fates = self._labels.judge(actuals)
            judged = list(zip(fates, actuals, strict=True))
            taken = [Actual(prediction_id=name, actual=y) for fate, (name, y) in judged if fate == "accepted"]
            refused = [
                Refused(prediction_id=name, actual=y, why=fate)
                for fate, (name, y) in judged
                if fate == "conflict" or fate == "expired"
            ]
            unheard = self._labels.unheard(refused)
            for records in (taken, unheard):
                if records:
                    self._labels.note(self.store.append(*records))
        self._untold.update(record.why for record in unheard)
        self._tell_refused()
        return fates

    def _tell_refused(self) -> None:
        """Once an hour, and where to look: a client that goes wrong must not fill the log of events."""
        if self._untold and self.clock() - self._refused_at >= timedelta(hours=1):
            counts = {why: self._untold[why] for why in ("conflict", "expired")}
            reason = "{conflict} conflicting and {expired} expired actuals were not taken: metrics/refused/"
            self.store.append(
                Event(kind="feedback_refused", reason=reason.format_map(counts), by="app", data=dict(counts))
            )
            self._refused_at = self.clock()
            self._untold.clear()

    def summary(self, version: str | None = None) -> ServiceResult:
        """Service statistics now: rates, response times, errors, uptime, CPU and memory; all and by version.

        The verdict is over all requests, or over those that one version answered.
        """
        return self._summary(self.clock(), version)

    def _summary(self, now: datetime, version: str | None, since: str = "") -> ServiceResult:
        uptimes = [e.service.uptime for e in self.store.evaluations() if e.service.uptime]
        return traffic.summarise(
            [r for r in self.store.requests() if r.version != version or r.recorded_at >= since],
            self.store.heartbeats(),
            now=now,
            window=self.store.window_size,
            max_response_s=self.settings.monitor.max_response_s,
            max_failed=self.settings.monitor.max_failed,
            before=uptimes[-1] if uptimes else None,
            version=version,
        )

    def check(self, live: Reference, since: str = "", progress: Progress = silent) -> Evaluation:
        """Look at the window once and write down the evaluation; the same records give the same one.

        Parameters
        ----------
        live : Reference
            What the live version is measured by; as a LoadedVersion it is also asked, else the model's view and the
            estimate without actuals are `insufficient`.
        since : ISO text, optional
            When it went live: of an earlier time as the live version nothing is judged.
        progress : callable (stage, done, total)
        """
        now = self._last_told()
        accepted = self.store.actuals()
        refused = self.store.refused()
        return self.store.append(
            evaluate(
                self.store.history(),
                first_of_each(accepted),
                self._summary(now, live.id, since),
                live,
                settings=self.settings,
                accepted=steering(self.store.events(), live.id).accepted,
                now=utc_text(now),
                since=since,
                conflict=len({r.prediction_id for r in refused if r.why == "conflict"} | conflicting(accepted)),
                expired=len({r.prediction_id for r in refused if r.why == "expired"}),
                earlier=[e for e in self.store.evaluations() if e.version == live.id],
                progress=progress,
            )
        )[0]

    def _last_told(self) -> datetime:
        """The moment of the newest record: what a check says must not depend on when it is run."""
        kinds = (self.store.requests(), self.store.heartbeats(), self.store.window(), self.store.actuals())
        newest = [records[-1].recorded_at for records in kinds if records]
        return parse_utc(max(newest)) if newest else self.clock()
