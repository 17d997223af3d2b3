"""Alarms told to a real webhook on this machine, which answers as the test says; waits are steps of its clock."""

import json
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import make_workspace, until
from workbench.alerts import LONGEST_WAIT_S, THREAD, Alerts
from workbench.errors import SettingsError
from workbench.metrics_store import MetricsStore
from workbench.records import Event
from workbench.settings import load_settings


class Hook:
    """A webhook: answers with these statuses, then with 200, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.received: list[dict] = []
        self.open = threading.Event()
        self.open.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = hook.answers.pop(0) if hook.answers else 200
                hook.received.append(body)
                hook.open.wait()
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.server_bind()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def listen(self) -> None:
        """From here on connections are no longer refused."""
        self.server.server_activate()
        self.thread.start()

    def close(self) -> None:
        self.open.set()
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
        self.server.server_close()

    def told(self) -> list[tuple[str, str]]:
        return [(m["state"], m["part"]) for m in self.received]


@pytest.fixture
def dead_hook():
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
def hook(dead_hook):
    dead_hook.listen()
    return dead_hook


class Office:
    """A workspace with alarms and a webhook, and whoever tells of them."""

    def __init__(self, folder, clock, webhook: str):
        self.settings = make_workspace(folder, extra=f'[alerts]\nwebhook = "{webhook}"\ngive_up_after_s = 600\n')
        self.clock = clock
        self.metrics = MetricsStore.of(self.settings, clock)
        self.opened: list[Alerts] = []

    def alerts(self, **more) -> Alerts:
        pause = {"pause": lambda seconds: self.clock.forward(seconds=seconds), **more}
        self.opened.append(Alerts(self.settings, self.metrics, clock=self.clock, **pause))
        return self.opened[-1]

    def event(self, kind: str, part: str = "performance") -> Event:
        self.clock.forward(seconds=1)
        return self.metrics.append(Event(kind=kind, reason=f"{part}: 4 > 2", version="first", data={"name": part}))[0]

    def marks(self) -> list[tuple[str, str]]:
        return [(e.kind, e.data["event"]) for e in self.metrics.events() if e.kind.startswith("alert_")]


@pytest.fixture
def opened():
    return []


@pytest.fixture
def office_of(tmp_path, clock, opened):
    def make(webhook: str) -> Office:
        office = Office(tmp_path / "ws", clock, webhook)
        office.opened = opened
        return office

    yield make
    for alerts in opened:
        alerts.close()


@pytest.fixture
def office(office_of, hook):
    return office_of(hook.address)


def test_one_message_when_an_alarm_begins_and_one_when_it_ends(office, hook):
    alerts = office.alerts()
    begun, ended = office.event("alarm"), office.event("alarm_ended")
    alerts.tell(begun)
    alerts.tell(ended)
    until(lambda: len(office.marks()) == 2)
    assert office.marks() == [("alert_sent", begun.id), ("alert_sent", ended.id)]
    assert hook.told() == [("begins", "performance"), ("ended", "performance")]
    assert hook.received[0] == {
        "model": "trips",
        "workspace": str(office.settings.root),
        "state": "begins",
        "part": "performance",
        "sentence": "performance: 4 > 2",
        "version": "first",
        "recorded_at": begun.recorded_at,
        "event": begun.id,
    }


def test_without_a_webhook_the_log_is_told_and_nothing_is_started(settings, clock, caplog):
    metrics = MetricsStore.of(settings, clock)
    alerts = Alerts(settings, metrics, clock=clock)
    with caplog.at_level(logging.INFO, "workbench.alerts"):
        for kind in ("alarm", "alarm_ended"):
            alerts.tell(Event(kind=kind, reason="performance: 4 > 2", data={"name": "performance"}))
    alerts.close()
    assert caplog.record_tuples == [
        ("workbench.alerts", logging.WARNING, "trips: alarm begins: performance: 4 > 2"),
        ("workbench.alerts", logging.INFO, "trips: alarm ended: performance: 4 > 2"),
    ]
    assert THREAD not in [t.name for t in threading.enumerate()]
    assert metrics.events() == []


def test_a_server_in_trouble_is_asked_again_until_it_takes_the_message(office, hook):
    hook.answers = [500, 429]
    alarm = office.event("alarm")
    office.alerts(pause=(waits := []).append)
    until(office.marks)
    assert office.marks() == [("alert_sent", alarm.id)]
    assert [m["event"] for m in hook.received] == 3 * [alarm.id]
    assert 1 <= waits[0] <= 2 <= waits[1] <= 3


def test_telling_does_not_wait_for_an_answer_and_nothing_overtakes(office, hook):
    hook.open.clear()
    hook.answers = [500]
    alerts = office.alerts()
    alerts.tell(office.event("alarm"))
    until(lambda: hook.received)
    alerts.tell(office.event("alarm_ended"))
    assert office.marks() == []
    hook.open.set()
    until(lambda: len(office.marks()) == 2)
    assert [state for state, _ in hook.told()] == ["begins", "begins", "ended"]


def test_a_dead_server_is_told_once_it_lives_again(office_of, dead_hook):
    office = office_of(dead_hook.address)
    waits = []

    def pause(seconds):
        waits.append(seconds)
        if len(waits) == 10:
            dead_hook.listen()

    alarm = office.event("alarm")
    office.alerts(pause=pause)
    until(office.marks)
    assert office.marks() == [("alert_sent", alarm.id)]
    assert len(dead_hook.received) == 1
    assert len(waits) == 10
    assert max(waits) == LONGEST_WAIT_S


def test_giving_up_is_an_event_with_its_reason_and_the_next_message_has_its_turn(office, hook):
    hook.answers = 1000 * [503]
    alerts = office.alerts()
    begun = office.event("alarm")
    before = office.clock()
    alerts.tell(begun)
    until(office.marks)
    took_s = (office.clock() - before).total_seconds()
    assert office.marks() == [("alert_failed", begun.id)]
    assert office.metrics.events()[-1].reason == "127.0.0.1 answered 503; given up: performance: 4 > 2"
    assert 600 <= took_s < 600 + LONGEST_WAIT_S
    hook.answers = []
    alerts.tell(ended := office.event("alarm_ended"))
    until(lambda: len(office.marks()) == 2)
    assert office.marks()[-1] == ("alert_sent", ended.id)


def test_a_message_that_waited_behind_another_is_tried_once_even_when_its_time_is_over(office, hook):
    alarms = [office.event("alarm", part) for part in ("performance", "data", "service")]
    hook.answers = 1000 * [503]
    office.alerts()
    until(lambda: len(office.marks()) == 3)
    assert office.marks() == [("alert_failed", alarm.id) for alarm in alarms]
    assert [m["event"] for m in hook.received[-2:]] == [alarms[1].id, alarms[2].id]


@pytest.mark.parametrize("status", [400, 404, 302])
def test_an_answer_that_will_not_change_is_not_asked_for_again(office, hook, status):
    hook.answers = [status]
    alarm = office.event("alarm")
    office.alerts()
    until(office.marks)
    assert office.marks() == [("alert_failed", alarm.id)]
    assert len(hook.received) == 1


def test_a_restart_sends_what_has_no_mark_in_order_and_nothing_else(office, hook):
    office.event("alarm", "too old")
    office.clock.forward(hours=24)
    sent, failed = office.event("alarm", "sent"), office.event("alarm", "failed")
    office.metrics.append(Event(kind="alert_failed", reason="", data={"event": failed.id}))
    office.metrics.append(Event(kind="alert_sent", reason="", data={"event": sent.id}))
    office.event("decision", "no alarm")
    office.event("alarm", "missing")
    office.event("alarm_ended", "missing")
    office.alerts()
    until(lambda: len(office.marks()) == 4)
    office.alerts().tell(office.event("alarm", "new"))
    until(lambda: len(office.marks()) == 5)
    assert hook.told() == [("begins", "missing"), ("ended", "missing"), ("begins", "new")]


def test_closing_ends_a_wait_at_once_and_leaves_the_message_to_the_next_one(office, hook, caplog):
    caplog.set_level(logging.INFO)
    hook.answers = [500]
    alarm = office.event("alarm")
    first = office.alerts(pause=None)
    until(lambda: "127.0.0.1 answered 500" in caplog.text)
    first.close()
    assert THREAD not in [t.name for t in threading.enumerate()]
    assert office.marks() == []
    assert len(hook.received) == 1
    office.alerts()
    until(office.marks)
    assert office.marks() == [("alert_sent", alarm.id)]


def test_closing_does_not_wait_for_a_server_that_does_not_answer(office, hook):
    hook.open.clear()
    office.event("alarm")
    alerts = office.alerts()
    until(lambda: hook.received)
    alerts.close()
    assert not hook.open.is_set()
    assert office.marks() == []


@pytest.mark.parametrize("answers", [[], [500], [400]])
def test_the_secret_in_an_address_is_in_no_line_and_no_event(office_of, hook, caplog, answers):
    caplog.set_level(logging.DEBUG)
    address = hook.address.replace("http://", "http://user:s3cret@")
    office = office_of(f"{address}/s3cret/x?token=s3cret")
    hook.answers = answers
    office.alerts().tell(office.event("alarm"))
    until(office.marks)
    assert "alarm begins" in caplog.text
    assert "s3cret" not in caplog.text
    assert "s3cret" not in str(office.metrics.events())
    assert "s3cret" not in repr(office.settings)


def test_a_proxy_of_the_environment_does_not_see_the_address(office, hook, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    office.alerts().tell(office.event("alarm"))
    until(office.marks)
    assert len(hook.received) == 1


@pytest.mark.parametrize("webhook", ["ftp://s3cret.example/x", "https://", "s3cret.example", ""])
def test_a_webhook_that_is_no_http_address_is_refused_by_its_key_and_not_shown(tmp_path, webhook):
    with pytest.raises(SettingsError, match=r"workbench.toml: 'alerts.webhook' is no address that") as caught:
        make_workspace(tmp_path, extra=f'[alerts]\nwebhook = "{webhook}"\n')
    assert "s3cret" not in str(caught.value)


def test_a_webhook_from_the_environment_outranks_the_file(office, monkeypatch):
    monkeypatch.setenv("WORKBENCH_ALERTS__WEBHOOK", "https://hooks.example/x")
    assert load_settings(office.settings.root).alerts.webhook == "https://hooks.example/x"


def test_a_webhook_that_httpx2_cannot_read_is_refused(office_of):
    with pytest.raises(SettingsError, match=r"\[alerts\] webhook is no valid address") as caught:
        office_of("https://hooks.example:s3cret/").alerts()
    assert "s3cret" not in str(caught.value)


def test_without_httpx2_the_error_names_the_extra(office, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(SettingsError, match=r"pip install 'model-workbench\[service\]'"):
        office.alerts()
