import re
import shutil
from typing import ClassVar

import pytest
import schemathesis
from fastapi.testclient import TestClient
from schemathesis.schemas import BaseSchema

from service.app import create_app
from tests.conftest import until
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.tokens import maintenance_token


class Client(TestClient):
    """The service in this process, asked from loopback; `operator` holds the token's header.

    Every answer to whatever a test asks is held against the description: status, media type, headers and content.
    """

    description: ClassVar[BaseSchema | None] = None

    def __init__(self, settings, *, host: str = "127.0.0.1"):
        self.settings = settings
        super().__init__(create_app(settings, note_together_s=0), base_url="http://127.0.0.1", client=(host, 50_000))
        self.operator = {"Authorization": f"Bearer {maintenance_token(settings.root)}"}

    def request(self, method, url, **more):
        answer = super().request(method, url, **more)
        if Client.description is None:
            Client.description = schemathesis.openapi.from_dict(self.app.openapi())
        asked = answer.request.url.path
        # Fixed names come before patterns.
        for path in sorted(Client.description, key=lambda path: "{" in path):
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), asked) and method.lower() in list(
                Client.description[path]
            ):
                Client.description[path][method].validate_response(answer)
                break
        return answer

    def until_ready(self):
        until(lambda: self.get("/ready").status_code == 200)
        return self


def start(settings, **more):
    """Settings read again, with a quick heartbeat, so that the test's worker follows the pointer at once."""
    service = load_settings(settings.root).service.model_copy(
        update={"heartbeat_s": 0.05, "token_failures": 1000, **more}
    )
    return settings.model_copy(update={"service": service})


@pytest.fixture(scope="module")
def shared(_regression, tmp_path_factory):
    """One client for tests that change nothing."""
    root = shutil.copytree(_regression.root, tmp_path_factory.mktemp("shared") / "ws")
    with Client(start(load_settings(root))) as client:
        yield client.until_ready()


@pytest.fixture
def client(trained):
    with Client(start(trained)) as client:
        yield client.until_ready()


@pytest.fixture
def classifier(trained_classifier):
    with Client(start(trained_classifier)) as client:
        yield client.until_ready()


@pytest.fixture
def two(client):
    """A second version, published but not live."""
    retrainer = ModelRetrainer(client.settings, client.app.state.versions, MetricsStore.of(client.settings))
    retrainer.retrain("second", promote="never")
    return client
