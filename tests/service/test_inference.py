import pytest

from tests.conftest import trips, until
from tests.service.conftest import Client, start
from workbench.ensemble import answer
from workbench.features import to_rows
from workbench.golden import ATOL, RTOL
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.version_store import VersionStore

ROW = {"km": 10.0, "stops": 1, "to": "north"}


def predict(client, *rows, **more):
    return client.post("/predict", json={"instances": list(rows)}, **more)


def test_answers_are_the_bare_librarys_and_name_the_version(client):
    rows = to_rows(trips(20, seed=3)[["km", "stops", "to"]])
    response = predict(client, *rows)
    version = VersionStore(client.settings.versions_dir).load("first")
    bare = answer(version.estimator, version.schema, rows).predictions
    assert response.json()["predictions"] == pytest.approx(bare, rel=RTOL, abs=ATOL)
    assert response.json()["model_version"] == response.headers["x-model-version"] == "first"


def test_every_answered_prediction_is_on_disk_under_its_id(client):
    response = predict(client, ROW | {"at": "2026-03-01T00:00:00"}, ROW, headers={"X-Request-ID": "mine-1"})
    kept = MetricsStore.of(client.settings).window()
    assert [p.id for p in kept] == response.json()["prediction_ids"]
    assert [p.output for p in kept] == response.json()["predictions"]
    assert kept[0].event_time == "2026-03-01T00:00:00.000000Z"
    assert (kept[0].inputs, kept[0].request_id) == (ROW, "mine-1")
    assert response.headers["x-request-id"] == "mine-1"
    assert 0 < kept[0].response_s < 5


def test_classification_answers_probabilities_and_classes(classifier):
    body = predict(classifier, ROW).json()
    assert body["classes"] == [0, 1]
    assert sum(body["probabilities"][0].values()) == pytest.approx(1)
    assert MetricsStore.of(classifier.settings).window()[0].probabilities == body["probabilities"][0]


def test_a_wrong_instance_is_a_422_that_names_row_field_found_and_allowed(client):
    response = predict(client, ROW, ROW | {"km": "far"})
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {
            "row": 1,
            "field": "km",
            "found": "far",
            "allowed": "a number or null",
            "message": "row 1, field 'km': found 'far', allowed is a number or null",
        }
    ]
    assert MetricsStore.of(client.settings).window() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"instances": []}',
        b'{"instances": {}}',
        b'{"instances": [1, null, "x"]}',
        b'{"instances": [{"km": NaN, "stops": 1, "to": "a"}]}',
        b'{"instances": [{"km": 1e999, "stops": 1, "to": "a"}]}',
        b'{"instances": [{"km": 1, "stops": 1, "to": "\\ud800"}]}',
        b'{"instances": [{"km": 1, "stops": 1, "to": "a", "\\ud800": 1}]}',
        b'{"instances": [{"km": 1, "stops": 1, "to": "a"}], "more": 1}',
        b'{"instances": [{"km": ' + b"9" * 4000 + b', "stops": 1, "to": "a"}]}',
        b'{"instances": ' + b"[" * 5000,
        b"\xff\xfe",
    ],
    ids=range(15),
)
def test_nonsense_is_answered_by_4xx_in_json(shared, body):
    response = shared.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= response.status_code < 500
    assert response.json()["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_bodies_of_another_content_type_are_refused(shared, kind):
    response = shared.post("/predict", content=b'{"instances": []}', headers={"Content-Type": kind})
    assert response.status_code == 415


def test_more_rows_than_the_setting_allows_are_refused(trained):
    with Client(start(trained, max_rows=2)) as client:
        assert predict(client.until_ready(), ROW, ROW, ROW).status_code == 413


def test_without_a_live_version_predict_says_so_and_ready_is_false(settings):
    with Client(start(settings)) as client:
        response = predict(client, ROW)
        assert (response.status_code, response.headers["retry-after"]) == (503, "2")
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200


def test_feedback_counts_what_became_of_each_actual(client):
    (known,) = predict(client, ROW).json()["prediction_ids"]
    actuals = [{"prediction_id": known, "actual": 20.5}, {"prediction_id": "nonsense", "actual": 1}]
    body = client.post("/feedback", json={"actuals": actuals}).json()
    assert (body["accepted"], body["unknown"]) == ([known], ["nonsense"])
    assert body["counts"] == {"accepted": 1, "duplicate": 0, "conflict": 0, "unknown": 1, "expired": 0, "invalid": 0}
    assert client.post("/feedback", json={"actuals": actuals[:1]}).json()["duplicate"] == [known]


@pytest.mark.parametrize("actual", ["late", None, True, [1], 1e300])
def test_an_actual_a_regression_cannot_have_is_a_422(shared, actual):
    (known,) = predict(shared, ROW).json()["prediction_ids"]
    response = shared.post("/feedback", json={"actuals": [{"prediction_id": known, "actual": actual}]})
    assert response.status_code == 422
    assert response.json()["errors"][0]["row"] == 0


def test_feedback_from_elsewhere_needs_a_predict_token(trained):
    with Client(start(trained), host="10.0.0.9") as client:
        assert (
            client.until_ready().post("/feedback", json={"actuals": [{"prediction_id": "x", "actual": 1}]}).status_code
            == 403
        )


def test_a_predict_token_covers_predict_and_feedback(trained):
    (trained.root / "apps.token").write_text("secret\n")
    right = {"Authorization": "Bearer secret"}
    with Client(start(trained, predict_token_file="apps.token"), host="10.0.0.9") as client:
        client.until_ready()
        assert predict(client, ROW).status_code == 401
        assert predict(client, ROW, headers={"Authorization": "Bearer wrong"}).status_code == 401
        (known,) = predict(client, ROW, headers=right).json()["prediction_ids"]
        actuals = {"actuals": [{"prediction_id": known, "actual": 1}]}
        assert client.post("/feedback", json=actuals, headers=right).json()["accepted"] == [known]


def test_a_store_that_cannot_write_fails_no_prediction_and_is_told(trained):
    trained.metrics_dir.rename(trained.root / "away")
    trained.metrics_dir.write_text("a file where the folder should be")
    with Client(start(trained, heartbeat_s=60)) as client:
        response = predict(client.until_ready(), ROW)
        assert (response.status_code, response.headers["x-recorded"]) == (200, "deferred")
        health = client.get("/health").json()
        assert health["status"] == "degraded"
        assert "records wait" in " ".join(health["reasons"])
        trained.metrics_dir.unlink()
        assert "x-recorded" not in predict(client, ROW).headers
        assert len(MetricsStore.of(trained).window()) == 2


def test_a_switch_is_followed_without_a_restart(client):
    ModelRetrainer(client.settings, client.app.state.versions, MetricsStore.of(client.settings)).retrain(
        "second", promote="always"
    )
    while client.get("/health").json()["model_version"] == "first":
        assert predict(client, ROW).json()["model_version"] in ("first", "second")
    assert predict(client, ROW).json()["model_version"] == "second"


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_serving(client):
    store = VersionStore(client.settings.versions_dir)
    store.pointer.switch("ghost", by="test", reason="")
    until(lambda: "ghost" in str(client.get("/health").json()["reasons"]))
    assert predict(client, ROW).json()["model_version"] == "first"
    assert client.get("/health").json()["status"] == "degraded"


@pytest.mark.parametrize(
    "row", [ROW | {"km": 1e40}, ROW | {"at": "2099-01-01"}, ROW | {"at": "0001-01-01"}], ids=["huge", "late", "early"]
)
def test_values_no_model_and_no_calendar_can_take_are_422(shared, row):
    assert predict(shared, row).status_code == 422


def test_a_class_nobody_has_seen_is_a_422_and_spoils_no_training(classifier):
    (known,) = predict(classifier, ROW).json()["prediction_ids"]
    response = classifier.post("/feedback", json={"actuals": [{"prediction_id": known, "actual": "banana"}]})
    assert response.status_code == 422
    assert response.json()["errors"][0]["allowed"] == "one of 0, 1"
    assert classifier.post("/feedback", json={"actuals": [{"prediction_id": known, "actual": 1}]}).status_code == 200
