"""/docs: what the service answers, as one page made of its own /openapi.json; it loads nothing, and runs no script.

The usual docs pages take their scripts from another host. Links are relative: the page is right behind a proxy, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from service.problems import KINDS

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem 1.2rem 3rem; overflow-wrap: anywhere; }
details { border: 1px solid #8886; border-radius: 8px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; } summary code { font-weight: 600; }
h2 { margin: 1.6rem 0 .4rem; text-transform: capitalize; }
pre { overflow: auto; padding: .6rem; border-radius: 6px; background: #8882; } dt { font-weight: 600; }
dd { margin: 0 0 .3rem 1rem; } a { color: inherit; }
"""


def docs(request: Request) -> HTMLResponse:
    """Every endpoint: what it takes and what it answers."""
    return HTMLResponse(page(request.app.openapi()))


def page(api: dict[str, Any]) -> str:
    """An OpenAPI description as a page for people."""
    title = escape(api["info"]["title"])
    shown: dict[str, list[str]] = {}
    for path, methods in api["paths"].items():
        for method, told in methods.items():
            shown.setdefault(told.get("tags", ["other"])[0], []).append(_endpoint(path, method.upper(), told, api))
    parts = "".join(f"<h2>{escape(tag)}</h2>{''.join(endpoints)}" for tag, endpoints in shown.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>"
        '<p>The same for programs: <a href="openapi.json">openapi.json</a>. Maintenance needs '
        "<code>Authorization: Bearer TOKEN</code>; <code>python main.py token</code> shows the token.</p>"
        f"{parts}<h2>problems</h2><p>Errors are problem details (RFC 9457, application/problem+json); their type is "
        f"about:blank, or one of these:</p><dl>{_problems()}</dl></main></body></html>"
    )


def _problems() -> str:
    """What the types of problems point to."""
    return "".join(
        f'<dt id="{kind.partition("#")[2]}">{escape(title)} ({status})</dt><dd>{escape(str(error.__doc__))}</dd>'
        for error, (status, kind, title) in KINDS.items()
    )


def _endpoint(path: str, method: str, told: dict[str, Any], api: dict[str, Any]) -> str:
    says = escape(told.get("description") or told.get("summary") or "")
    parts = [f"<dt>{escape(name)}</dt><dd>{escape(about)}</dd>" for name, about in _inputs(told)]
    body = told.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        example = body["example"] if "example" in body else _shape(body["schema"], api, 0)
        parts.append(f"<dt>body</dt><dd>{_shown(example)}</dd>")
    for code, answer in told["responses"].items():
        kinds = answer.get("content", {})
        parts.append(f"<dt>{code}</dt><dd>{escape(answer['description'])} <small>{escape(', '.join(kinds))}</small>")
        parts += [_shown(kind["example"]) for kind in kinds.values() if "example" in kind]
        parts.append("</dd>")
    summary = f"<summary><code>{method} {escape(path)}</code> {says}</summary>"
    return f"<details>{summary}<dl>{''.join(parts)}</dl></details>"


def _shown(example: Any) -> str:
    return f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"


def _inputs(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for one in told.get("parameters", []):
        schema = one.get("schema", {})
        kind = schema.get("type") or " or ".join(str(s.get("type", "any")) for s in schema.get("anyOf", [])) or "any"
        default = f", {schema['default']!r} if left out" if schema.get("default") is not None else ""
        needed = ", needed" if one.get("required") else ""
        example = f" Such as {one['example']}" if "example" in one else ""
        yield one["name"], f"{one['in']}: {kind}{needed}{default}. {one.get('description', '')}{example}".strip()


def _shape(schema: dict[str, Any], api: dict[str, Any], depth: int) -> Any:
    """What a body looks like: names with the kind of their values."""
    if "$ref" in schema:
        schema = api["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "properties" in schema and depth < 4:
        return {name: _shape(part, api, depth + 1) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_shape(schema.get("items", {}), api, depth + 1)]
    kinds = [s.get("type", "any") for s in schema.get("anyOf", [])] or [schema.get("type", "any")]
    return " or ".join(map(str, kinds))
