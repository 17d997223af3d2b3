import pytest

from service.failed_tokens import ADDRESSES, RING, RING_BYTES, WINDOW_S, FailedTokens
from tests.service.conftest import Client, start
from tests.service.over_the_wire import listening
from workbench.tokens import maintenance_token

WRONG = {"Authorization": "Bearer wrong"}


class Seconds:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Seconds()


def test_an_address_waits_until_the_oldest_of_its_failures_is_a_minute_old(clock):
    failed = FailedTokens(2, clock=clock)
    failed.failed("10.0.0.1")
    clock.now = 10.0
    assert failed.wait_s("10.0.0.1") == 0
    failed.failed("10.0.0.1")
    assert failed.wait_s("10.0.0.1") == WINDOW_S - 10
    assert failed.wait_s("10.0.0.2") == 0
    clock.now = WINDOW_S
    assert failed.wait_s("10.0.0.1") == 0
    failed.failed("10.0.0.1")
    assert failed.wait_s("10.0.0.1") == 10


def test_an_address_of_version_6_stands_for_its_network(clock):
    failed = FailedTokens(2, clock=clock)
    failed.failed("2001:db8::1")
    failed.failed("2001:db8::2")
    assert failed.wait_s("2001:db8::3") > 0
    assert failed.wait_s("2001:db8:0:1::3") == 0


def test_addresses_without_end_take_no_memory_without_end(clock):
    failed = FailedTokens(1, clock=clock)
    for i in range(ADDRESSES + 50):
        failed.failed(f"10.0.{i // 256}.{i % 256}")
    assert failed.wait_s("10.0.4.0") > 0
    assert len(failed._failed) == ADDRESSES
    assert (failed.wait_s("10.0.0.0"), failed.wait_s("10.0.4.0") > 0) == (0, True)


def test_workers_count_together_and_one_that_comes_back_knows(clock, tmp_path):
    file = tmp_path / "failed-tokens"
    first, second = (FailedTokens(3, file, worker=i, workers=2, clock=clock) for i in (1, 2))
    for worker in (first, second, first):
        assert (first.wait_s("10.0.0.1"), second.wait_s("10.0.0.1")) == (0, 0)
        worker.failed("10.0.0.1")
        clock.now += 10
    assert first.wait_s("10.0.0.1") == second.wait_s("10.0.0.1") == WINDOW_S - 30
    again = FailedTokens(3, file, worker=2, workers=2, clock=clock)
    assert (again.wait_s("10.0.0.1"), again.wait_s("10.0.0.2")) == (WINDOW_S - 30, 0)
    again.failed("10.0.0.1")
    assert first.wait_s("10.0.0.1") == WINDOW_S - 20


def test_a_flood_that_others_have_not_read_is_forgotten_but_for_its_end(clock, tmp_path):
    first, second = (FailedTokens(1, tmp_path / "file", worker=i, workers=2, clock=clock) for i in (1, 2))
    for i in range(RING + 5):
        clock.now += 1e-3
        first.failed(f"10.{i // 65536}.{i // 256 % 256}.{i % 256}")
    last = RING + 4
    assert second.wait_s(f"10.0.{last // 256}.{last % 256}") == WINDOW_S
    assert (tmp_path / "file").stat().st_size == 2 * RING_BYTES


def test_after_too_many_wrong_tokens_even_the_right_one_has_to_wait(trained):
    with Client(start(trained, token_failures=3)) as client:
        path = "/maintenance/versions"
        # Who shows none guesses nothing.
        assert [client.get(path).status_code for _ in range(5)] == [401] * 5
        assert [client.get(path, headers=WRONG).status_code for _ in range(4)] == [401] * 3 + [429]
        refused = client.get(path, headers=client.operator)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= WINDOW_S
        # What needs no token goes on.
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(("proxies", "waits"), [((), [429, 429]), (("127.0.0.1",), [429, 401])])
def test_only_a_known_proxy_says_who_asks(trained, proxies, waits):
    """Who made up addresses would never have to wait; behind a proxy, one client's guesses are not another's."""
    with listening(trained, token_failures=2, proxies=proxies) as wire:

        def guess(address):
            return wire.ask(path="/maintenance/versions", headers=WRONG | {"X-Forwarded-For": address})[0]

        assert [guess("10.0.0.1"), guess("10.0.0.1")] == [401, 401]
        assert [guess("10.0.0.1"), guess("10.0.0.2")] == waits


def test_a_rotated_token_counts_at_once(client):
    path, old = "/maintenance/versions", dict(client.operator)
    new = {"Authorization": f"Bearer {maintenance_token(client.settings.root, rotate=True)}"}
    assert [client.get(path, headers=headers).status_code for headers in (old, new)] == [401, 200]
