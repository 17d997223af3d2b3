"""A retrain by hand, started by pressing, followed and cancelled."""

import os

import msgspec
import psutil
import pytest

from workbench.errors import Busy
from workbench.jobs import Job
from workbench.panels.desk import Desk
from workbench.panels.page import Page
from workbench.panels.retrain import Retrain
from workbench.settings import with_values
from workbench.version_store import VersionStore

ALL = {"version_id": None, "recipe": None, "ensemble": None, "by": "dashboard"}


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
        left_s=12.3,
    )
    return msgspec.structs.replace(job, **changes)


class Requests(list):
    """Stands in for the jobs' own start, which would train."""

    def __init__(self, jobs):
        self.jobs, self.cancelled = jobs, []

    def start(self, **options):
        self.append(options)
        job = a_job()
        self.jobs.write(job)
        return job

    def cancel(self, job):
        self.cancelled.append(job)


@pytest.fixture
def jobs(desk):
    desk.reader.jobs.folder.mkdir(parents=True, exist_ok=True)
    return desk.reader.jobs


@pytest.fixture
def started(jobs, monkeypatch):
    requests = Requests(jobs)
    monkeypatch.setattr(jobs, "start", requests.start)
    monkeypatch.setattr(jobs, "cancel", requests.cancel)
    return requests


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
    assert started == [ALL | {"reason": "the wind has turned", "version_id": "windy"}]
    assert "has started" in panel.deed.status.value
    assert panel.start.disabled


def test_what_is_configured_can_be_chosen_and_nothing_else(trained, lock, commands):
    settings = with_values(trained, {"retrain.ensembles": ("voting", "own:forest"), "retrain.recipes": ("decay",)})
    panel = Retrain(Desk(settings, lock, commands))
    assert [label for label, _ in panel.ensemble.options] == ["all 2 compete", "voting", "own:forest"]
    assert [label for label, _ in panel.recipe.options] == ["decay"]
    assert (panel.ensemble.value, panel.recipe.value) == ("", "")


def test_a_chosen_recipe_and_ensemble_are_asked_for_as_they_were_when_asked(trained, lock, commands):
    settings = with_values(trained, {"retrain.ensembles": ("voting", "own:forest")})
    desk = Desk(settings, lock, commands)
    panel, requests = Retrain(desk), Requests(desk.reader.jobs)
    desk.reader.jobs.folder.mkdir(parents=True)
    desk.reader.jobs.start = requests.start
    panel.recipe.value, panel.ensemble.value = "recent", "own:forest"
    panel.start.click()
    assert "of recipe recent and ensemble own:forest alone?" in panel.deed.question.value
    panel.recipe.value = ""
    panel.deed.confirm.click()
    assert requests == [ALL | {"reason": "by request", "recipe": "recent", "ensemble": "own:forest"}]


def test_locked_it_starts_and_cancels_nothing_and_offers_nothing(panel, started, jobs, desk):
    jobs.write(a_job())
    panel.show(desk.reader.read())
    panel.start.click()
    panel.desk.lock.locked = True
    for button in (panel.deed.confirm, panel.start, panel.deed.confirm, panel.cancel, panel.deed.confirm):
        button.click()
    assert "locked" in panel.deed.status.value
    assert (panel.controls.layout.display, panel.cancel.layout.display) == ("none", "none")
    assert (started, started.cancelled) == ([], [])


def test_a_retrain_shows_which_member_it_is_at_and_the_time_left(confirmed, desk):
    confirmed.show(desk.reader.read())
    assert (confirmed.progress.value, confirmed.progress.max) == (1, 3)
    assert "recent: forest (1/3, about 12 s left)" in confirmed.stage.value


def test_a_retrain_that_somebody_else_began_is_shown_and_no_other_can_be_started(panel, jobs, desk):
    panel.show(desk.reader.read())
    assert panel.working.layout.display == "none"
    jobs.write(a_job(by="maintainer", reason="alarm: <mae>"))
    panel.show(desk.reader.read())
    assert panel.working.layout.display is None
    assert "maintainer: alarm: &lt;mae&gt;" in panel.stage.value
    assert panel.start.disabled


def test_a_training_is_cancelled_after_asking_back_and_its_end_is_told(panel, started, jobs, desk):
    jobs.write(a_job(by="maintainer"))
    panel.show(desk.reader.read())
    panel.cancel.click()
    assert started.cancelled == []
    panel.deed.confirm.click()
    assert started.cancelled == [a_job().id]
    assert panel.busy
    jobs.write(a_job(state="cancelled", sentence="cancelled"))
    panel.poll()
    panel.show(desk.reader.read())
    assert "‖ retrain cancelled" in panel.deed.status.value
    assert (panel.busy, panel.start.disabled, panel.working.layout.display) == (False, False, "none")


def test_without_a_training_there_is_nothing_to_cancel(panel, started):
    panel.cancel.click()
    panel.deed.confirm.click()
    assert started.cancelled == []


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


@pytest.mark.slow
def test_a_real_retrain_begins_and_ends_and_another_is_cancelled(trained):
    page, store = Page(trained, Retrain), VersionStore(trained.versions_dir)
    (retrain,) = page.panels
    retrain.version_id.value, retrain.recipe.value = "again", "recent"
    retrain.start.click()
    retrain.deed.confirm.click()
    page.wait()
    assert "✓ retrain done: again is published" in retrain.deed.status.value
    assert (store.ids(), store.metadata("again").recipe) == (["first", "again"], "recent")
    retrain.version_id.value = "never"
    for button in (retrain.start, retrain.cancel):
        button.click()
        retrain.deed.confirm.click()
        page.refresh()
    page.wait()
    assert "retrain cancelled" in retrain.deed.status.value or "retrain died" in retrain.deed.status.value
    assert "never" not in store.ids()
