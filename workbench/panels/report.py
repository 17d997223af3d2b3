"""The report: what the dashboard shows at one moment, as one page that can be mailed, with nothing from elsewhere."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.files import replace_whole
from workbench.moments import utc_text
from workbench.panels.base import STYLE, Markup, Panel, heading, tag
from workbench.panels.drift import Drift
from workbench.panels.events import Events
from workbench.panels.headline import Headline
from workbench.panels.health import Health
from workbench.panels.performance import Performance
from workbench.panels.state_line import state_of
from workbench.panels.versions import Versions
from workbench.panels.view import Reader, View
from workbench.settings import Settings
from workbench.show.sheet import clock

# Of the dashboard's sheet, what only JupyterLab and Voila define.
LIGHT = (
    "--jp-ui-font-family: system-ui, sans-serif; --jp-ui-font-color1: #1c1c1c; --jp-ui-font-color2: #5c5c5c; "
    "--jp-layout-color1: #fff; --jp-layout-color2: #f3f3f3; --jp-border-color1: #9a9a9a; --jp-border-color2: #dcdcdc; "
    "color-scheme: light"
)
DARK = (
    "--jp-ui-font-color1: #ececec; --jp-ui-font-color2: #b4b4b4; --jp-layout-color1: #1b1b1b; "
    "--jp-layout-color2: #2a2a2a; --jp-border-color1: #8a8a8a; --jp-border-color2: #444; color-scheme: dark; "
)
PAGE = (
    f"<style>:root {{ {LIGHT} }} body {{ margin: 0; padding: 20px; background: var(--jp-layout-color2) }} "
    ".wb { display: grid; grid-template-columns: minmax(0, 1fr); } "
    # A mailed page is read and printed from its beginning to its end.
    ".wb .wb-scroll { max-height: none } .wb .wb-light { white-space: normal } "
    f"@media (prefers-color-scheme: dark) {{ :root {{ {DARK} }} "
    ".wb { --wb-good: #3ccf9e; --wb-bad: #ff9150; --wb-wait: #e3c64b } } "
    "@media print { body { padding: 0; background: none } .wb .wb-panel { break-inside: avoid-page } }</style>"
)
PANELS: tuple[type[Panel], ...] = (Performance, Drift, Health, Versions, Events)


def report(view: View, now: datetime) -> str:
    """One HTML page: state, performance, drift, service, versions and decisions.

    Parameters
    ----------
    view : what the workspace's files say
    now : when that was read
    """
    name = view.settings.model.name
    _, word, _, _ = state_of(view)
    written = f"written {clock(utc_text(now))} from the workspace's files"
    parts = [
        tag("header", Markup(tag("h1", name) + tag("span", written, "wb-light")), "wb-head"),
        tag("section", Markup(Headline.draw(view))),
        *(tag("section", Markup(heading(p.title) + p.whole(view)), "wb-panel") for p in PANELS),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', f'{name}: {word}')}{STYLE}{PAGE}</head>"
        f'<body><main class="wb">{"".join(parts)}</main></body></html>\n'
    )


def write(settings: Settings, path: Path | str, now: datetime) -> Path:
    """Write the report of a workspace as its files are now; returns where.

    Raises
    ------
    WorkbenchError
        The file cannot be written.
    """
    target = Path(path).expanduser().resolve()
    page = report(Reader(settings).read(), now).encode()
    try:
        replace_whole(target, page)
    except OSError as error:
        raise WorkbenchError(f"the report cannot be written to {target}: {error.strerror}") from error
    return target
