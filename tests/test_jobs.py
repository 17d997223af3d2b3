import os
import signal
import subprocess
import sys
import threading

import msgspec
import psutil
import pytest

from tests.conftest import until
from workbench.errors import Busy, WorkbenchError
from workbench.jobs import Job, Jobs
from workbench.metrics_store import MetricsStore
from workbench.version_store import VersionStore


@pytest.fixture
def jobs(trained):
    return Jobs(trained, MetricsStore.of(trained))


def job_of(process: subprocess.Popen, **more) -> Job:
    created = psutil.Process(process.pid).create_time()
    about = {"id": "20260101T000000-abc123", "state": "running", "reason": "r", "trigger": "manual", "by": "test"}
    return Job(**(about | {"started_at": "", "pid": process.pid, "pid_created": created} | more))


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_running_job_is_read_back(jobs, sleeper):
    job = job_of(sleeper, stage="forest", done=1, total=3)
    jobs.write(job)
    assert jobs.read(job.id) == jobs.running() == job


def test_one_at_a_time(jobs, sleeper):
    jobs.write(job_of(sleeper))
    with pytest.raises(Busy, match="under way"):
        jobs.start(reason="r", by="test")


def test_a_training_by_hand_counts_too(jobs):
    with VersionStore(jobs.settings.versions_dir).retrain_lock(), pytest.raises(Busy):
        jobs.start(reason="r", by="test")


def test_a_job_whose_process_was_killed_has_died_and_is_told_once(jobs, sleeper):
    job = job_of(sleeper)
    jobs.write(job)
    os.kill(sleeper.pid, signal.SIGKILL)
    sleeper.wait()
    assert jobs.read(job.id).state == "died"
    assert [j.id for j in jobs.bury()] == [job.id]
    assert jobs.bury() == []
    assert [e.kind for e in jobs.metrics.events()].count("retrain_failed") == 1
    assert jobs.running() is None


def test_another_process_under_the_same_number_is_not_the_job(jobs, sleeper):
    job = msgspec.structs.replace(job_of(sleeper), pid_created=1.0)
    jobs.write(job)
    assert jobs.read(job.id).state == "died"
    jobs.cancel(job.id)
    assert sleeper.poll() is None


@pytest.mark.parametrize("wanted", ["nope", "../../etc/passwd", "", "a/b"])
def test_an_unknown_job_is_named(jobs, wanted):
    with pytest.raises(WorkbenchError, match="no retrain job"):
        jobs.read(wanted)


def test_a_wrong_id_or_recipe_is_refused_before_a_process_starts(jobs):
    for wrong in ({"version_id": "../up"}, {"recipe": "nope"}, {"ensemble": "os:system"}):
        with pytest.raises(WorkbenchError):
            jobs.start(reason="r", by="test", **wrong)
    assert jobs.all() == []


@pytest.mark.slow
def test_a_job_is_the_same_command_line_at_low_priority(jobs):
    told = {"version_id": "second", "promote": "never", "recipe": "everything", "ensemble": "voting"}
    job = jobs.start(reason="--not an option; $(true)", by="test", **told)
    until(lambda: jobs.read(job.id).state != "starting")
    assert psutil.Process(job.pid).nice() == 19
    until(lambda: jobs.read(job.id).state != "running")
    ended = jobs.read(job.id)
    assert (ended.state, ended.version_id) == ("done", "second")
    made = VersionStore(jobs.settings.versions_dir).metadata("second")
    assert (made.reason, made.recipe, made.ensemble) == ("--not an option; $(true)", "everything", "voting")


@pytest.mark.slow
def test_a_killed_training_frees_the_lock_and_its_id_for_the_next(jobs):
    job = jobs.start(reason="r", by="test", version_id="second")
    until(lambda: jobs.read(job.id).stage)
    os.kill(job.pid, signal.SIGKILL)
    until(lambda: jobs.running() is None)
    assert jobs.bury()[0].state == "died"
    # The last thread of a killed process may end a moment after the process is said to be gone.
    until(lambda: not VersionStore(jobs.settings.versions_dir).retraining())
    again = jobs.start(reason="r", by="test", version_id="second", promote="never")
    until(lambda: jobs.read(again.id).state not in ("starting", "running"))
    assert jobs.read(again.id).state == "done"
    assert VersionStore(jobs.settings.versions_dir).ids() == ["first", "second"]


def test_the_time_left_follows_from_the_steps_done(settings, monkeypatch):
    from workbench.cli import train

    jobs, now = Jobs(settings, MetricsStore.of(settings)), [100.0]
    monkeypatch.setattr(train.time, "monotonic", lambda: now[0])
    report = train._Reporter(jobs, "j-1", None, "test", "manual", "test")
    report("recent: linear", 0, 8)
    assert jobs.read("j-1").progress == "0/8"
    now[0] += 6.0
    report("recent: boosting", 2, 8)
    assert jobs.read("j-1").progress == "2/8, about 18 s left"


def test_of_two_who_ask_at_once_one_is_refused(jobs, monkeypatch):
    begun, answers = threading.Barrier(2), []

    def ask():
        begun.wait()
        try:
            answers.append(jobs.start(reason="at once", by="test", promote="never"))
        except Busy as error:
            answers.append(str(error))

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert sorted(type(answer).__name__ for answer in answers) == ["Job", "str"]
    job = next(answer for answer in answers if isinstance(answer, Job))
    until(lambda: jobs.read(job.id).state not in ("starting", "running"))
