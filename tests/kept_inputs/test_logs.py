"""What a service and its retrains write into their logs holds no input that is kept out, whatever goes wrong."""

import pytest

from tests.conftest import until
from tests.kept_inputs.telltales import FEATURES, STORE, cases, retrain, telling, workspace
from tests.processes import CLIENT, free_port, serving, url
from workbench.features import to_rows
from workbench.kept_inputs import of_settings
from workbench.tokens import maintenance_token

ENDED = ("done", "failed", "cancelled", "died")


@pytest.mark.slow
def test_no_log_holds_what_is_kept_out(tmp_path):
    service = f'[service]\nport = {free_port()}\nlog = "json"\naccess_log = true\n'
    settings = workspace(tmp_path / "ws", STORE + service, 'ensemble = "tests.bad_models:tells"')
    retrain(settings, "first")
    operator = {"Authorization": f"Bearer {maintenance_token(settings.root)}"}
    (row,) = to_rows(cases(1, 250)[FEATURES])
    with serving(settings):

        def predict(**more):
            return CLIENT.post(f"{url(settings)}/predict", json={"instances": [row | more]}).status_code

        # The last one makes the model name the row in its error, which the log tells.
        assert [predict(), predict(badge="TELLTALE-WRONG"), predict(to="west")] == [200, 422, 500]
        asked = CLIENT.post(f"{url(settings)}/maintenance/retrain", json={"promote": "always"}, headers=operator).json()
        job = f"{url(settings)}/maintenance/retrain/{asked['id']}"
        until(lambda: CLIENT.get(job, headers=operator).json()["state"] in ENDED)
        assert CLIENT.post(f"{url(settings)}/maintenance/check", headers=operator).status_code == 200
    log = (settings.root / "serve.log").read_text()
    assert of_settings(settings).value("card", row["card"]) in log
    assert list((settings.metrics_dir / "jobs").glob("*.log"))
    assert telling(settings.root) == set()
