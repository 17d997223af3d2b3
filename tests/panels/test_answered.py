"""Recorded answers beside their actuals, read from a real store."""

import pytest

from workbench.metrics_store import MetricsStore
from workbench.panels.answered import Answered
from workbench.records import Actual, Answer, Prediction


def prediction(output=1.0, version="a", **more):
    return Prediction(
        event_time="2026-01-01T00:00:00.000000Z",
        version=version,
        inputs={"km": 1.0},
        output=output,
        response_s=0.01,
        **more,
    )


def answered():
    """Four answers of a classifier, one mistaken."""
    told = [(0, 0, 0.2), (1, 1, 0.7), (0, 1, 0.6), (1, 1, 0.9)]
    answers = [
        Answer(id=str(i), version="a", output=said, probabilities={"0": 1 - p, "1": p})
        for i, (_, said, p) in enumerate(told)
    ]
    actuals = [Actual(prediction_id=str(i), actual=true) for i, (true, _, _) in enumerate(told)]
    return Answered("classification", answers, actuals)


@pytest.fixture
def store(tmp_path):
    return MetricsStore(tmp_path, window=10)


def test_rows_are_those_with_an_actual_in_the_order_of_the_answers(store):
    made = store.append(prediction(1.0), prediction(2.0, "b"), prediction(3.0))
    store.append(Actual(prediction_id=made[2].id, actual=3.5), Actual(prediction_id=made[0].id, actual=1.5))
    found = Answered("regression").now(store)
    rows = found.sample()
    assert (rows.y_pred.tolist(), rows.y_true.tolist()) == ([1.0, 3.0], [1.5, 3.5])
    assert found.versions == ["a", "b"]
    assert (found.count(), found.count("b"), len(found.sample("b"))) == (3, 1, 0)


def test_the_first_actual_of_an_answer_counts(store):
    (made,) = store.append(prediction())
    store.append(Actual(prediction_id=made.id, actual=2.0), Actual(prediction_id=made.id, actual=9.0))
    assert Answered("regression").now(store).sample().y_true.tolist() == [2.0]


def test_while_nothing_is_new_it_is_the_very_same_and_joined_once(store):
    (made,) = store.append(prediction())
    before = Answered("regression").now(store)
    assert before.sample() is before.sample()
    assert before.now(store) is before
    store.append(Actual(prediction_id=made.id, actual=2.0))
    after = before.now(store)
    assert after is not before
    assert (len(before.sample()), len(after.sample())) == (0, 1)
    assert after.now(store) is after


def test_an_empty_store_is_no_news(store):
    before = Answered("regression").now(store)
    assert before.now(store) is before
    assert (before.versions, before.count(), len(before.sample())) == ([], 0, 0)


def test_five_windows_are_kept(store):
    store.append(*[prediction(float(i)) for i in range(150)])
    assert [a.output for a in Answered("regression").now(store).answers] == [float(i) for i in range(100, 150)]


def test_probabilities_are_there_where_every_answer_has_them():
    rows = answered().sample()
    assert rows.classes == ("0", "1")
    assert rows.chances[:, 1].tolist() == [0.2, 0.7, 0.6, 0.9]
    some = answered()
    bare = Answer(id="0", version="a", output=0)
    assert Answered("classification", [bare, *some.answers[1:]], some.actuals).sample().chances is None
