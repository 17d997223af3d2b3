"""Rows from tensors: what Triton's client packs is read as it was, and what does not fit is told."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from workbench.errors import DataError
from workbench.records import Feature, Schema
from workbench.tensors import DTYPES, Output, Tensor, TensorRequest, packed, read_request, rows_of

NUMBERS = (Feature(name="x", kind="numeric"), Feature(name="on", kind="boolean"))


def schema(*features, time=None):
    return Schema(task="regression", target="y", time=time, features=features)


X = schema(Feature(name="x", kind="numeric"))
TEXT = schema(Feature(name="to", kind="categorical"))


def one(name, datatype, data=None, *, shape=None, raw=None, **parameters):
    if raw is not None:
        parameters["binary_data_size"] = len(raw)
    n = len(data) if data is not None else 1
    return Tensor(
        name=name, datatype=datatype, shape=(n,) if shape is None else shape, parameters=parameters, data=data
    )


def rows(of, *tensors, rest=b"", **more):
    return rows_of(TensorRequest(inputs=tensors, **more), rest, of)


@pytest.mark.parametrize("datatype", [d for d in DTYPES if d != "BOOL"])
def test_numbers_of_every_size_are_read_as_numpy_wrote_them(datatype):
    values = np.array([0, 1, 100], DTYPES[datatype])
    raw = values.tobytes()
    found = rows(X, one("x", datatype, shape=(3,), raw=raw), rest=raw)
    assert [row["x"] for row in found] == values.tolist()
    assert packed(values.tolist(), datatype) == raw


@pytest.mark.parametrize("texts", [["north", ""], ["žluťoučký", "a\x00b"]])
def test_texts_are_read_and_packed_as_tritons_client_does(texts):
    raw = serialize_byte_tensor(np.array(texts, object)).item()
    assert packed(texts, "BYTES") == raw
    assert [t.decode() for t in deserialize_bytes_tensor(packed(texts, "BYTES"))] == texts
    found = rows(TEXT, one("to", "BYTES", shape=(2,), raw=raw), rest=raw)
    assert [row["to"] for row in found] == texts


def test_booleans_may_come_as_numbers_so_that_one_can_be_missing():
    on = schema(NUMBERS[1])
    assert rows(on, one("on", "BOOL", [True, False])) == [{"on": True}, {"on": False}]
    assert [r["on"] for r in rows(on, one("on", "INT8", [1, 0]))] == [True, False]
    raw = np.float32([1, 0, np.nan, 2]).tobytes()
    found = [row["on"] for row in rows(on, one("on", "FP32", shape=(4,), raw=raw), rest=raw)]
    # What is neither is left as it is, for the schema to refuse.
    assert found == [True, False, None, 2.0]


def test_one_tensor_may_hold_all_features_in_the_order_of_the_schema():
    whole = one("rows", "FP64", [[1.5, 1], [2.5, None]], shape=(2, 2))
    assert rows(schema(*NUMBERS), whole) == [{"x": 1.5, "on": True}, {"x": 2.5, "on": None}]
    timed = schema(*NUMBERS, time="at")
    found = rows(timed, whole, one("at", "BYTES", ["2026-01-01", None]))
    assert found == [{"x": 1.5, "on": True, "at": "2026-01-01"}, {"x": 2.5, "on": None}]
    with pytest.raises(DataError, match="cannot hold all features: there are 2 features"):
        rows(schema(*NUMBERS), one("rows", "FP64", [1, 2, 3], shape=(1, 3)))
    with pytest.raises(DataError, match="cannot hold all features: 'to' is a text"):
        rows(schema(*NUMBERS, *TEXT.features), one("rows", "FP64", [1, 2, 3], shape=(1, 3)))


def test_missing_texts_are_null_or_the_text_that_the_request_or_the_input_names():
    assert [r["to"] for r in rows(TEXT, one("to", "BYTES", ["a", None, "-"]))] == ["a", None, "-"]
    assert [r["to"] for r in rows(TEXT, one("to", "BYTES", ["a", "-"]), parameters={"missing_text": "-"})] == [
        "a",
        None,
    ]
    own = one("to", "BYTES", ["?", "-"], missing_text="?")
    assert [r["to"] for r in rows(TEXT, own, parameters={"missing_text": "-"})] == [None, "-"]


def test_data_may_be_flat_or_nested_as_the_shape_is():
    for data in ([1.0, 2.0], [[1.0], [2.0]]):
        assert rows(X, one("x", "FP64", data, shape=(2, 1))) == [{"x": 1.0}, {"x": 2.0}]


def test_bytes_belong_to_the_inputs_in_their_order():
    both = schema(*NUMBERS)
    x, on = np.float64([7]).tobytes(), np.array([True]).tobytes()
    found = rows(both, one("on", "BOOL", shape=(1,), raw=on), one("x", "FP64", shape=(1,), raw=x), rest=on + x)
    assert found == [{"x": 7.0, "on": True}]


@pytest.mark.parametrize(
    ("tensor", "rest", "message"),
    [
        (one("x", "FP64", shape=(1,), raw=b"12345678"), b"1234567", "binary_data_size is 8, 7 bytes are left"),
        (one("x", "FP64", shape=(1,), raw=b"1234"), b"1234", "4 bytes; 1 elements of FP64 have 8"),
        (one("x", "FP64", [1.0]), b"12", "2 bytes follow the JSON; the inputs' binary_data_size add up to 0"),
        (one("x", "FP64", [1.0, 2.0], shape=(3,)), b"", "2 elements; the shape [3] asks for 3"),
        (one("x", "FP64", [1.0], shape=(1, 1, 1)), b"", "it has to be [n] or [n, 1]"),
        (one("x", "FP64", [1.0], shape=()), b"", "it has to be [n] or [n, 1]"),
        (one("x", "BF16", [1.0]), b"", "the datatype 'BF16' is none of BYTES"),
        (one("x", "FP64", ["1"]), b"", "element 0 is '1', no FP64"),
        (one("x", "INT64", [1.5]), b"", "element 0 is '1.5', no INT64"),
        (one("x", "FP64", [True]), b"", "element 0 is 'True', no FP64"),
        (one("x", "BOOL", [1]), b"", "element 0 is '1', no BOOL"),
        (one("x", "FP64", [[[1.0]]]), b"", "no FP64"),
        (one("x", "FP64"), b"", "there is neither `data` nor binary_data_size"),
        (one("x", "FP64", [1.0], binary_data_size="8"), b"", "has to be a number of bytes"),
        (one("x", "FP64", [1.0], binary_data_size=-8), b"", "has to be a number of bytes"),
        (
            one("x", "BYTES", shape=(1,), raw=b"\x09\0\0\0ab"),
            b"\x09\0\0\0ab",
            "element 0 ends behind the tensor's data",
        ),
        (one("x", "BYTES", shape=(1,), raw=b"\x01\0"), b"\x01\0", "element 0 ends behind the tensor's data"),
        (one("x", "BYTES", shape=(1,), raw=b"\x01\0\0\0\xff"), b"\x01\0\0\0\xff", "element 0 is no UTF-8"),
    ],
    ids=range(18),
)
def test_data_that_do_not_fit_their_shape_and_datatype_are_told(tensor, rest, message):
    with pytest.raises(DataError) as caught:
        rows(X, tensor, rest=rest)
    assert message in str(caught.value)


def test_a_shape_of_astronomical_size_costs_nothing():
    with pytest.raises(DataError, match="asks for 1000000000000"):
        rows(X, one("x", "FP64", [1.0], shape=(10**12,)))


def test_nan_as_python_writes_it_is_a_missing_value_and_infinity_is_none():
    asked = b'{"id": "a", "inputs": [{"name": "x", "datatype": "FP64", "shape": [2], "data": [NaN, 1]}], "more": 1}'
    request, rest = read_request(asked + b"rest", len(asked))
    assert (request.id, request.rows, rest) == ("a", 2, b"rest")
    assert rows_of(request, b"", X) == [{"x": None}, {"x": 1}]
    with pytest.raises(DataError, match="Infinity is no value"):
        read_request(asked.replace(b"NaN", b"-Infinity"), None)


@pytest.mark.parametrize("member", ['"id": "\\ud800"', '"parameters": {"\\udc00": 1}', '"more": ["\\ud83d"]'])
def test_half_a_surrogate_pair_is_no_text_even_beside_a_nan(member):
    asked = f'{{{member}, "inputs": [{{"name": "x", "datatype": "FP64", "shape": [1], "data": [NaN]}}]}}'
    with pytest.raises(DataError, match="no JSON that can be read"):
        read_request(asked.encode(), None)


def test_a_request_is_read_back_as_it_was_written():
    request = TensorRequest(inputs=(one("x", "FP64", [1.0]),), id="a", outputs=(Output(name="predict"),))
    assert read_request(msgspec.json.encode(request), None) == (request, b"")


ROW = st.fixed_dictionaries(
    {
        "x": st.none() | st.floats(allow_nan=False, width=64),
        "on": st.none() | st.booleans(),
        "to": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    }
)


@given(st.lists(ROW, min_size=1, max_size=20), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_rows_come_out_as_they_went_in_in_json_and_in_bytes(given_rows, column, binary):
    n, missing = len(given_rows), "\x00missing"
    columns = {name: [row[name] for row in given_rows] for name in ("x", "on", "to")}
    floats = {name: [np.nan if v is None else float(v) for v in columns[name]] for name in ("x", "on")}
    texts = [missing if v is None else v for v in columns["to"]]
    raw = {name: packed(values, "FP64") for name, values in floats.items()} | {"to": packed(texts, "BYTES")}
    shape = (n, 1) if column else (n,)
    datatypes = {"x": "FP64", "on": "FP64", "to": "BYTES"} if binary else {"x": "FP64", "on": "BOOL", "to": "BYTES"}
    tensors = [
        one(name, datatype, shape=shape, raw=raw[name]) if binary else one(name, datatype, columns[name], shape=shape)
        for name, datatype in datatypes.items()
    ]
    rest = b"".join(raw.values()) if binary else b""
    of = schema(*NUMBERS, *TEXT.features)
    assert rows(of, *tensors, rest=rest, parameters={"missing_text": missing}) == given_rows
