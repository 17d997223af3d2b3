"""How records show themselves: as HTML in a notebook, as a few plain lines in a terminal, as a page in a file.

A record inherits from `Shown`; what is shown of it is said once, as a `Sheet` (sheets.py), for all three.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.show.sheet import Sheet


class Shown:
    """A record that a person asks for by name and looks at."""

    __slots__ = ()

    def _sheet(self) -> Sheet:
        from workbench.show.sheets import sheet_of

        return sheet_of(self)

    def _repr_html_(self) -> str:
        from workbench.show.pages import to_html

        return to_html(self._sheet())

    def __repr__(self) -> str:
        from workbench.show.pages import to_plain

        return to_plain(self._sheet())

    def to_html(self, path: Path | str) -> Path:
        """Write what a notebook shows as a page of its own, with nothing from elsewhere; returns where it is.

        Raises
        ------
        WorkbenchError
            The file cannot be written.
        """
        from workbench.show.pages import write

        return write(self._sheet(), path)
