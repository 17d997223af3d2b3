"""Two services with a database in common, under load, while parts of them die: no failed prediction, nothing lost,
nothing twice."""

import itertools
import shutil

import httpx2
import psycopg
import pytest

from tests.conftest import until
from tests.databases import started
from tests.postgresql.services import ROWS, Load, machines
from tests.processes import child_of, serving, url
from workbench.database import Database
from workbench.joining import join
from workbench.leadership import leader
from workbench.metrics_store import MetricsStore

pytestmark = pytest.mark.slow


def settle(load: Load, services: list[str]) -> None:
    """Tell each actual that is owed, to whichever service's turn it is, until one knows the prediction."""
    turn = itertools.cycle(services)

    def told() -> bool:
        sent = [{"prediction_id": name, "actual": 50.0} for name in load.owed]
        answer = httpx2.post(f"{next(turn)}/feedback", json={"actuals": sent}, timeout=60).json()
        load.owed.difference_update(*(answer[fate] for fate in ("accepted", "duplicate")))
        return not load.owed

    until(told)


@pytest.fixture
def replicas(trained, tmp_path):
    """Two services with a server of their own that may be killed."""
    server = started()
    made = machines(trained, tmp_path, "ab", server.url)
    yield server, made
    server.stop()
    shutil.rmtree(server.folder)


def test_database_maintainers_and_a_service_are_killed_under_load(replicas):
    server, (a, b) = replicas
    database = Database(server.url, "workbench")
    with serving(a) as first, serving(b) as second:
        services = [url(a), url(b)]
        both = {str(a.root): first, str(b.root): second}
        until(lambda: leader(database))
        names = {(root / "metrics" / "replica").read_text().strip(): str(root) for root in (a.root, b.root)}
        with Load(services) as load:
            load.more(200)
            # The database, as a power loss would end it; predictions go on.
            server.kill()
            load.more(200)
            assert "is not shared" in str(until_degraded(services[0]))
            somebodys = {"prediction_id": "20260101T000000000000Z-1-abcdef-0000001", "actual": 1.0}
            refused = httpx2.post(f"{services[0]}/feedback", json={"actuals": [somebodys]}, timeout=60)
            assert (refused.status_code, refused.json()["type"]) == (503, "/docs#database-away")
            server.start()
            database.close()
            load.more(100)
            # Whoever leads, in the midst of shipping: the other leads, and what was under way is sent again.
            led = until_led(database)
            child_of(both[names[led]], "maintain").kill()
            until(lambda: leader(database) not in (None, led))
            load.more(200)
        assert load.failed == []
        answered = sorted(load.answered)
        settle(load, services)
        until(lambda: in_database(server, "predictions") == answered, timeout_s=60)
        until(lambda: len(in_database(server, "actuals")) >= len(answered) // len(ROWS))
        for settings in (a, b):
            store = MetricsStore.of(settings)
            last = store.window()
            assert sorted(p.id for p in last) == sorted(p.id for p in store.history()[-len(last) :])
            assert sorted(p.id for p in store.history()) == answered
            labelled = join(store.history(), store.actuals())
            assert len(labelled) == len(answered) // len(ROWS)
            store.shared.database.close()
    database.close()


def until_degraded(service: str) -> dict:
    found: dict = {}

    def degraded() -> bool:
        found.update(httpx2.get(f"{service}/health", timeout=60).json())
        return any("shared" in reason for reason in found["reasons"])

    until(degraded)
    return found


def until_led(database) -> str:
    found: list[str] = []
    until(lambda: found.append(leader(database)) or found[-1])
    return found[-1]


def in_database(server, table: str) -> list[str]:
    with psycopg.connect(server.url) as asking:
        return [name for (name,) in asking.execute(f"select id from workbench.{table} order by id")]
