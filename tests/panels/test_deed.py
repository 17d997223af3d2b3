"""What is asked for on a page: asked back, refused while locked, told in its end."""

import sys

import pytest

from workbench.errors import Busy
from workbench.panels.commands import Command, Result
from workbench.panels.deed import Deed


@pytest.fixture
def deed(trained, lock, commands):
    return Deed(lock, trained.root, run=commands)


def test_what_is_cancelled_is_not_done(deed):
    done = []
    deed.ask("jump", "Jump?", lambda: done.append(1))
    deed.cancel.click()
    deed.confirm.click()
    assert done == []
    assert "nothing was done" in deed.status.value


def test_what_is_confirmed_twice_is_done_once(deed):
    done = []
    deed.ask("jump", "Jump <high>?", lambda: done.append(1))
    assert "Jump &lt;high&gt;?" in deed.question.value
    deed.confirm.click()
    deed.confirm.click()
    assert done == [1]


def test_locking_forgets_what_was_asked(deed):
    done = []
    deed.ask("jump", "Jump?", lambda: done.append(1))
    deed.lock.locked = True
    deed.lock.locked = False
    deed.confirm.click()
    assert done == []


def test_while_locked_nothing_is_asked_or_started(deed, commands):
    deed.lock.locked = True
    deed.ask("jump", "Jump?", lambda: pytest.fail("done"))
    deed.start(lambda result: None, "activate", "b")
    deed.confirm.click()
    assert (commands.asked, deed.asked) == ([], None)
    assert "locked" in deed.status.value


def test_what_fails_says_why(deed):
    def refuse():
        raise Busy("somebody was <quicker>")

    deed.ask("jump", "Jump?", refuse)
    deed.confirm.click()
    assert "✗ jump: somebody was &lt;quicker&gt;" in deed.status.value


def test_of_two_commands_the_second_waits_for_the_first(deed, commands):
    ends = []
    deed.start(ends.append, "a")
    deed.start(ends.append, "b")
    assert len(commands.asked) == 1
    assert "something else is under way" in deed.status.value
    commands.result = Result(0, "", "")
    deed.poll()
    assert (ends, deed.busy) == ([commands.result], False)


def test_a_real_command_is_not_waited_for_and_tells_both_its_voices():
    code = "import sys; sys.stdin.read(); print('x' * 200_000); print('oh', file=sys.stderr); sys.exit(3)"
    running = Command([sys.executable, "-c", code])
    while (result := running.poll()) is None:
        pass
    assert (result.code, len(result.output), result.errors) == (3, 200_000, "oh")
