"""Why a body of /predict is wrong, in the words of the schema; slow, and asked only where there is doubt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException as AnyHTTPException

from service.schemas import PredictRequest
from workbench.instances import Instances
from workbench.records import Schema
from workbench.rows import event_time, problems, safe_text
from workbench.sections import ServiceSettings

PROBLEMS_SHOWN = 20
TOO_DEEP = "it is nested too deeply ([service] max_depth)"


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys it had more than once."""

    twice: tuple[str, ...] = ()


def explain(body: bytes, schema: Schema, latest: str, *, limits: ServiceSettings, state: dict[str, Any]) -> Instances:
    """Say what is wrong with a body; its rows, if that is nothing.

    Parameters
    ----------
    body : bytes
    schema : Schema
    latest : UTC text
        The newest event time that is believed.
    limits : ServiceSettings
        Of rows, of the characters of a text, and of what lies in each other.
    state : dict
        Of the request; learns how many rows there are.

    Raises
    ------
    RequestValidationError
        Naming rows, fields, what was found and what is allowed.
    HTTPException
        413 for more than `max_rows`.
    """
    instances = _instances(body, limits.max_depth)
    state["rows"] = len(instances)
    if len(instances) > limits.max_rows:
        raise too_many(len(instances), limits.max_rows)
    wrong = misfits(instances, schema, latest, limits.max_text)
    if wrong:
        raise RequestValidationError([{**found, "message": _sentence(found)} for found in wrong])
    return settled(instances, schema)


def settled(instances: Sequence[Any], schema: Schema) -> Instances:
    """Instances with which nothing was found wrong, as whoever reads quickly tells them."""
    rows = [{name: instance[name] for name in schema.names} for instance in instances]
    return Instances(rows, [event_time(instance, schema, "") for instance in instances])


def misfits(instances: Sequence[Any], schema: Schema, latest: str, max_text: int) -> list[dict[str, Any]]:
    """What is wrong with the first rows that do not fit: row, field, what was found, what is allowed."""
    texts = [feature.name for feature in schema.features if feature.asked == "categorical"]
    wrong: list[dict[str, Any]] = []
    for row, instance in enumerate(instances):
        twice = [
            {"field": safe_text(name), "found": "the field twice", "allowed": "each field once"}
            for name in getattr(instance, "twice", ())
        ]
        long = [
            {"field": name, "found": f"{len(found)} characters", "allowed": f"a text of at most {max_text} characters"}
            for name in texts
            if isinstance(instance, dict) and isinstance(found := instance.get(name), str) and len(found) > max_text
        ]
        wrong += [{"row": row, **problem} for problem in [*problems(instance, schema, latest), *twice, *long]]
        if len(wrong) >= PROBLEMS_SHOWN:
            break
    return wrong


def _sentence(wrong: dict[str, Any]) -> str:
    where = f"row {wrong['row']}" + (f", field {wrong['field']!r}" if wrong["field"] else "")
    return f"{where}: found {wrong['found']!r}, allowed is {wrong['allowed']}"


class BoundedRoute(APIRoute):
    """A body that is nested deeper than Python reads is a wrong body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            try:
                return await handle(request)
            except AnyHTTPException as error:
                if isinstance(error.__cause__, RecursionError):
                    raise unreadable(TOO_DEEP) from error
                raise

        return bounded


def too_many(rows: int, max_rows: int) -> HTTPException:
    return HTTPException(413, f"{rows} instances; at most {max_rows} a request ([service] max_rows)")


def _instances(body: bytes, max_depth: int) -> list[Any]:
    if not body:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}])
    try:
        told = json.loads(body.decode(), object_pairs_hook=_object)
        if deeper(told, max_depth):
            raise unreadable(TOO_DEEP)
        if getattr(told, "twice", ()):
            raise unreadable(f"the field {told.twice[0]!r} is there twice")
        return PredictRequest.model_validate(told).instances
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from error
    except RecursionError as error:
        raise unreadable(TOO_DEEP) from error
    except ValueError as error:
        # JSONDecodeError and UnicodeDecodeError, and numbers of thousands of digits.
        raise unreadable(str(error)) from error


def deeper(value: Any, depth: int) -> bool:
    """Whether more than so many lists and objects lie in each other."""
    level = [value]
    for _ in range(depth):
        level = [part for held in level for part in _parts(held) if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def _parts(held: Any) -> Iterable[Any]:
    return held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        found.twice = tuple(name for name, count in counts.items() if count > 1)
    return found


def unreadable(why: str) -> RequestValidationError:
    return RequestValidationError(
        [{"type": "json_invalid", "loc": ("body",), "msg": f"no JSON that can be read: {why}"}]
    )
