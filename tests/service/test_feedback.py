"""Actuals in large batches: each judged by itself, and nobody waits for them."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.service.over_the_wire import listening
from tests.service.test_inference import ROW, predict

LINES = {"Accept": "application/x-ndjson"}


def send(client, *items, **headers):
    return client.post("/feedback", json={"actuals": list(items)}, headers=headers)


def item(prediction_id, actual=20.5):
    return {"prediction_id": prediction_id, "actual": actual}


def test_an_item_that_is_wrong_does_not_keep_the_others_out(client):
    first, second = predict(client, ROW, ROW).json()["prediction_ids"]
    told = send(client, item(first), item(second, "late"), item(second), {"actual": 1}, item("x" * 300)).json()
    assert (told["accepted"], told["counts"]["invalid"]) == ([first, second], 3)
    assert [wrong["row"] for wrong in told["invalid"]] == [1, 3, 4]
    assert told["invalid"][0]["message"] == "row 1, field 'actual': found 'late', allowed is a number"
    assert "prediction_id" in told["invalid"][1]["message"]


def test_ten_thousand_are_taken_and_sent_again_are_taken_once(client):
    ids = predict(client, *[ROW] * 10_000).json()["prediction_ids"]
    items = [item(name) for name in ids]
    assert send(client, *items).json()["counts"]["accepted"] == 10_000
    again = send(client, *items).json()
    assert (again["counts"]["accepted"], again["duplicate"]) == (0, ids)
    assert len(client.app.state.monitor.store.actuals()) == 10_000
    assert send(client, *items, item("one more")).status_code == 422


def test_verdicts_come_a_line_an_item_where_that_is_asked_for(client):
    known = predict(client, *[ROW] * 1_200).json()["prediction_ids"]
    items = [item(known[0], "late"), *map(item, known), item("nonsense")]
    with client.stream("POST", "/feedback", json={"actuals": items}, headers=LINES) as response:
        told = [json.loads(line) for line in response.iter_lines()]
    assert response.headers["content-type"] == "application/x-ndjson"
    assert [line["row"] for line in told] == list(range(len(items)))
    assert [line["fate"] for line in told] == ["invalid", *["accepted"] * 1_200, "unknown"]
    assert told[0]["message"].startswith("row 0, field 'actual'")
    assert set(told[1]) == {"row", "prediction_id", "fate"}


def test_predictions_do_not_wait_for_feedback(client):
    (known,) = predict(client, ROW).json()["prediction_ids"]
    with ThreadPoolExecutor(1) as pool:
        with client.app.state.monitor._labels.turn():
            waiting = pool.submit(send, client, item(known))
            assert predict(client, ROW).status_code == 200
            assert not waiting.done()
        assert waiting.result().json()["accepted"] == [known]


def test_predictions_are_answered_while_ten_thousand_actuals_are_judged(trained):
    """Thirty and more a batch; two or three if a batch was judged in one go."""
    with listening(trained) as wire, ThreadPoolExecutor(1) as pool:
        ids = json.loads(wire.ask("POST", "/predict", {"instances": [ROW] * 10_000})[2])["prediction_ids"]
        actuals = {"actuals": [item(name) for name in ids]}
        meanwhile = 0
        for fate in ("accepted", "duplicate", "duplicate"):
            judged = pool.submit(wire.ask, "POST", "/feedback", actuals)
            while not judged.done():
                assert wire.predict()[0] == 200
                meanwhile += 1
            assert json.loads(judged.result()[2])["counts"][fate] == 10_000
        assert meanwhile >= 30


@pytest.mark.parametrize(
    "body",
    ["", "[]", '{"actuals": []}', '{"actuals": 1}', '{"actuals": [{}], "more": 1}', '{"actuals": [NaN]}', "[" * 9],
)
def test_a_body_of_another_form_is_a_422(shared, body):
    answer = shared.post("/feedback", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_text_that_is_no_text_is_told_and_kept_out(shared):
    body = b'{"actuals": [{"prediction_id": "\\ud800", "actual": 1}]}'
    answer = shared.post("/feedback", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
