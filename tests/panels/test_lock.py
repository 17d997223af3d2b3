"""The lock of a page, tried with right and wrong tokens."""

import pytest

from workbench.panels.lock import Lock


@pytest.fixture
def lock(trained):
    return Lock(trained)


def test_a_wrong_token_stays_locked_and_says_where_to_find_the_right_one(lock, token):
    lock.token.value = token[:-1]
    lock.unlock.click()
    assert lock.locked
    assert "python main.py token" in lock.status.value
    assert lock.inside.layout.display == "none"


@pytest.mark.parametrize("given", ["", "x", "ü"])
def test_without_a_token_file_nothing_unlocks(lock, given):
    lock.token.value = given
    lock.unlock.click()
    assert lock.locked
    assert "no token yet" in lock.status.value


def test_the_right_token_unlocks_and_is_not_kept_in_the_page(lock, token):
    lock.token.value = token
    lock.unlock.click()
    assert not lock.locked
    assert lock.token.value == ""
    assert lock.inside.layout.display is None


def test_lock_again_locks(lock, token):
    lock.locked = False
    lock.lock.click()
    assert lock.locked
    assert lock.door.layout.display is None


def test_no_message_from_a_page_sets_the_lock(lock):
    lock.set_state({"locked": False})
    assert lock.locked
