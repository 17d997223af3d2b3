"""Predictions and the true values that came for them."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.records import Actual, Label, Prediction
from workbench.scores import label_text


def join(predictions: Iterable[Prediction], actuals: Iterable[Actual]) -> list[tuple[Prediction, Actual]]:
    """Predictions with their actuals, in the order of the predictions; an id's first actual counts."""
    first = first_of_each(actuals)
    return [(p, first[p.id]) for p in predictions if p.id in first]


def first_of_each(actuals: Iterable[Actual]) -> dict[str, Actual]:
    """The actual that counts, by prediction id."""
    first: dict[str, Actual] = {}
    for actual in actuals:
        first.setdefault(actual.prediction_id, actual)
    return first


def conflicting(actuals: Iterable[Actual]) -> set[str]:
    """Predictions that have a second actual that is different, which was taken before the first was seen.

    >>> conflicting([Actual(prediction_id="a", actual=1), Actual(prediction_id="a", actual=1.0)])
    set()
    >>> conflicting([Actual(prediction_id="a", actual=value) for value in (1, 2, 3)])
    {'a'}
    """
    first: dict[str, Label] = {}
    found = set()
    for record in actuals:
        known = first.setdefault(record.prediction_id, record.actual)
        if known != record.actual and label_text(known) != label_text(record.actual):
            found.add(record.prediction_id)
    return found
