import numpy as np
import pandas as pd
import pytest

from workbench.errors import DataError
from workbench.features import align, infer_schema, to_frame, to_rows
from workbench.rows import event_time, problems

FRAME = pd.DataFrame(
    {
        "km": [1.0, None],
        "to": ["north", None],
        "rush": [True, False],
        "at": ["2026-01-01", "2026-01-02"],
        "y": [1.0, 2.0],
    }
)
SCHEMA = infer_schema(FRAME, task="regression", target="y", time="at")
RIGHT = {"km": 2, "to": "north", "rush": True}


def test_kinds_come_from_the_columns_and_time_and_target_are_no_features():
    assert [(f.name, f.kind) for f in SCHEMA.features] == [
        ("km", "numeric"),
        ("to", "categorical"),
        ("rush", "boolean"),
    ]


@pytest.mark.parametrize(
    ("row", "field", "allowed"),
    [
        (RIGHT | {"km": "far"}, "km", "a number or null"),
        (RIGHT | {"km": True}, "km", "a number or null"),
        (RIGHT | {"km": float("nan")}, "km", "a number or null"),
        (RIGHT | {"to": 3}, "to", "a text or null"),
        (RIGHT | {"to": "\ud800"}, "to", "a text or null"),
        (RIGHT | {"rush": 1}, "rush", "true, false or null"),
        (RIGHT | {"at": "yesterday"}, "at", "an ISO 8601 time, or leave it out for now"),
        (RIGHT | {"kms": 3}, "kms", "the fields km, to, rush"),
        ({"km": 1, "to": "x"}, "rush", "true, false or null (null where it is not known)"),
        ([1, 2], None, "an object of feature: value"),
    ],
)
def test_a_wrong_row_names_field_and_what_is_allowed(row, field, allowed):
    (problem,) = problems(row, SCHEMA)
    assert (problem["field"], problem["allowed"]) == (field, allowed)


@pytest.mark.parametrize(
    "row", [RIGHT, RIGHT | {"km": None, "to": None}, RIGHT | {"to": "unseen"}, RIGHT | {"at": "2026-01-01"}]
)
def test_missing_values_and_unseen_categories_are_fine(row):
    assert problems(row, SCHEMA) == []


def test_rows_and_frames_are_inverses():
    rows = [{"km": 1.5, "to": "north", "rush": 1.0}, {"km": None, "to": None, "rush": None}]
    assert to_rows(to_frame(rows, SCHEMA)) == rows


def test_a_training_frame_and_the_same_rows_over_json_look_alike_to_a_model():
    pd.testing.assert_frame_equal(align(FRAME, SCHEMA), to_frame(to_rows(FRAME), SCHEMA))


def test_event_time_is_the_rows_own_or_now():
    now = "2026-05-05T00:00:00.000000Z"
    assert event_time({"at": "2026-01-01T01:00:00+01:00"}, SCHEMA, now) == "2026-01-01T00:00:00.000000Z"
    assert event_time({}, SCHEMA, now) == now


def test_a_missing_column_is_named_with_those_there():
    with pytest.raises(DataError, match=r"no column 'kilometres'; they have km, to"):
        infer_schema(FRAME, task="regression", target="y", features=["kilometres"])


def test_the_target_cannot_be_a_feature():
    with pytest.raises(DataError, match="'y' is the target"):
        infer_schema(FRAME, task="regression", target="y", features=["km", "y"])


def test_text_in_a_numeric_column_is_an_error():
    with pytest.raises(DataError, match="'km' must hold numbers"):
        align(FRAME.assign(km=["a", "b"]), SCHEMA)


def test_an_all_missing_column_is_numeric_and_empty():
    schema = infer_schema(FRAME.assign(km=np.nan), task="regression", target="y", features=["km"])
    assert schema.features[0].kind == "numeric"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00", "2099-01-01", "9999-12-31T23:59:59Z"])
def test_an_event_time_nobody_can_believe_is_wrong(at):
    (problem,) = problems(RIGHT | {"at": at}, SCHEMA, "2026-01-02T00:00:00.000000Z")
    assert problem["allowed"].startswith("an ISO 8601 time from 1900 to 2026-01-02")


def test_booleans_with_gaps_are_booleans():
    schema = infer_schema(FRAME.assign(rush=[True, None]), task="regression", target="y", features=["rush"])
    assert schema.features[0].kind == "boolean"
