import pytest

from tests.kept_inputs.telltales import retrain, workspace


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    settings = workspace(tmp_path_factory.mktemp("kept") / "ws")
    retrain(settings, "first")
    return settings
