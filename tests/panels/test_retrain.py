"""A retrain by hand, started by pressing and followed."""

import os

import msgspec
import psutil
import pytest

from workbench.errors import Busy
from workbench.jobs import Job
from workbench.panels.retrain import Retrain


def a_job(**changes):
    me = psutil.Process()
    job = Job(
        id="20260101T120000-abc123",
        state="running",
        reason="tired",
        trigger="manual",
        by="dashboard",
        started_at="2026-01-01T12:00:00.000000Z",
        pid=os.getpid(),
        pid_created=me.create_time(),
        stage="recent: forest",
        done=1,
        total=3,
    )
    return msgspec.structs.replace(job, **changes)


@pytest.fixture
def jobs(desk):
    return desk.reader.jobs


@pytest.fixture
def started(jobs, monkeypatch):
    asked = []

    def start(**options):
        asked.append(options)
        job = a_job()
        jobs.write(job)
        return job

    jobs.folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(jobs, "start", start)
    return asked


@pytest.fixture
def panel(desk, started):
    return Retrain(desk)


@pytest.fixture
def confirmed(panel):
    panel.start.click()
    panel.deed.confirm.click()
    return panel


def test_a_retrain_is_started_as_a_job_with_its_reason(panel, started):
    panel.reason.value = "the wind has turned"
    panel.version_id.value = "windy"
    panel.start.click()
    assert started == []
    panel.deed.confirm.click()
    assert started == [{"reason": "the wind has turned", "by": "dashboard", "version_id": "windy"}]
    assert "has started" in panel.deed.status.value
    assert panel.start.disabled


def test_locked_it_starts_nothing_and_offers_nothing(panel, started):
    panel.desk.lock.locked = True
    panel.start.click()
    panel.deed.confirm.click()
    assert "locked" in panel.deed.status.value
    assert panel.controls.layout.display == "none"
    assert started == []


def test_a_retrain_shows_how_far_it_is(confirmed, desk):
    confirmed.show(desk.reader.read())
    assert (confirmed.progress.value, confirmed.progress.max) == (1, 3)
    assert "recent: forest" in confirmed.stage.value


def test_a_retrain_that_has_ended_says_what_came_of_it(confirmed, desk, jobs):
    jobs.write(a_job(state="done", sentence="b is published but not live: <worse>"))
    confirmed.poll()
    confirmed.show(desk.reader.read())
    assert "✓ retrain done: b is published but not live: &lt;worse&gt;" in confirmed.deed.status.value
    assert confirmed.working.layout.display == "none"
    assert not confirmed.start.disabled


def test_a_retrain_that_is_refused_says_why(panel, jobs, monkeypatch):
    def refuse(**asked):
        raise Busy("a retrain is under way; wait for it, or cancel it")

    monkeypatch.setattr(jobs, "start", refuse)
    panel.start.click()
    panel.deed.confirm.click()
    assert "a retrain is under way" in panel.deed.status.value
    assert panel.job == ""
