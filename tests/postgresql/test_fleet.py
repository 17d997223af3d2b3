"""Three services with a database in common behave as one: one window, one switch, one summary."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2
import pytest

from tests.conftest import until
from tests.postgresql.services import Load, machines
from tests.processes import run, serving, url
from workbench.metrics_store import MetricsStore
from workbench.tokens import maintenance_token

pytestmark = pytest.mark.slow


def test_three_services_are_one(trained, tmp_path, postgresql):
    run(trained.root, "--version_id=second", "--promote=never")
    fleet = machines(trained, tmp_path, "abc", postgresql.url)
    services = [url(settings) for settings in fleet]
    tokens = {
        one: {"Authorization": f"Bearer {maintenance_token(s.root)}"} for one, s in zip(services, fleet, strict=True)
    }

    def asked(service: str, what: str, **body: object) -> dict:
        path, told = f"{service}/maintenance/{what}", {"headers": tokens[service], "timeout": 60}
        answer = httpx2.post(path, json=body, **told) if body else httpx2.get(path, **told)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    with ExitStack() as running:
        with ThreadPoolExecutor() as at_once:
            list(at_once.map(lambda settings: running.enter_context(serving(settings)), fleet))
        with Load(services) as load:
            load.more(150)
            asked(services[0], "versions/second/activate", reason="together")
            until(lambda: set(load.versions.values()) == {"second"} and len(load.versions) == 3)
            load.more(150)
        assert load.failed == []
        stores = [MetricsStore.of(settings) for settings in fleet]
        until(lambda: all(sorted(p.id for p in s.history()) == sorted(load.answered) for s in stores))
        windows = [store.window() for store in stores]
        assert windows[0] == windows[1] == windows[2]
        assert {p.version for p in windows[0]} == {"first", "second"}
        for summary in [asked(service, "summary") for service in services]:
            assert {worker["replica"] for worker in summary["workers"]} == {store.replica for store in stores}
            assert (summary["window"]["first_id"], summary["window"]["last_id"]) == (
                windows[0][0].id,
                windows[0][-1].id,
            )
            assert summary["live"]["version_id"] == "second"
        for store in stores:
            store.shared.database.close()
