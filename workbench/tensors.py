"""Rows as tensors of the Open Inference Protocol: a request's JSON, and the bytes that may stand behind it.

Pure translation: a tensor a feature, or one of all features where all are numbers. What a value may be is the schema's
affair (`rows.problems`). Missing is NaN in a tensor of floats, null in JSON, and in a tensor of texts the text that the
parameter `missing_text` names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np

from workbench.errors import DataError
from workbench.records import Feature, Kind, Schema, Value

DTYPES = {
    "BOOL": "?",
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
BYTES = "BYTES"
# How a feature is announced; others that say the same are taken, too.
DATATYPES: dict[Kind, str] = {"numeric": "FP64", "boolean": "BOOL", "categorical": BYTES}
MISSING_TEXT = "missing_text"
SIZE = "binary_data_size"
TEXT_CHARS = 200


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """An input: its values in `data`, or as so many bytes behind the JSON as its parameters say."""

    name: str
    datatype: str
    shape: tuple[Annotated[int, msgspec.Meta(ge=0)], ...]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """An output that a client wants."""

    name: str
    parameters: dict[str, Any] = {}


class TensorRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks. Members that the protocol does not know are for other servers."""

    inputs: Annotated[tuple[Tensor, ...], msgspec.Meta(min_length=1)]
    id: Annotated[str, msgspec.Meta(max_length=TEXT_CHARS)] | None = None
    parameters: dict[str, Any] = {}
    outputs: tuple[Output, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the first input; that all have as many is checked where they are read."""
        return self.inputs[0].shape[0] if self.inputs[0].shape else 0


DECODE = msgspec.json.Decoder(TensorRequest).decode


def read_request(body: bytes, header_length: int | None) -> tuple[TensorRequest, bytes]:
    """A request's body as what is asked, and the bytes behind that.

    Parameters
    ----------
    body : bytes
    header_length : int, optional
        How much of it is JSON (`Inference-Header-Content-Length`); default: all.

    Raises
    ------
    DataError

    Examples
    --------
    >>> body = b'{"inputs": [{"name": "km", "datatype": "FP64", "shape": [1], "data": [2.5]}]}'
    >>> read_request(body, None)[0].inputs[0].data
    [2.5]
    """
    if header_length is not None and not 0 <= header_length <= len(body):
        raise DataError(f"Inference-Header-Content-Length is {header_length}, the body has {len(body)} bytes")
    head, rest = (body, b"") if header_length is None else (body[:header_length], body[header_length:])
    try:
        return DECODE(head), rest
    except msgspec.ValidationError as error:
        raise DataError(f"no inference request: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _with_nan(head), rest


def _with_nan(head: bytes) -> TensorRequest:
    """As Python and the usual clients write it, NaN is no JSON, but means what null means."""
    try:
        told = json.loads(head.decode(), parse_constant=_constant)
        if b"\\u" in head:
            # Python reads halves of surrogate pairs, too, which can be written down by nobody.
            json.dumps(told, ensure_ascii=False).encode()
        return msgspec.convert(told, TensorRequest)
    except (ValueError, RecursionError) as error:
        # ValueError: of json, msgspec and Unicode, and numbers of thousands of digits.
        raise DataError(f"no JSON that can be read: {str(error)[:TEXT_CHARS]}") from error


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is no value")


def rows_of(request: TensorRequest, rest: bytes, schema: Schema) -> list[dict[str, Value]]:
    """The rows that some tensors hold, with the time column where they have one; not yet held against the schema.

    Parameters
    ----------
    request : TensorRequest
    rest : bytes
        Behind the JSON: the data of the inputs that have a `binary_data_size`, in their order.
    schema : Schema
        Names the inputs.

    Raises
    ------
    DataError
        If an input is unknown, missing or there twice, or if its data do not fit its shape and datatype.

    Examples
    --------
    >>> schema = Schema(task="regression", target="y", time=None, features=(Feature(name="x", kind="numeric"),))
    >>> x = Tensor(name="x", datatype="FP32", shape=(2, 1), parameters={"binary_data_size": 8})
    >>> rows_of(TensorRequest(inputs=(x,)), np.float32([0.5, np.nan]).tobytes(), schema)
    [{'x': 0.5}, {'x': None}]
    """
    read = dict(_read(request, rest, schema))
    absent = [f for f in schema.features if f.name not in read]
    if absent:
        raise DataError(f"input {absent[0].name!r} is missing; the inputs are {_announced(schema)}")
    sizes = {len(values) for values in read.values()}
    if len(sizes) > 1 or sizes == {0}:
        raise DataError(
            f"inputs have {' and '.join(map(str, sorted(sizes)))} rows; all have to have the same, from 1 on"
        )
    columns = [_as_booleans(read[f.name]) if f.asked == "boolean" else read[f.name] for f in schema.features]
    rows = [dict(zip(schema.names, values, strict=True)) for values in zip(*columns, strict=True)]
    if schema.time is not None and schema.time in read:
        for row, when in zip(rows, read[schema.time], strict=True):
            if when is not None:
                row[schema.time] = when
    return rows


def _announced(schema: Schema) -> str:
    inputs = [f"{f.name} {DATATYPES[f.asked]}" for f in schema.features]
    return ", ".join(inputs + ([f"{schema.time} {BYTES} (optional)"] if schema.time else []))


def _read(request: TensorRequest, rest: bytes, schema: Schema) -> Iterator[tuple[str, list[Any]]]:
    """The columns that the inputs hold, by name."""
    known = {*schema.names, *schema.dropped, *([schema.time] if schema.time else [])}
    features = [t for t in request.inputs if t.name != schema.time]
    whole = features[0] if len(features) == 1 and features[0].name not in known else None
    hashed = {f.name for f in schema.features if f.hashed}
    seen, at = set(), 0
    for tensor in request.inputs:
        if tensor.name in seen:
            raise DataError(f"input {tensor.name[:TEXT_CHARS]!r} is there twice")
        seen.add(tensor.name)
        raw = None
        if SIZE in tensor.parameters:
            end = at + _size_of(tensor)
            raw, at = rest[at:end], end
        if tensor is whole and len(tensor.shape) == 2:
            yield from _whole(tensor, raw, schema.features)
            continue
        if tensor.name not in known:
            raise DataError(f"input {tensor.name[:TEXT_CHARS]!r} is not known; the inputs are {_announced(schema)}")
        if tensor.name in schema.dropped:
            # Taken, and not looked at.
            continue
        if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ((), (1,)):
            raise DataError(f"input {tensor.name!r} has the shape {list(tensor.shape)}; it has to be [n] or [n, 1]")
        yield tensor.name, _values(tensor, raw, request.parameters, told=tensor.name not in hashed)
    if at != len(rest):
        raise DataError(f"{len(rest)} bytes follow the JSON; the inputs' {SIZE} add up to {at}")


def _size_of(tensor: Tensor) -> int:
    size = tensor.parameters[SIZE]
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise DataError(f"input {tensor.name[:TEXT_CHARS]!r}: {SIZE} has to be a number of bytes")
    return size


def _whole(tensor: Tensor, raw: bytes | None, features: tuple[Feature, ...]) -> Iterator[tuple[str, list[Any]]]:
    """All features from one tensor, in the schema's order."""
    texts = [f.name for f in features if f.asked == "categorical"]
    if texts or tensor.shape[1] != len(features):
        why = f"{texts[0]!r} is a text" if texts else f"there are {len(features)} features"
        raise DataError(f"{tensor.name[:TEXT_CHARS]!r} of shape {list(tensor.shape)} cannot hold all features: {why}")
    values = _values(tensor, raw, {})
    for i, feature in enumerate(features):
        yield feature.name, values[i :: len(features)]


def _values(tensor: Tensor, raw: bytes | None, parameters: dict[str, Any], *, told: bool = True) -> list[Any]:
    """The elements of a tensor, row by row; None where one is missing. `told`: an error may have the wrong value."""
    if tensor.datatype != BYTES and tensor.datatype not in DTYPES:
        raise _wrong(tensor, f"the datatype {tensor.datatype[:TEXT_CHARS]!r} is none of {BYTES}, {', '.join(DTYPES)}")
    count = math.prod(tensor.shape)
    values = _given(tensor, told) if raw is None else _unpacked(tensor, raw, count)
    if len(values) != count:
        raise _wrong(tensor, f"{len(values)} elements; the shape {list(tensor.shape)} asks for {count}")
    missing = tensor.parameters.get(MISSING_TEXT, parameters.get(MISSING_TEXT))
    if tensor.datatype == BYTES and missing is not None:
        return [None if value == missing else value for value in values]
    return values


def _given(tensor: Tensor, told: bool) -> list[Any]:
    """From JSON: flat, or nested as its shape is."""
    if tensor.data is None:
        raise _wrong(tensor, f"there is neither `data` nor {SIZE}; shared memory is not supported")
    nested = any(isinstance(part, list) for part in tensor.data)
    values = (
        list(chain.from_iterable(p if isinstance(p, list) else [p] for p in tensor.data)) if nested else tensor.data
    )
    kinds = {BYTES: (str,), "BOOL": (bool,)}.get(tensor.datatype, (int, float) if tensor.datatype[0] == "F" else (int,))
    for i, value in enumerate(values):
        # A bool is an int to Python alone.
        if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            found = repr(str(value)[:TEXT_CHARS]) if told else f"a value of type {type(value).__name__}"
            raise _wrong(tensor, f"element {i} is {found}, no {tensor.datatype}")
    return values


def _unpacked(tensor: Tensor, raw: bytes, count: int) -> list[Any]:
    if len(raw) != tensor.parameters[SIZE]:
        raise _wrong(tensor, f"{SIZE} is {tensor.parameters[SIZE]}, {len(raw)} bytes are left")
    if tensor.datatype == BYTES:
        return list(_texts(tensor, raw))
    dtype = np.dtype(DTYPES[tensor.datatype])
    if len(raw) != count * dtype.itemsize:
        raise _wrong(tensor, f"{len(raw)} bytes; {count} elements of {tensor.datatype} have {count * dtype.itemsize}")
    values = np.frombuffer(raw, dtype).tolist()
    return [None if value != value else value for value in values] if dtype.kind == "f" else values


def _texts(tensor: Tensor, raw: bytes) -> Iterator[str]:
    """Each has its length before it, in four bytes."""
    at, i = 0, 0
    while at < len(raw):
        begin = at + 4
        at = begin + int.from_bytes(raw[at:begin], "little")
        if at > len(raw) or begin > len(raw):
            raise _wrong(tensor, f"element {i} ends behind the tensor's data")
        try:
            yield raw[begin:at].decode()
        except UnicodeDecodeError as error:
            raise _wrong(tensor, f"element {i} is no UTF-8") from error
        i += 1


def _wrong(tensor: Tensor, why: str) -> DataError:
    return DataError(f"input {tensor.name[:TEXT_CHARS]!r}: {why}")


def _as_booleans(values: list[Any]) -> list[Any]:
    """0 and 1 as false and true: tensors of floats can say that a value is missing."""
    return [bool(v) if isinstance(v, int | float) and v in (0, 1) else v for v in values]


def packed(values: Any, datatype: str) -> bytes:
    """Elements as bytes; the inverse of how they are read.

    >>> packed(["ab", ""], "BYTES")
    b'\\x02\\x00\\x00\\x00ab\\x00\\x00\\x00\\x00'
    """
    if datatype != BYTES:
        return np.array(values, DTYPES[datatype]).tobytes()
    texts = [text.encode() for text in values]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
