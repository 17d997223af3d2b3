"""Maintenance by hand, tested by pressing."""

import os
import sys
from dataclasses import replace

import msgspec
import psutil
import pytest

from workbench.errors import Busy
from workbench.jobs import Job, Jobs
from workbench.metrics_store import MetricsStore
from workbench.panels.actions import Actions
from workbench.panels.commands import Command, Result
from workbench.panels.view import Reader


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
def jobs(trained):
    return Jobs(trained, MetricsStore.of(trained))


@pytest.fixture
def started():
    return []


@pytest.fixture
def panel(trained, jobs, commands, started):
    def start(**asked):
        started.append(asked)
        job = a_job()
        jobs.write(job)
        return job

    return Actions(trained, jobs, start=start, run=commands)


@pytest.fixture
def unlocked(panel, token):
    panel.token.value = token
    panel.unlock.click()
    return panel


@pytest.fixture
def two_versions(trained, unlocked):
    view = Reader(trained).read()
    view = replace(
        view,
        versions=[*view.versions, msgspec.structs.replace(view.versions[0], version_id="b")],
        live=msgspec.structs.replace(view.live, previous="b"),
    )
    unlocked.show(view)
    return unlocked


def test_a_wrong_token_stays_locked_and_says_where_to_find_the_right_one(panel, token):
    panel.token.value = token[:-1]
    panel.unlock.click()
    assert panel.locked
    assert "python main.py token" in panel.status.value
    assert panel.controls.layout.display == "none"


@pytest.mark.parametrize("given", ["", "x", "ü"])
def test_without_a_token_file_nothing_unlocks(panel, given):
    panel.token.value = given
    panel.unlock.click()
    assert panel.locked
    assert "no token yet" in panel.status.value


def test_the_right_token_unlocks_and_is_not_kept_in_the_page(unlocked):
    assert not unlocked.locked
    assert unlocked.token.value == ""
    assert unlocked.controls.layout.display is None


def test_lock_again_locks(unlocked):
    unlocked.retrain.click()
    unlocked.lock.click()
    unlocked.confirm.click()
    assert unlocked.locked
    assert unlocked.controls.layout.display == "none"


def test_a_hidden_button_does_nothing_while_locked(panel, commands, started):
    for button in (panel.retrain, panel.back, panel.confirm):
        button.click()
    panel.pending = ("switch", "b", "sneaked in")
    panel.confirm.click()
    assert "locked" in panel.status.value
    assert (commands.asked, started) == ([], [])


def test_nothing_is_done_before_it_is_confirmed(two_versions, commands, started):
    two_versions.retrain.click()
    two_versions.apply.click()
    two_versions.back.click()
    assert two_versions.asking.layout.display is None
    assert (commands.asked, started) == ([], [])


def test_cancel_does_nothing(two_versions, commands):
    two_versions.back.click()
    two_versions.cancel.click()
    two_versions.confirm.click()
    assert commands.asked == []
    assert "nothing was done" in two_versions.status.value


def test_a_retrain_is_started_as_a_job_with_its_reason(unlocked, started):
    unlocked.reason.value = "the wind has turned"
    unlocked.version_id.value = "windy"
    unlocked.retrain.click()
    unlocked.confirm.click()
    assert started == [{"reason": "the wind has turned", "by": "dashboard", "version_id": "windy"}]
    assert "has started" in unlocked.status.value
    assert unlocked.retrain.disabled


def test_a_retrain_shows_how_far_it_is(trained, unlocked, jobs):
    unlocked.retrain.click()
    unlocked.confirm.click()
    unlocked.show(Reader(trained).read())
    assert (unlocked.progress.value, unlocked.progress.max) == (1, 3)
    assert "recent: forest" in unlocked.stage.value


def test_a_retrain_that_has_ended_says_what_came_of_it(trained, unlocked, jobs):
    unlocked.retrain.click()
    unlocked.confirm.click()
    jobs.write(a_job(state="done", sentence="b is published but not live: <worse>"))
    unlocked.poll()
    unlocked.show(Reader(trained).read())
    assert "✓ retrain done: b is published but not live: &lt;worse&gt;" in unlocked.status.value
    assert unlocked.working.layout.display == "none"
    assert not unlocked.retrain.disabled


def test_a_retrain_that_is_refused_says_why(trained, jobs, token, commands):
    def refuse(**asked):
        raise Busy("a retrain is under way; wait for it, or cancel it")

    panel = Actions(trained, jobs, start=refuse, run=commands)
    panel.token.value = token
    panel.unlock.click()
    panel.retrain.click()
    panel.confirm.click()
    assert "a retrain is under way" in panel.status.value
    assert panel.job == ""


def test_only_versions_that_are_not_live_are_offered(two_versions):
    assert two_versions.choice.options == ("b",)


def test_a_switch_runs_the_command_line_with_the_reason_as_one_word(two_versions, trained, commands):
    two_versions.choice.value = "b"
    two_versions.reason.value = "better; rm -rf / $(x) --json"
    two_versions.apply.click()
    two_versions.confirm.click()
    assert commands.asked == [
        [
            *(sys.executable, "-m", "workbench.cli", "--root", str(trained.root), "activate", "b"),
            *("--reason=better; rm -rf / $(x) --json", "--by=dashboard", "--json"),
        ]
    ]


def test_what_was_asked_about_is_what_is_done(two_versions, commands):
    two_versions.apply.click()
    two_versions.choice.options = ["c"]
    two_versions.reason.value = "another"
    two_versions.confirm.click()
    assert commands.asked[0][6] == "b"
    assert "--reason=by request" in commands.asked[0]


def test_a_switch_tells_its_result_when_the_command_has_ended(two_versions, commands):
    two_versions.apply.click()
    two_versions.confirm.click()
    two_versions.poll()
    assert "being checked" in two_versions.status.value
    assert two_versions.apply.disabled
    commands.result = Result(0, '{"version_id": "b", "previous": "first"}', "")
    two_versions.poll()
    assert "✓ done: b is live" in two_versions.status.value
    assert not two_versions.apply.disabled


def test_a_roll_back_names_its_target_and_runs_the_command_line(two_versions, commands):
    two_versions.back.click()
    assert "Go back to b" in two_versions.question.value
    two_versions.confirm.click()
    assert commands.asked[0][5:] == ["rollback", "--reason=by request", "--by=dashboard", "--json"]


def test_a_roll_back_is_not_done_when_another_version_has_gone_live_meanwhile(two_versions, commands):
    two_versions.back.click()
    two_versions.previous = "c"
    two_versions.confirm.click()
    assert commands.asked == []
    assert "another version has gone live" in two_versions.status.value


def test_without_an_earlier_version_there_is_no_way_back(trained, unlocked):
    unlocked.show(Reader(trained).read())
    assert unlocked.back.disabled


def test_a_command_that_fails_shows_what_it_said(two_versions, commands):
    commands.result = Result(2, "", "there is no <earlier> version")
    two_versions.back.click()
    two_versions.confirm.click()
    two_versions.poll()
    assert "✗ not done: there is no &lt;earlier&gt; version" in two_versions.status.value


def test_a_real_command_is_not_waited_for_and_tells_both_its_voices():
    code = "import sys; sys.stdin.read(); print('x' * 200_000); print('oh', file=sys.stderr); sys.exit(3)"
    running = Command([sys.executable, "-c", code])
    while (result := running.poll()) is None:
        pass
    assert (result.code, len(result.output), result.errors) == (3, 200_000, "oh")
