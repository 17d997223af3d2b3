"""Alerts: a line in the log and, by setting, a message to a webhook, when an alarm begins and when it ends.

What was sent is folded from the events: a restart sends what is missing, and repeats a message only if it fell
between the answer and its mark. The webhook's address is a secret; lines and events name its host alone.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from tenacity import Retrying, before_sleep_log, retry_if_exception, wait_exponential_jitter
from tenacity.nap import sleep_using_event

from workbench.errors import SettingsError
from workbench.metrics_store import MetricsStore
from workbench.moments import utc_now, utc_text
from workbench.records import Event
from workbench.settings import Settings

log = logging.getLogger("workbench.alerts")
THREAD = "workbench-alerts"
STATES = {"alarm": "begins", "alarm_ended": "ended"}
SENT, FAILED = "alert_sent", "alert_failed"
SENT_AGAIN_FOR = timedelta(hours=24)
LONGEST_WAIT_S = 60.0
CLOSE_S = 1.0
Message = dict[str, str | None]


class Undelivered(Exception):
    """A message that did not arrive; `again` if it may if it is sent again."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class Alerts:
    """Tells of one workspace's alarms; a daemon thread sends the messages, in order, one at a time.

    Parameters
    ----------
    settings : Settings
    metrics : MetricsStore
        Holds the alarms, and is written what became of their messages (`alert_sent`, `alert_failed`).
    send : callable (dict) -> None, optional
        Delivers a message or raises Undelivered; by default POSTs it to the webhook.
    pause : callable (seconds), optional
        Waits between two attempts; by default no longer than until `close`.
    clock : callable returning an aware datetime

    Raises
    ------
    SettingsError
        If there is a webhook and it cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: MetricsStore,
        *,
        send: Callable[[Message], None] | None = None,
        pause: Callable[[float], None] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.clock = clock
        self._closing = threading.Event()
        self._pause = pause or sleep_using_event(self._closing)
        self._queue: queue.SimpleQueue[tuple[Event, datetime] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        webhook = settings.alerts.webhook
        if webhook:
            self.host = urlsplit(webhook).hostname
            self.send = send or post(webhook, settings.alerts.timeout_s)
            for event in unsent(metrics.events(), since=utc_text(clock() - SENT_AGAIN_FOR)):
                self._queue.put((event, clock()))
            self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)
            self._thread.start()

    def tell(self, event: Event) -> None:
        """Log an alarm that begins or ends, and leave its message to the thread; returns at once."""
        level = logging.WARNING if event.kind == "alarm" else logging.INFO
        log.log(level, "%s: alarm %s: %s", self.settings.model.name, STATES[event.kind], event.reason)
        if self._thread:
            self._queue.put((event, self.clock()))

    def close(self) -> None:
        """End the thread; what it has not sent is sent after a restart. Waits a moment for a request under way."""
        self._closing.set()
        self._queue.put(None)
        if self._thread:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while (waiting := self._queue.get()) and not self._closing.is_set():
            self._deliver(*waiting)

    def _deliver(self, event: Event, told_at: datetime) -> None:
        give_up_at = told_at + timedelta(seconds=self.settings.alerts.give_up_after_s)
        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Undelivered) and error.again),
            wait=wait_exponential_jitter(max=LONGEST_WAIT_S),
            stop=lambda _: self._closing.is_set() or self.clock() >= give_up_at,
            sleep=self._pause,
            before_sleep=before_sleep_log(log, logging.INFO),
            reraise=True,
        )
        try:
            attempts(self._attempt, message(event, self.settings))
        except Undelivered as error:
            # Without a mark: it is for the next process to send.
            if not self._closing.is_set():
                log.warning("%s; given up: %s", error, event.reason)
                self._mark(FAILED, f"{error}; given up: {event.reason}", event)
        else:
            self._mark(SENT, f"{self.host} was told: {event.reason}", event)

    def _attempt(self, body: Message) -> None:
        if self._closing.is_set():
            raise Undelivered("closing", again=False)
        self.send(body)

    def _mark(self, kind: str, reason: str, event: Event) -> None:
        self.metrics.append(Event(kind=kind, reason=reason, version=event.version, data={"event": event.id}))


def message(event: Event, settings: Settings) -> Message:
    """What a webhook is sent of an alarm: model, workspace, state, part, sentence, version, recorded_at, event."""
    return {
        "model": settings.model.name,
        "workspace": str(settings.root),
        "state": STATES[event.kind],
        "part": event.data.get("name"),
        "sentence": event.reason,
        "version": event.version,
        "recorded_at": event.recorded_at,
        "event": event.id,
    }


def unsent(events: Iterable[Event], *, since: str) -> list[Event]:
    """Alarms begun or ended since a time whose message was neither sent nor given up.

    Examples
    --------
    >>> alarm = Event(id="1", recorded_at="2026-01-01", kind="alarm", reason="")
    >>> ended = Event(id="2", recorded_at="2026-01-02", kind="alarm_ended", reason="")
    >>> sent = Event(id="3", recorded_at="2026-01-03", kind="alert_sent", reason="", data={"event": "1"})
    >>> [event.id for event in unsent([alarm, ended, sent], since="2026-01-01")]
    ['2']
    """
    events = list(events)
    done = {event.data.get("event") for event in events if event.kind in (SENT, FAILED)}
    return [e for e in events if e.kind in STATES and e.recorded_at >= since and e.id not in done]


def post(webhook: str, timeout_s: float) -> Callable[[Message], None]:
    """A way to POST messages as JSON, which follows no redirect and uses no proxy: both would learn the address.

    Raises
    ------
    SettingsError
        If httpx2 is not installed or the address is none.
    """
    try:
        import httpx2
    except ModuleNotFoundError as error:
        raise SettingsError(
            "[alerts] webhook needs httpx2; install it with `pip install 'model-workbench[service]'`"
        ) from error
    try:
        host = httpx2.URL(webhook).host
    except httpx2.InvalidURL:
        raise SettingsError("[alerts] webhook is no valid address") from None
    # It logs the whole address of each request.
    logging.getLogger("httpx2").addFilter(_is_not_of_the_alerts)

    def send(body: Message) -> None:
        try:
            with httpx2.stream(
                "POST", webhook, json=body, timeout=timeout_s, follow_redirects=False, trust_env=False
            ) as response:
                status = response.status_code
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise Undelivered(f"{host} cannot be reached ({type(error).__name__})", again=True) from None
        if not 200 <= status < 300:
            raise Undelivered(f"{host} answered {status}", again=status == 429 or status >= 500)

    return send


def _is_not_of_the_alerts(record: logging.LogRecord) -> bool:
    return record.threadName != THREAD
