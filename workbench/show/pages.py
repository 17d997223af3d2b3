"""A sheet as HTML for a cell, as plain lines for a terminal, and as a page of its own.

The HTML brings its own small style, and takes its colours from the page: JupyterLab's and Voila's, light or dark.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.show.sheet import Cell, Sheet, Table, Told

ROWS, PLAIN_ROWS, PLAIN_WIDTH, PLAIN_CELL = 100, 8, 118, 60
DARK = "--wb-good:#3ccf9e;--wb-bad:#ff9150;--wb-wait:#e3c64b"
# Twice the class: it has to outweigh what JupyterLab says of every table in an output.
OF = "div.wb-shown.wb-shown"
STYLE = (
    "<style>"
    "div.wb-shown{--wb-good:#00694c;--wb-bad:#a84300;--wb-wait:#6b5b00;color:var(--jp-ui-font-color1,inherit);"
    "font:13px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);max-width:1100px}"
    f'body[data-jp-theme-light="false"] div.wb-shown,body.vscode-dark div.wb-shown{{{DARK}}}'
    f"{OF} .wb-title{{font-size:14px;margin:0 0 4px}}{OF} p{{margin:4px 0;overflow-wrap:anywhere;max-width:100ch}}"
    f"{OF} .good{{color:var(--wb-good)}}{OF} .bad{{color:var(--wb-bad)}}{OF} .wait{{color:var(--wb-wait)}}"
    f"{OF} .quiet,{OF} caption,{OF} th,{OF} dt{{color:var(--jp-ui-font-color2,inherit)}}"
    f"{OF} dl{{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:1px 16px;margin:4px 0}}"
    f"{OF} dt,{OF} dd{{float:none;width:auto;margin:0;padding:0;font-weight:400;overflow-wrap:anywhere}}"
    f"{OF} .wb-scroll{{overflow-x:auto;margin:8px 0}}"
    f"{OF} table{{border-collapse:collapse;margin:0;font-size:13px;font-variant-numeric:tabular-nums;border:0}}"
    f"{OF} caption{{caption-side:top;text-align:left;padding:0 0 2px;white-space:nowrap}}"
    f"{OF} tr:nth-child(n){{background:none}}"
    f"{OF} th,{OF} td{{text-align:left;vertical-align:top;padding:3px 14px 3px 0;max-width:60ch;"
    "overflow-wrap:break-word;white-space:normal;border:0;border-bottom:1px solid var(--jp-border-color2,#8884)}"
    f"{OF} th{{font-weight:600;white-space:nowrap}}{OF} svg{{margin:8px 0}}"
    f"@media (max-width:640px){{{OF} dl{{grid-template-columns:minmax(0,1fr)}}{OF} dd{{margin-bottom:4px}}"
    f"{OF} td{{min-width:7ch}}}}"
    "</style>"
)
PAGE = (
    "<style>:root{color-scheme:light dark;--jp-ui-font-color2:#5c5c5c}body{margin:24px;background:#fff;color:#1c1c1c}"
    "@media (prefers-color-scheme:dark){:root{--jp-ui-font-color2:#b4b4b4}body{background:#1b1b1b;color:#ececec}"
    f"div.wb-shown{{{DARK}}}}}</style>"
)


def to_html(sheet: Sheet) -> str:
    """For a cell of a notebook."""
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{_cell(value)}</dd>" for name, value in sheet.facts)
    parts = [
        f'<p class="wb-title"><b>{escape(sheet.title)}</b>: {_cell(sheet.sentence)}</p>',
        f"<dl>{facts}</dl>" if facts else "",
        *sheet.pictures,
        *map(_table, sheet.tables),
        f'<p class="quiet">{escape(sheet.note)}</p>' if sheet.note else "",
    ]
    return f'{STYLE}<div class="wb-shown">{"".join(parts)}</div>'


def _cell(value: Cell) -> str:
    if isinstance(value, Told) and value.tone:
        return f'<span class="{value.tone}">{escape(value.text)}</span>'
    return escape(f"{value:,}" if isinstance(value, int) else str(value))


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.head)
    rows = "".join(f"<tr>{''.join(f'<td>{_cell(c)}</td>' for c in row)}</tr>" for row in table.rows[:ROWS])
    caption = table.caption + (f", the first {ROWS} of {len(table.rows)}" if len(table.rows) > ROWS else "")
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wb-scroll"><table>{told}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def to_plain(sheet: Sheet) -> str:
    """For a terminal: the sentence, the facts, and the first rows of the first table."""
    told = _cut(f"{sheet.title}: {sheet.sentence}", 4 * PLAIN_WIDTH)
    lines = [*textwrap.wrap(told, PLAIN_WIDTH, subsequent_indent="  "), *_aligned(sheet.facts)]
    table = next((t for t in sheet.tables if t.rows), None)
    if table is not None:
        lines += _aligned([table.head, *table.rows[:PLAIN_ROWS]])
        if len(table.rows) > PLAIN_ROWS:
            lines.append(f"  ... and {len(table.rows) - PLAIN_ROWS} more")
    return "\n".join(_cut(line, PLAIN_WIDTH) for line in lines)


def _aligned(rows: Sequence[Sequence[Cell]]) -> list[str]:
    told = [[_cut(f"{c:,}" if isinstance(c, int) else str(c), PLAIN_CELL) for c in row[:-1]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*told, strict=True)]
    starts = ("".join(f"{c.ljust(w)}  " for c, w in zip(row, widths, strict=True)) for row in told)
    return [f"  {start}{row[-1]}".rstrip() for start, row in zip(starts, rows, strict=True)]


def _cut(text: str, most: int) -> str:
    """One line that can be printed: what is not printable could move a terminal's cursor."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def write(sheet: Sheet, path: Path | str) -> Path:
    """A page of its own; returns where it is.

    Raises
    ------
    WorkbenchError
        The file cannot be written.
    """
    target = Path(path).expanduser().resolve()
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(sheet.title)}</title></head><body><main>{to_html(sheet)}</main>{PAGE}</body></html>\n"
    )
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(f"the page cannot be written to {target}: {error.strerror}") from error
    return target
