"""The quick reader of bodies takes nothing that the slow one, which explains, would refuse, and reads the same."""

import json

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from service.refusals import explain
from workbench.instances import InstanceReader
from workbench.records import Feature, Schema
from workbench.sections import ServiceSettings

LATEST = "2026-02-01T00:00:00.000000Z"
SCHEMA = Schema(
    task="regression",
    target="y",
    time="at",
    features=(
        Feature(name="km", kind="numeric"),
        Feature(name="a:b", kind="boolean"),
        Feature(name='not an "identifier"', kind="categorical"),
    ),
)
READ = InstanceReader(SCHEMA).read

numbers = st.sampled_from(["1", "-0", "0.5", "1e30", "1.1e30", "9223372036854775808", f"1{'0' * 31}", "1e999", "NaN"])
texts = st.one_of(
    st.text(alphabet='a:"\\é\ud800', max_size=4).map(json.dumps),
    st.text(alphabet=":b ", max_size=4).map(json.dumps),
    st.sampled_from(['"\\u003a"', '"2026-01-31 10:42"', '"2026-01-31T10:42:00Z"', '"2027-01-01"', '"soon"']),
)
values = st.one_of(numbers, texts, st.sampled_from(["null", "true", "[]", '{"km": 1}']))
right = {
    '"km"': st.sampled_from(["1", "2.5", "null"]),
    '"a:b"': st.sampled_from(["true", "null"]),
    '"not an \\"identifier\\""': texts,
}
names = st.sampled_from([*right, '"at"', '"k\\u006d"', '"more"'])
blanks = st.sampled_from(["", "", " ", "\n"])


@st.composite
def rows(draw) -> str:
    """An object as text: often a right one, with further keys, or the same again, in any place."""
    pairs = [(name, draw(value)) for name, value in right.items()]
    pairs += draw(st.lists(st.tuples(names, values), max_size=2))
    return (
        "{"
        + ",".join(f"{name}{draw(blanks)}:{draw(blanks)}{value}" for name, value in draw(st.permutations(pairs)))
        + "}"
    )


bodies = st.lists(rows(), min_size=1, max_size=3).map(lambda rows: f'{{"instances": [{",".join(rows)}]}}')


def slowly(body: bytes):
    try:
        return explain(body, SCHEMA, LATEST, limits=ServiceSettings(max_rows=10), state={})
    except (RequestValidationError, HTTPException):
        return None


@settings(max_examples=500, deadline=None)
@given(bodies)
def test_what_is_read_quickly_is_what_would_be_read_slowly(text):
    body = text.encode()
    quick, slow = READ(body, lambda: LATEST), slowly(body)
    if quick is not None:
        assert slow is not None
        assert list(quick.rows) == list(slow.rows)
        assert list(quick.times or [""] * len(quick.rows)) == list(slow.times)


def test_usual_bodies_are_read_quickly():
    row = {"km": 1.5, "a:b": True, 'not an "identifier"': "x", "at": "2026-01-31T10:42:00"}
    plain = Schema(task="regression", target="y", time="at", features=SCHEMA.features[:2])
    asked = [{name: row[name] for name in (*plain.names, "at")}, {name: row[name] for name in plain.names}]
    read = InstanceReader(plain).read
    for separators in ((",", ":"), (", ", ": ")):
        found = read(json.dumps({"instances": asked}, separators=separators).encode(), lambda: LATEST)
        assert found.rows == [{"km": 1.5, "a:b": True}] * 2
        assert found.times == ["2026-01-31T10:42:00.000000Z", ""]
