"""What panels share: escaping, tables, the status line that catches errors, and the rule of drawing on change only."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as W
import traitlets as t

from workbench.errors import WorkbenchError
from workbench.moments import utc_now
from workbench.panels.view import View
from workbench.records import ALARMING, State
from workbench.show.sheet import STATES

if TYPE_CHECKING:
    from workbench.panels.desk import Desk

log = logging.getLogger(__name__)
STYLE = f"<style>{(Path(__file__).parent / 'style.css').read_text(encoding='utf-8')}</style>"
# Of the page's width: a panel's border and padding.
FRAME = 36
# From here on style.css has room for two figures in a row: twice 440 and the gap between, within the frame.
SIDE_BY_SIDE = 2 * 440 + 22 + FRAME


class Markup(str):
    """Text that is HTML already; everything else is escaped where it is put into a page."""

    __slots__ = ()


def markup(value: object) -> Markup:
    """Anything as HTML.

    >>> markup("a<b"), markup(Markup("<b>"))
    ('a&lt;b', '<b>')
    """
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def tag(name: str, content: object, css: str = "", title: str = "") -> Markup:
    """An element around some content, which is escaped unless it is markup.

    >>> tag("b", "1 < 2", "wb-good")
    '<b class="wb-good">1 &lt; 2</b>'
    """
    attributes = f' class="{escape(css)}"' if css else ""
    attributes += f' title="{escape(title)}"' if title else ""
    return Markup(f"<{name}{attributes}>{markup(content)}</{name}>")


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]], *, css: Sequence[str] = ()) -> Markup:
    """An HTML table; a cell is escaped unless it is markup.

    Parameters
    ----------
    css : sequence of str, optional
        A class a column.
    """
    classes = [*css, *[""] * (len(head) - len(css))]
    lines = ["".join(tag("td", cell, name) for cell, name in zip(row, classes, strict=True)) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    # A corner without a word is no heading.
    titles = "".join(f'<th scope="col">{escape(h)}</th>' if h else "<td></td>" for h in head)
    # It scrolls where it is too large, and so must be reached without a mouse.
    name = escape(caption)
    return Markup(
        f'<div class="wb-scroll" tabindex="0" role="region" aria-label="{name}"><table><caption>{name}</caption>'
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def anchor(title: str) -> str:
    """The name by which a heading is jumped to.

    >>> anchor("Drift of the inputs")
    'wb-drift-of-the-inputs'
    """
    return "wb-" + "-".join(re.findall(r"\w+", title.lower()))


def heading(title: str) -> Markup:
    """A panel's heading.

    >>> heading("Versions")
    '<h2 id="wb-versions">Versions</h2>'
    """
    return Markup(f'<h2 id="{anchor(title)}">{escape(title)}</h2>')


def jumps(titles: Sequence[str]) -> Markup:
    """Links to the panels of a page."""
    links = "".join(f'<a href="#{anchor(title)}">{escape(title)}</a>' for title in titles)
    return Markup(f'<nav class="wb-jumps" aria-label="Parts of this page">{links}</nav>')


def verdict(state: State) -> Markup:
    """A state for reading, by sign, word and colour.

    >>> verdict("drift")
    '<span class="wb-bad">▲ drift</span>'
    """
    css = "wb-bad" if state in ALARMING else "wb-good" if state == "ok" else "wb-wait"
    return tag("span", " ".join(STATES[state]), css)


class Status(W.HTML):
    """The line where errors go: what failed, when it began to fail, and why; gone when it works again."""

    troubles = t.Dict()

    def __init__(self) -> None:
        super().__init__()
        self.add_class("wb-status")
        self.observe(self._draw, "troubles")

    def _draw(self, _: Any) -> None:
        lines = [f'<div class="wb-alert" role="alert">{escape(text)}</div>' for text, _ in self.troubles.values()]
        self.value = "".join(lines)

    @contextmanager
    def guard(self, what: str) -> Iterator[None]:
        """Whatever goes wrong inside is told here, and the last good picture stays where it is."""
        try:
            yield
        except Exception as error:
            told = str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
            if self.troubles.get(what, ("", ""))[1] != told:
                log.exception("%s", what)
                self.troubles = {**self.troubles, what: (f"▲ {utc_now():%H:%M:%SZ} {what}: {told}", told)}
        else:
            self.troubles = {k: v for k, v in self.troubles.items() if k != what}


class Panel(W.VBox):
    """A part of the page: `draw` turns a view into markup, and is asked only when `key` of the view has changed.

    Parameters
    ----------
    desk : Desk
    *controls : widgets
        Below what is drawn.
    """

    title = ""
    drawn = t.Any()

    def __init__(self, desk: Desk, *controls: W.Widget) -> None:
        self.desk = desk
        self.body = W.HTML()
        head = [W.HTML(heading(self.title))] if self.title else []
        super().__init__([*head, self.body, *controls])
        self.add_class("wb-panel" if self.title else "wb-bare")

    @property
    def busy(self) -> bool:
        """Whether something that was started from here is under way."""
        return False

    def poll(self) -> None:
        """Look after what was started; called each tick, never waits."""

    def show(self, view: View) -> None:
        key = self.key(view)
        if key != self.drawn:
            self.body.value = self.draw(view)
            self.drawn = key

    def key(self, view: View) -> object:
        raise NotImplementedError

    @staticmethod
    def draw(view: View) -> str:
        raise NotImplementedError

    @classmethod
    def whole(cls, view: View) -> str:
        """What a page without controls shows, such as the mailed one: all that they would choose from."""
        return cls.draw(view)


def said(text: str) -> str:
    """A line that a screen reader reads out when it changes."""
    return f'<div class="wb-said" role="status">{tag("span", text)}</div>'


def row(*widgets: W.Widget) -> W.HBox:
    """Controls beside each other, on as many lines as the page's width needs."""
    return W.HBox(widgets).add_class("wb-controls")


def visible(widget: W.Widget, shown: bool) -> None:
    widget.layout.display = None if shown else "none"


def full_width(view: View) -> int:
    """Pixels for a figure that has the page to itself."""
    return max(view.width - FRAME, 280)


def half_width(view: View) -> int:
    """Pixels for a figure that shares the page with another, where it is wide enough for two."""
    return (view.width - 14) // 2 - FRAME if view.width >= SIDE_BY_SIDE else full_width(view)
